"""The table of released weights (`table.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.console import UserError

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Weights(BaseModel):
    """Released weights of one network: a file behind a link, or the files of a repository of the hub.

    Attributes:
        title: The network.
        used_by: What uses them.
        licence: Their licence, as stated by their authors.
        non_commercial: They may not be used commercially, or nothing says that they may.
        url: Link of the file.
        hub: Repository of the hub.
        by_hand: Page where a person has to fetch the file.
        revision: Release, or revision of the repository.
        place: Name of the file, or of the folder, in the folder of weights.
        size: Bytes, where published.
        sha256: Digest, where published.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    used_by: str = Field(alias="for")
    licence: str
    non_commercial: bool = False
    url: str | None = None
    hub: str | None = None
    by_hand: str | None = None
    revision: str
    place: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    size: int | None = None
    sha256: Digest | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.url, self.hub, self.by_hand)) != 1:
            raise ValueError("give one of url, hub and by_hand")
        return self

    @property
    def source(self) -> str:
        """Where they are from, for the user."""
        return self.url or self.by_hand or f"hub {self.hub}"

    def at(self, folder: Path) -> Path:
        """Where they are looked for."""
        return folder / self.place


@lru_cache(maxsize=1)
def table() -> Mapping[str, Weights]:
    """Name -> weights."""
    text = resources.files("pipeline.weights").joinpath("table.yaml").read_text("utf-8")
    return {name: Weights.model_validate(row) for name, row in yaml.safe_load(text).items()}


def chosen(names: Sequence[str]) -> dict[str, Weights]:
    """The named weights; all if none is named.

    Raises:
        UserError: A name is unknown.
    """
    known = table()
    for name in names:
        if name not in known:
            raise UserError(f"weights {name}: not known here; known: {', '.join(known)}")
    return {name: known[name] for name in names} if names else dict(known)
