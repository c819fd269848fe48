"""One step of a run as a value: its inputs, outputs, resources and work.

Each module of `pipeline.steps` builds its own steps, `pipeline.loop` lists them, `pipeline.run_folder.manifest` runs the
missing ones, and `pipeline.planning` asks them for their cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.capacity import Bundle
from trainers.places import Place

Summary = Mapping[str, Any]  # about the result; `rows` (a count) and `what` (a short text) are printed


@dataclass(frozen=True)
class Rows:
    """Number of rows of a step's result; `at_most` if it is an upper bound."""

    count: int
    at_most: bool = False


@dataclass(frozen=True)
class Resources:
    """Total resources of the processes of a step.

    Attributes:
        actors: Processes that work at the same time.
        gpus: GPUs of all of them.
        memory_gib: Memory of all of them, approximately, GiB.
    """

    actors: int = 1
    gpus: float = 0.0
    memory_gib: float = 0.15


@dataclass(frozen=True)
class Load:
    """How much work a step has, whatever machine does it.

    Attributes:
        amounts: Name of a rate (`pipeline.costs.rates`) -> its units; names that begin with ``gpu`` are work of GPUs.
        starts: Name of the rate of wall-clock seconds that pass before the work begins; empty for none.
        most: Processes that have work at the same time, at most.
        read: Bytes of videos that are read.
        written: Bytes that are written into the run folder.
    """

    amounts: Mapping[str, float] = field(default_factory=dict)
    starts: str = ""
    most: float = math.inf
    read: float = 0.0
    written: float = 0.0


def _unknown() -> Rows | None:
    return None


def _one_process(_cpus: int) -> Resources:
    return Resources()


def _nothing() -> Sequence[Bundle]:
    return ()


def _little() -> Load:
    return Load({"step": 1}, most=1)


@dataclass(frozen=True)
class Step:
    """A step.

    Attributes:
        kind: What it does; steps of the same kind have similar costs in every round.
        inputs: Everything that decides the outputs: JSON values, parts of the configuration, or places (their contents).
        outputs: The files and folders that the step makes in the run folder.
        work: Makes the outputs and returns the summary.
        reusable_outputs: Outputs that stay if the inputs change: their rows have their own key, and the step adds only
            the missing rows.
        beside: What it makes besides, which later steps read but no manifest commits.
        round: Its round, counted from 1; 0 for steps before or after the rounds.
        rows: Expected number of rows of the result; None if unknown.
        resources: Resources that it needs on a number of CPUs.
        needs: The processes that it cannot work without, at the same time; a cluster that never has them is refused.
        load: Its work, from which follow time and money.
    """

    kind: str
    inputs: Mapping[str, Any]
    outputs: Sequence[Place]
    work: Callable[[], Summary]
    reusable_outputs: Sequence[Place] = ()
    beside: Sequence[Place] = ()
    round: int = 0
    rows: Callable[[], Rows | None] = _unknown
    resources: Callable[[int], Resources] = _one_process
    needs: Callable[[], Sequence[Bundle]] = _nothing
    load: Callable[[], Load] = _little

    @property
    def name(self) -> str:
        """Unique name in the run, such as `distort-2`."""
        return f"{self.kind}-{self.round}" if self.round else self.kind
