"""Judge: the new student compares every pool video with its anchors; the comparisons become scores (CVPR 2026, section C.3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.config import Config
from pipeline.console import Console
from pipeline.fanout import comparers, ordered
from pipeline.layout import RunLayout
from pipeline.method.scale import preference
from pipeline.observe import feature_matrix, training_features
from pipeline.records import PREFERENCES, STUDENT_SCORES
from pipeline.steps.score import pool
from pipeline.store import write_table
from pipeline.student_folder import Anchors, read_anchors

_CHUNK = 8192  # videos per call


def anchor_logits(config: Config, layout: RunLayout, number: int, features: np.ndarray) -> tuple[np.ndarray, Anchors]:
    """Logits ``[N, A, 5]`` of feature rows ``[N, D]`` against the anchors of the student of round ``number``."""
    folder = layout.student(number)
    anchors = read_anchors(folder)
    chunks = [features[k : k + _CHUNK] for k in range(0, len(features), _CHUNK)]
    with comparers(config, folder, anchors.features, len(chunks)) as students:
        parts = ordered(students, lambda actor, chunk: actor.against_anchors.remote(chunk), chunks)
    return np.concatenate(parts), anchors


def judge(config: Config, layout: RunLayout, console: Console, number: int) -> dict[str, Any]:
    """Write `round-<k>/preferences.parquet` (label probabilities against each anchor) and `scores.parquet`."""
    table = training_features(layout.features)
    known = set(table["video_id"].to_pylist())
    ids = [row["video_id"] for row in pool(layout) if row["video_id"] in known]
    logits, anchors = anchor_logits(config, layout, number, feature_matrix(table, ids))
    raw, score, deviation = anchors.score(logits)
    rows = [
        {"video_id": video, "round": number, "raw": float(raw[k]), "std": float(deviation[k]), "score": float(score[k])}
        for k, video in enumerate(ids)
    ]
    write_table(layout.student_scores(number), STUDENT_SCORES.table(rows), STUDENT_SCORES)
    write_table(layout.preferences(number), PREFERENCES.table(_preferences(ids, anchors, logits)), PREFERENCES)
    beats = preference(logits, anchors.temperature)
    return {
        "rows": len(ids),
        "what": f"{len(ids)} pool videos against {len(anchors.ids)} anchors, mean preference {beats.mean():.2f}",
    }


def _preferences(ids: list[str], anchors: Anchors, logits: np.ndarray) -> list[dict[str, Any]]:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
    names = ("inferior", "worse", "similar", "better", "superior")
    return [
        {"first": anchor, "second": video}
        | {name: float(p) for name, p in zip(names, probabilities[k, a], strict=True)}
        for k, video in enumerate(ids)
        for a, anchor in enumerate(anchors.ids)
    ]
