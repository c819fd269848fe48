"""Decide: whether another round would teach anything, told from the next round's new videos and copies (`method.stopping`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.members import every_severity_pair, pool
from pipeline.costs.loads import compare_load, compare_needs, compare_resources
from pipeline.method.metrics import MetricError, srcc
from pipeline.method.pairs import SyntheticPair
from pipeline.method.stopping import Gain, Signals, decide, gain
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import ENSEMBLE, STUDENT_SCORES
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import exists, read_json, read_table, write_json
from pipeline.settings.config import Config
from pipeline.steps.mine import asked, misjudged
from pipeline.student.comparison import pair_logits
from trainers.batches import read_encoded


def step(run: Run, number: int) -> Step:
    """The step that decides after round `number`."""
    config, layout = run.config, run.layout
    students = [number] if number == 1 else [number - 1, number]
    inputs: dict[str, Any] = {"ensemble": layout.ensemble, "distorted": layout.distorted(number + 1)}
    inputs |= {"features": layout.features_of(layout.copies_look(number + 1)), "severity": config.training.severity}
    inputs |= {"limits": config.stopping.model_dump(include={"misjudged", "disagreement", "sure"})}
    inputs |= {"seed": config.seed, "pristine": config.distort.include_pristine}
    for k in students:
        inputs |= {f"student {k}": layout.student(k), f"scores {k}": layout.student_scores(k)}
    return Step(
        "decide",
        inputs,
        [layout.decision(number)],
        lambda: decision(run, number),
        round=number,
        resources=lambda _cpus: compare_resources(config),
        needs=lambda: compare_needs(config),
        load=lambda: compare_load(config, corpus_facts(run), 0, len(students) * asked(run, number)),
    )


def stopped(config: Config, layout: RunLayout, number: int) -> bool:
    """Whether the rounds end with this one, as far as is known."""
    return config.stopping.auto and exists(layout.decision(number)) and bool(read_json(layout.decision(number))["stop"])


def last_round(config: Config, layout: RunLayout) -> int:
    """The last round of a run: the configured one, or the one after which it was decided to stop."""
    return next((k for k in range(1, config.stages) if stopped(config, layout, k)), config.stages)


def decision(run: Run, number: int) -> dict[str, Any]:
    """Write `round-<k>/decision.json`."""
    found = signals(run, number)
    limits = run.config.stopping
    said = decide(found, limits.misjudged, limits.disagreement, limits.sure, first=number == 1)
    write_json(
        run.layout.decision(number),
        {"round": number, **asdict(said), "keep": number if said.keep_last else number - 1, "signals": asdict(found)},
    )
    return {"what": f"{'stop' if said.stop else 'go on'} after stage {number}: {said.why}"}


def signals(run: Run, number: int) -> Signals:
    """What the new videos and copies of the next round say of the student of round `number`."""
    pairs = every_severity_pair(run.config, run.layout, number + 1)
    encoded = read_encoded(run.config.student.name, run.layout.features) if pairs else None
    wrong = {k: _wrong(run, k, pairs, encoded) for k in ([number] if number == 1 else [number - 1, number])}
    sources = [pair.first.source_id for pair in pairs]
    change: Gain | None = None
    if number > 1 and pairs:
        change = gain(wrong[number - 1], wrong[number], sources)
    if change is not None and not np.isfinite(change.error):  # one source: nothing can be said
        change = None
    new = [row["video_id"] for row in pool(run.layout) if row["round"] == number + 1]
    own = _scores(run, number)
    teachers = {row["video_id"]: row["mean"] for row in read_table(run.layout.ensemble, ENSEMBLE).to_pylist()}
    teaching = _agreement(own, teachers, new)
    before = _agreement(own, _scores(run, number - 1), new) if number > 1 else None
    return Signals(
        len(pairs),
        len(new),
        float(wrong[number].mean()) if pairs else None,
        change,
        None if teaching is None else 1 - teaching,
        before,
    )


def _wrong(run: Run, number: int, pairs: Sequence[SyntheticPair], encoded: Any) -> np.ndarray:
    """Whether the student of a round misjudges each pair `[P]`."""
    if not pairs:
        return np.zeros(0, bool)
    first, second = [pair.first.video_id for pair in pairs], [pair.second.video_id for pair in pairs]
    logits = pair_logits(run, run.layout.student(number), encoded, first, second)
    return misjudged(run.config, pairs, logits)[0]


def _scores(run: Run, number: int) -> dict[str, float]:
    rows = read_table(run.layout.student_scores(number), STUDENT_SCORES).to_pylist()
    return {row["video_id"]: row["raw"] for row in rows}


def _agreement(first: dict[str, float], second: dict[str, float], ids: Sequence[str]) -> float | None:
    common = [one for one in ids if one in first and one in second]
    try:
        return srcc([first[one] for one in common], [second[one] for one in common])
    except MetricError:  # too few new videos, or all with one score
        return None
