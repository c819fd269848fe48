"""Where the stopping rule ends a run whose number of stages was fixed, beside what every other stage gave: how it is validated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.method.paired import Summary
from pipeline.report.comparison import Judged, Measure, difference, judged
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import exists, read_json

RIGHT = (
    "A choice of a stage is right if no student of another stage of the run is above the kept one beyond chance: the 95 % interval "
    "of the difference holds 0 or lies below it. What stands in a row is the best other student less the kept one. Runs of two "
    "stages are left out: after the first there is no earlier student to compare with, and after the last nothing to decide."
)
LEAST = 3  # stages of a run in which the rule can choose


@dataclass(frozen=True)
class Said:
    """A decision: the stage after which it was taken, whether to stop, why, and the stage whose student is kept if it stops."""

    stage: int
    stop: bool
    why: str
    keep: int


@dataclass(frozen=True, eq=False)
class Stopped:
    """A run of a fixed number of stages in which the rule was asked after each but the last.

    Attributes:
        row: The ablation.
        seed: Of the run.
        students: Of all stages, in order.
        said: The decisions, in order.
    """

    row: str
    seed: int
    students: Sequence[Judged]
    said: Sequence[Said]

    @property
    def trained(self) -> int:
        """Stages that are trained if the rule is obeyed."""
        return next((one.stage for one in self.said if one.stop), len(self.students))

    @property
    def kept(self) -> int:
        """The stage whose student is kept if the rule is obeyed."""
        return next((one.keep for one in self.said if one.stop), len(self.students))

    def difference(self, stage: int, other: int, measure: Measure) -> Summary | None:
        """A figure of the student of another stage less that of a stage."""
        return difference([(self.students[stage - 1], self.students[other - 1])], measure)

    def better(self, measure: Measure, kept: int | None = None) -> Summary | None:
        """The best student of another stage less the kept one; None where the figure is undefined."""
        chosen = self.kept if kept is None else kept
        others = [stage for stage in range(1, len(self.students) + 1) if stage != chosen]
        found = [one for other in others if (one := self.difference(chosen, other, measure)) is not None]
        return max(found, key=lambda one: one.mean, default=None)

    def right(self, measure: Measure, kept: int) -> bool | None:
        """Whether no student of another stage is above that of a stage beyond chance; None where that is undefined."""
        others = [stage for stage in range(1, len(self.students) + 1) if stage != kept]
        found = [self.difference(kept, other, measure) for other in others]
        known = [one.low <= 0 for one in found if one is not None and one.low is not None]
        return all(known) if known else None


# Rule -> (stages that it trains, the stage that it keeps)
RULES: Mapping[str, Callable[[Stopped], tuple[int, int]]] = {
    "the rule": lambda run: (run.trained, run.kept),
    "one stage always": lambda _run: (1, 1),
    "all stages always": lambda run: (len(run.students), len(run.students)),
}


def stopped(layout: RunLayout, row: str, seed: int, stages: int) -> Stopped | None:
    """What the stopping rule said in a run of several stages; None where it was not measured."""
    before_last = range(1, stages)
    if not before_last or not all(exists(layout.decision(stage)) for stage in before_last):
        return None
    said = [(stage, read_json(layout.decision(stage))) for stage in before_last]
    return Stopped(
        row,
        seed,
        [judged(layout, stage) for stage in range(1, stages + 1)],
        [Said(stage, bool(one["stop"]), str(one["why"]), int(one["keep"])) for stage, one in said],
    )
