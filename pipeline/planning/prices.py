"""Prices of nodes and the speed of their GPUs, from one file that users edit (`prices.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pipeline.costs import own_file

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
CLOUDS = ("aws", "gcp", "azure", "kubernetes")


class NodePrice(BaseModel):
    """Price of a kind of node an hour; `spot` where it is known; the kind of its GPUs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    hour: Price
    spot: Price | None = None
    gpu: str = ""


class Gpu(BaseModel):
    """Memory of a GPU, GiB, and its peak in tera-operations a second."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    memory: Price
    float32: Price
    float16: Price
    bfloat16: Price


class Prices(BaseModel):
    """A file of prices."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    date: Any
    currency: str = "USD"
    spot_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    aws: Mapping[str, NodePrice] = {}
    gcp: Mapping[str, NodePrice] = {}
    azure: Mapping[str, NodePrice] = {}
    kubernetes: Mapping[str, NodePrice] = {}
    gpus: Mapping[str, Gpu] = {}

    def of(self, provider: str, kind: str) -> NodePrice | None:
        """Price of a kind of node; a Kubernetes cluster may run on nodes of any cloud. None if it is not in the file."""
        clouds = [provider] if provider in CLOUDS and provider != "kubernetes" else CLOUDS
        return next((table[kind] for cloud in clouds if kind in (table := getattr(self, cloud))), None)

    def spot(self, price: NodePrice) -> float:
        """Price of a spot node of this kind an hour: given, or assumed."""
        return price.hour * self.spot_share if price.spot is None else price.spot


def prices_of(path: str | None) -> Prices:
    """The prices of a file, or those that come with the program.

    Raises:
        UserError: The file cannot be read, or is no file of prices.
    """
    if path is None:
        text = resources.files("pipeline.planning").joinpath("prices.yaml").read_text("utf-8")
        return Prices.model_validate(yaml.safe_load(text))
    advice = "copy pipeline/planning/prices.yaml and edit it"
    return own_file.read(path, Prices, "--prices", advice, "pipeline/planning/prices.yaml")
