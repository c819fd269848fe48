"""One step of a run as a value: what decides its result, what it makes, what it wants, and its work.

Each module of `pipeline.steps` builds its own steps, `pipeline.loop` lists them, `pipeline.run_folder.manifest` runs what
is missing, and `pipeline.planning` asks them what they will take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Summary = Mapping[
    str, Any
]  # what a step says about itself; of it `rows` (a count) and `what` (a few words) are printed


@dataclass(frozen=True)
class Rows:
    """Rows that a step gives; `at_most` where the number depends on what the run finds."""

    count: int
    at_most: bool = False


@dataclass(frozen=True)
class Resources:
    """What the processes of a step ask for together.

    Attributes:
        actors: Processes that work at once.
        gpus: GPUs of all of them.
        memory_gib: Memory of all of them, roughly.
    """

    actors: int = 1
    gpus: float = 0.0
    memory_gib: float = 0.15


def _unknown() -> Rows | None:
    return None


def _one_process(_cpus: int) -> Resources:
    return Resources()


def _one_second(_cpus: int) -> float:
    return 1.0


@dataclass(frozen=True)
class Step:
    """A step.

    Attributes:
        kind: What it does; steps of the same kind in several rounds cost alike.
        inputs: All that decides the outputs: JSON values, parts of the configuration, or paths (their contents).
        outputs: The files and folders below the run folder that the step makes.
        work: Makes the outputs and returns the summary.
        kept_outputs: Outputs that stay when the inputs have changed, because their rows carry their own key and the step
            adds only what is missing.
        round: The round that it belongs to, counted from 1; 0 for steps before the rounds and after them.
        rows: How many rows it will give.
        resources: What it wants on so many CPUs.
        seconds: Wall-clock seconds that it will take on so many CPUs, by rates that were measured once.
    """

    kind: str
    inputs: Mapping[str, Any]
    outputs: Sequence[Path]
    work: Callable[[], Summary]
    reusable_outputs: Sequence[Path] = ()
    round: int = 0
    rows: Callable[[], Rows | None] = _unknown
    resources: Callable[[int], Resources] = _one_process
    seconds: Callable[[int], float] = _one_second

    @property
    def name(self) -> str:
        """Unique in the run, for example ``distort-2``."""
        return f"{self.kind}-{self.round}" if self.round else self.kind
