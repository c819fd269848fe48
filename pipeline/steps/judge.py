"""Judge: the new student compares every pool video with its anchors; the comparisons become scores (CVPR 2026, section C.3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.fanout import comparers, ordered
from pipeline.console import Console
from pipeline.method.scale import preference
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import PREFERENCES, STUDENT_SCORES
from pipeline.run_folder.store import write_table
from pipeline.settings.config import Config
from pipeline.steps.score import pool
from pipeline.student.folder import Anchors, read_anchors
from trainers.batches import Features, read_encoded
from trainers.levels import LEVELS
from trainers.videos import VideoStore


def anchor_logits(
    config: Config, folder: Path, encoded: Features | VideoStore, ids: Sequence[str]
) -> tuple[np.ndarray, Anchors]:
    """Logits ``[N, A, 5]`` of the named videos against the anchors of the student in ``folder``, and the anchors."""
    anchors = read_anchors(folder)
    if not ids:
        return np.zeros((0, len(anchors.ids), len(LEVELS)), np.float32), anchors
    chunks = [encoded.take(ids[k : k + encoded.at_once]) for k in range(0, len(ids), encoded.at_once)]
    with comparers(config.pools.compare.gpus, folder, anchors.features, len(chunks)) as students:
        parts = ordered(students, lambda actor, chunk: actor.against_anchors.remote(chunk), chunks)
    return np.concatenate(parts), anchors


def judge(config: Config, layout: RunLayout, console: Console, number: int) -> dict[str, Any]:
    """Write `round-<k>/preferences.parquet` (label probabilities against each anchor) and `scores.parquet`."""
    encoded = read_encoded(config.student.name, layout.features)
    ids = [row["video_id"] for row in pool(layout) if row["video_id"] in encoded.row_of]
    logits, anchors = anchor_logits(config, layout.student(number), encoded, ids)
    raw, score, deviation = anchors.score(logits)
    rows = [
        {"video_id": video, "round": number, "raw": float(raw[k]), "std": float(deviation[k]), "score": float(score[k])}
        for k, video in enumerate(ids)
    ]
    write_table(layout.student_scores(number), STUDENT_SCORES.table(rows), STUDENT_SCORES)
    write_table(layout.preferences(number), _preferences(ids, anchors, logits), PREFERENCES)
    beats = preference(logits, anchors.temperature)
    return {
        "rows": len(ids),
        "what": f"{len(ids)} pool videos against {len(anchors.ids)} anchors, mean preference {beats.mean():.2f}",
    }


def _preferences(ids: Sequence[str], anchors: Anchors, logits: np.ndarray) -> pa.Table:
    """Table `Preference`, by columns: five anchors and five labels of every video are too many numbers for objects."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = (shifted / shifted.sum(axis=-1, keepdims=True)).reshape(-1, len(LEVELS)).astype(np.float64)
    first = pa.array(list(anchors.ids) * len(ids), pa.string())
    second = pa.array(np.repeat(np.array(ids, object), len(anchors.ids)), pa.string())
    columns = [first, second, *(pa.array(column) for column in probabilities.T)]
    return pa.Table.from_arrays(columns, schema=PREFERENCES.schema)
