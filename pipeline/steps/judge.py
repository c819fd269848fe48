"""Judge: the new student compares every pool video with its anchors, which gives its scores (CVPR 2026, section C.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.members import pool
from pipeline.costs.loads import compare_load, compare_needs, compare_resources
from pipeline.method.scale import preference
from pipeline.run_folder.records import PREFERENCES, STUDENT_SCORES
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import write_table
from pipeline.student.comparison import anchor_logits
from pipeline.student.folder import Scores
from trainers.batches import read_encoded
from trainers.levels import LEVELS


def step(run: Run, number: int) -> Step:
    """The step that scores the pool with the student of round `number`."""
    config, layout = run.config, run.layout
    return Step(
        "judge",
        {"student": layout.student(number), "features": layout.features_of(layout.POOL)},
        [layout.student_scores(number), layout.preferences(number)],
        lambda: judge(run, number),
        round=number,
        rows=lambda: Rows(corpus_facts(run).pool),
        resources=lambda _cpus: compare_resources(config),
        needs=lambda: compare_needs(config),
        load=lambda: compare_load(config, corpus_facts(run), corpus_facts(run).pool),
    )


def judge(run: Run, number: int) -> dict[str, Any]:
    """Write `round-<k>/preferences.parquet` (label probabilities against each anchor) and `scores.parquet`."""
    layout = run.layout
    encoded = read_encoded(run.config.student.name, layout.features)
    ids = [row["video_id"] for row in pool(layout) if row["video_id"] in encoded.row_of]
    logits, anchors = anchor_logits(run, layout.student(number), encoded, ids)
    write_table(layout.student_scores(number), student_scores(number, ids, anchors.score(logits)), STUDENT_SCORES)
    first = list(anchors.ids) * len(ids)
    second = [video for video in ids for _ in anchors.ids]
    table = preferences(first, second, logits.reshape(-1, len(LEVELS)))
    write_table(layout.preferences(number), table, PREFERENCES)
    beats = preference(logits, anchors.temperature)
    return {
        "rows": len(ids),
        "what": f"{len(ids)} pool videos against {len(anchors.ids)} anchors, mean preference {beats.mean():.2f}",
    }


def student_scores(number: int, ids: Sequence[str], scores: Scores) -> pa.Table:
    """Table `StudentScore` of N videos by the student of round `number`."""
    return pa.table({"video_id": ids, "round": [number] * len(ids), **vars(scores)})


def preferences(first: Sequence[str], second: Sequence[str], logits: np.ndarray) -> pa.Table:
    """Table `Preference` of P pairs from logits `[P, 5]`, built by columns: there are too many numbers for Python rows."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float64)
    columns = [pa.array(first, pa.string()), pa.array(second, pa.string()), *map(pa.array, probabilities.T)]
    return pa.Table.from_arrays(columns, schema=PREFERENCES.schema)
