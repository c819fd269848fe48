"""The students of several runs beside each other on the proxy benchmarks: figures, and paired differences with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.console import UserError
from pipeline.corpus.proxies import PAIR_GAP, SUITES, figures, items
from pipeline.method.paired import Summary, summary
from pipeline.method.resampling import MIN_SOURCES, draws, resampled
from pipeline.report.evaluated import evaluated
from pipeline.report.scores import student_scores
from pipeline.run_folder.kept import counted_rounds
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import exists, read_json

Measure = tuple[str, str]  # suite and figure

KEYS = ("within", "srcc")
_SEED = 0  # of the resamples


@dataclass(frozen=True, eq=False)
class Judged:
    """A student on the benchmark copies of its run.

    Attributes:
        stage: The round of the student.
        copies: Suite -> what tells the copies of its benchmark from others: ids and labels.
        values: (suite, figure) -> its value, where it is defined.
        drawn: (suite, figure) -> its values in resamples of the sources, the same draws for all runs on the same copies.
        ensemble: (suite, figure) -> the value of the teachers' ensemble.
    """

    stage: int
    copies: Mapping[str, tuple[tuple[str, float], ...]]
    values: Mapping[Measure, float]
    drawn: Mapping[Measure, np.ndarray]
    ensemble: Mapping[Measure, float] = field(default_factory=dict)


def judged(layout: RunLayout, stage: int | None = None) -> Judged:
    """The student of a round on both suites.

    Args:
        layout: The run folder.
        stage: The round; None for the last that was evaluated.

    Raises:
        UserError: No student of the run was evaluated, or not that one, or not on the benchmark that is there now.
    """
    number = _evaluated_round(layout, stage)
    raw = student_scores(layout.benchmark_student_scores(number), "raw")
    teachers = read_json(layout.benchmark_teachers)
    copies: dict[str, tuple[tuple[str, float], ...]] = {}
    values: dict[Measure, float] = {}
    drawn: dict[Measure, np.ndarray] = {}
    ensemble: dict[Measure, float] = {}
    for suite in SUITES:
        rows = items(layout, suite)
        lacking = sum(row["video_id"] not in raw for row in rows)
        if lacking:
            raise UserError(
                f"{layout.benchmark_student_scores(number)}: {lacking} of {len(rows)} {suite} copies have no score; delete this "
                "file and repeat the command that began the run"
            )
        labels = np.array([row["mos"] for row in rows], np.float64)
        scores = np.array([raw[row["video_id"]] for row in rows], np.float64)
        groups = [row["source_id"] for row in rows]
        copies[suite] = tuple((row["video_id"], row["mos"]) for row in rows)
        found = figures(scores, rows)
        values |= {(suite, key): value for key in KEYS if (value := found[key]) is not None}
        said = teachers[suite].get("ensemble", {})
        ensemble |= {(suite, key): value for key in KEYS if (value := said.get(key)) is not None}
        sources = len(set(groups))
        if sources >= MIN_SOURCES:
            every = resampled(scores, labels, groups, draws(sources, _SEED), PAIR_GAP)
            drawn |= {(suite, key): every[key] for key in KEYS}
    return Judged(number, copies, values, drawn, ensemble)


def _evaluated_round(layout: RunLayout, stage: int | None) -> int:
    """The given round, or the last, that was evaluated on the benchmark that is there now."""
    rounds = counted_rounds(layout) if stage is None else [number for number in layout.rounds() if number == stage]
    scored = [number for number in rounds if exists(layout.benchmark_student_scores(number))]
    found = next((number for number in reversed(scored) if evaluated(layout, number)), None)
    if found is not None:
        return found
    what = "no student" if stage is None else f"no student of round {stage}"
    if scored:
        raise UserError(
            f"{layout.root}: {what} has been evaluated since the benchmark or the student was made again; repeat the command "
            "that began the run, to finish it"
        )
    raise UserError(f"{layout.root}: {what} of this run has been evaluated; finish the run first")


def of_runs(runs: Sequence[Judged], measure: Measure) -> Summary | None:
    """A figure over runs that differ in their seed; None where it is undefined in one of them."""
    if not runs or any(measure not in one.values for one in runs):
        return None
    values = [one.values[measure] for one in runs]
    return summary(values, [one.drawn[measure] for one in runs] if all(measure in one.drawn for one in runs) else [])


def same_copies(first: Judged, second: Judged, suite: str) -> bool:
    """Whether two students were judged on the same copies, with the same labels."""
    return first.copies[suite] == second.copies[suite]


def difference(runs: Sequence[tuple[Judged, Judged]], measure: Measure) -> Summary | None:
    """A figure of one kind of run less that of another, run by run: pairs of (less, from) with the same seed.

    On the same copies both have the same draws, so that what is easy or hard for both cancels. On others the draws are
    independent, and the interval is as wide as both of them together.
    """
    if not runs or any(measure not in one.values for pair in runs for one in pair):
        return None
    values = [second.values[measure] - first.values[measure] for first, second in runs]
    if any(measure not in one.drawn for pair in runs for one in pair):
        return summary(values, [])
    return summary(values, [_gap(first, second, measure) for first, second in runs])


def _gap(first: Judged, second: Judged, measure: Measure) -> np.ndarray:
    less = first.drawn[measure]
    if not same_copies(first, second, measure[0]):
        less = np.random.default_rng(_SEED + 1).permutation(less)
    return np.asarray(second.drawn[measure] - less)
