"""The whole method on one page: label, train, mine, and again with the student as the teacher (CVPR 2026, section 4).

Each step declares its inputs, its outputs and its resources (`pipeline.run_folder.step`). Its manifest commits it
(`pipeline.run_folder.manifest`), so running the same command again runs only the missing steps.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence

from cluster.capacity import Bundle
from pipeline.run_folder.digests import Digests
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps
from pipeline.run_folder.run import Run
from pipeline.run_folder.sharing import adopt
from pipeline.run_folder.step import Step
from pipeline.steps import (
    benchmark,
    decide,
    ensemble,
    evaluate,
    ingest,
    judge,
    mine,
    pair,
    report,
    score,
    shape,
    synthesise,
    train,
)


def steps_of(run: Run) -> Iterator[Step]:
    """All steps of a run, in order."""
    yield from preparation(run)
    for number in range(1, run.config.stages + 1):
        yield from one_round(run, number)
        if decide.stopped(run.config, run.layout, number):
            break
    yield report.step(run)


def preparation(run: Run) -> Iterator[Step]:
    """The windows of the corpus, their scores by the teachers, the benchmarks, and the first round's pairs."""
    yield ingest.step(run)
    if run.config.shaping.keep is not None:
        yield shape.measure_step(run)
        yield shape.shape_step(run)
    yield score.step(run)
    yield ensemble.step(run)
    yield benchmark.step(run)
    yield benchmark.teachers_step(run)
    yield synthesise.step(run, 1)
    yield pair.step(run, 1)


def one_round(run: Run, number: int) -> Iterator[Step]:
    """Train the student of a round, score with it, evaluate it, and make the next round's pairs from its mistakes."""
    yield train.step(run, number)
    yield judge.step(run, number)
    yield evaluate.step(run, number)
    if number < run.config.stages:
        yield synthesise.step(run, number + 1)
        if run.config.stopping.auto or run.config.stopping.measure:
            yield decide.step(run, number)
            if decide.stopped(run.config, run.layout, number):
                return
        yield mine.step(run, number)
        yield pair.step(run, number + 1)


def needs(steps: Iterable[Step]) -> dict[str, Sequence[Bundle]]:
    """What each step cannot work without, by its name."""
    return {step.name: step.needs() for step in steps}


def run_all(run: Run, siblings: Sequence[RunLayout] = (), *, reported: bool = True) -> Steps:
    """Run every missing step; the result says which steps ran and which were already done.

    Args:
        run: The run.
        siblings: Runs whose committed steps are taken over where their inputs are equal.
        reported: Write the report as well.
    """

    def adopted(step: Step, fingerprint: str, digests: Digests) -> str | None:
        found = adopt(step, fingerprint, run.layout, digests, siblings)
        return f"in {found[1].root.name}: {found[0].summary.get('what', '')}" if found is not None else None

    steps = Steps(run.layout, run.console, lambda: run.engine.start(needs(steps_of(run))), adopted)
    for step in steps_of(run):
        if reported or step.kind != report.KIND:
            steps.run(step)
    shutil.rmtree(run.layout.downloads, ignore_errors=True)
    return steps
