"""Rates: what one unit of each kind of work costs. Built in, or measured on the user's own videos (`pipeline.costs.measure`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from actors.distortions.table import DISTORTIONS
from pipeline.console import UserError
from pipeline.corpus.facts import Typical
from pipeline.costs import own_file

Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Precision = Literal["float32", "float16", "bfloat16"]
BUILT_IN = "rates.yaml"
# A network reaches this share of a GPU's peak: assumed, since nothing could be measured on a GPU.
SHARE_OF_PEAK = 0.35


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GpuRate(_Strict):
    """Work of one unit on a GPU: tera-operations at a precision."""

    tera: Number
    precision: Precision = Field(alias="in")


class File(_Strict):
    """A file of rates; every part may be left out."""

    date: Any = ""
    machine: str = ""
    cpu: Mapping[str, Number] = {}
    x265: Mapping[str, Number] = {}
    start: Mapping[str, Number] = {}
    gpu: Mapping[str, GpuRate] = {}
    typical: Mapping[str, Number] = {}
    samples: int = 0


@dataclass(frozen=True)
class Rates:
    """The rates that a plan uses.

    Attributes:
        cpu: Name -> CPU seconds of one unit.
        start: Name -> wall-clock seconds.
        gpu: Name -> work of one unit on a GPU.
        typical: A typical file of the corpus, if it was measured.
        source: Where they are from, for the user.
        speed: How much slower the measured machine is than that of the built-in rates, for what was not measured.
    """

    cpu: Mapping[str, float]
    start: Mapping[str, float]
    gpu: Mapping[str, GpuRate]
    typical: Typical | None
    source: str
    speed: float = 1.0
    measured: frozenset[str] = field(default_factory=frozenset)

    def cpu_seconds(self, name: str) -> float:
        """CPU seconds of one unit.

        Raises:
            KeyError: There is no such rate.
        """
        if name in self.measured:
            return self.cpu[name]
        kind = name.partition(" ")[0]
        known = name if name in self.cpu else f"{kind} other"
        return self.cpu[known] * self.speed

    def gpu_work(self, name: str) -> GpuRate:
        """Work of one unit on a GPU."""
        kind = " ".join(name.split()[:2])
        return self.gpu[name] if name in self.gpu else self.gpu[f"{kind} other"]


def make(name: str, preset: str) -> str:
    """The rate of a simulator; that of x265 depends on its preset."""
    return f"make {name} {preset}" if name in DISTORTIONS and DISTORTIONS[name].x265 else f"make {name}"


@lru_cache(maxsize=1)
def built_in() -> Rates:
    """The rates of `rates.yaml` and of the table of distortions."""
    file = File.model_validate(yaml.safe_load(resources.files("pipeline.costs").joinpath(BUILT_IN).read_text("utf-8")))
    cpu = dict(file.cpu)
    for name, row in DISTORTIONS.items():
        for preset, slower in file.x265.items() if row.x265 else [("", 1.0)]:
            cpu[make(name, preset)] = row.cpu_s * slower
    return Rates(cpu, file.start, file.gpu, None, f"built in, {file.date}")


def rates_of(path: str | None) -> Rates:
    """The built-in rates, with those of a file in their place.

    Args:
        path: A file as `run.py plan --measure` writes it; None for the built-in rates alone.

    Raises:
        UserError: The file cannot be read, or is no file of rates.
    """
    base = built_in()
    if path is None:
        return base
    file = read(path)
    known = [file.cpu[name] / base.cpu[name] for name in file.cpu if base.cpu.get(name)]
    speed = sorted(known)[len(known) // 2] if known else 1.0
    typical = Typical(**file.typical) if file.typical else None
    return Rates(
        {**base.cpu, **file.cpu},
        {**base.start, **file.start},
        {**base.gpu, **file.gpu},
        typical,
        f"{path}, {file.samples} videos measured on {file.date}",
        speed,
        frozenset(file.cpu),
    )


def read(path: str) -> File:
    """Read a file of rates.

    Raises:
        UserError: It cannot be read, or is no file of rates.
    """
    advice = f"write one with `run.py plan --measure {path}`"
    file = own_file.read(path, File, "--rates", advice, "pipeline/costs/rates.yaml")
    unknown = sorted(set(file.typical) - set(Typical.__dataclass_fields__))
    if unknown:
        raise UserError(
            f"--rates {path}: typical has no {unknown[0]}; known: {', '.join(Typical.__dataclass_fields__)}"
        )
    return file
