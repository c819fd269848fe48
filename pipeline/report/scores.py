"""Scores of teachers and students as a run folder keeps them, read without a teacher or a student at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from pipeline.method.logistic import Logistic
from pipeline.run_folder.records import OK, SCORES, STUDENT_SCORES
from pipeline.run_folder.store import exists, read_shards, read_table
from trainers.places import Place

Scores = dict[str, float]


def raw_scores(folder: Place) -> Scores:
    """A teacher's raw scores by video, under the digest with the most of them.

    A folder may still hold scores of earlier weights or settings.
    """
    rows = [row for row in read_shards(folder, SCORES).to_pylist() if row["status"] == OK and row["score"] is not None]
    if not rows:
        return {}
    digest, _ = Counter(row["digest"] for row in rows).most_common(1)[0]
    return {row["video_id"]: row["score"] for row in rows if row["digest"] == digest}


def maps(calibration: Mapping[str, Any]) -> dict[str, Logistic]:
    """The map of each teacher to the common scale, from `calibration.json`; without those of older versions."""
    teachers = calibration.get("teachers", {})
    return {
        name: Logistic(one["kind"], tuple(one["parameters"]), one["rmse"], one["srcc"])
        for name, one in teachers.items()
        if {"kind", "parameters", "rmse", "srcc"} <= one.keys()
    }


def student_scores(path: Place, column: Literal["raw", "score"]) -> Scores:
    """A column of a table `StudentScore` by video; empty if there is no such table."""
    if not exists(path):
        return {}
    return {row["video_id"]: row[column] for row in read_table(path, STUDENT_SCORES).to_pylist()}
