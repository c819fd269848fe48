"""The pools that look at a decoded sample: one pool per teacher, one for the student's frozen encoder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from actors import seconds
from actors.outcome import Failure
from actors.rows import SAMPLE_COLUMNS, Row, unpack
from actors.teachers import load_teacher
from trainers.student import SEQUENCE_STUDENTS, build_student

if TYPE_CHECKING:
    from trainers.student.base import Student  # needs torch, which a plan does not


class TeacherScorer:
    """Ray actor: score every decoded row with one teacher.

    Gives ``score_<name>`` (float, raw, NaN when it failed) and ``error_<name>`` (one line, empty when fine).
    """

    def __init__(self, name: str, weights: str = "") -> None:
        """Args: ``name``: of the teacher; ``weights``: folder of released weights."""
        self.name = name
        self.teacher = load_teacher(name, weights)

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        score, error = math.nan, str(row["error"])
        if row["status"] == "ok":
            try:
                recipe = str(row.get("recipe") or "")
                score = float(self.teacher.score_video(str(row["uri"]), recipe, unpack(row)))
                error = "" if math.isfinite(score) else f"{self.name} gave {score}"
            except Exception as problem:  # noqa: BLE001 - a teacher may be anybody's code; its fault costs its own score only
                said = problem.message if isinstance(problem, Failure) else f"{type(problem).__name__}: {problem}"
                error = f"{self.name}: {' '.join(said.split())}"
        return {**row, f"score_{self.name}": score, f"error_{self.name}": error}


def encode(student: Student, row: Row, key: np.ndarray, luma: np.ndarray, fps: float) -> np.ndarray:
    """Features float32 ``[D]`` of a decoded row, from the views that the student takes."""
    if student.name in SEQUENCE_STUDENTS:
        frames, strip = seconds.unpack(row)
        key, luma = frames[:, None], strip
    return np.asarray(student.encode(key, luma, fps), np.float32)


class StudentEncoder:
    """Ray actor: run the frozen part of the student once per video. Gives ``features`` (float32 ``[D]``)."""

    def __init__(self, student: str, options: dict[str, Any]) -> None:
        self.student = build_student(student, options)
        self.student.eval()

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        features = np.zeros(0, np.float32)
        if row["status"] == "ok":
            sample = unpack(row)
            try:
                features = encode(self.student, row, sample.key, sample.luma, sample.fps)
            except (ValueError, RuntimeError) as problem:
                row = {
                    **row,
                    "status": "failed",
                    "error_kind": "decode",
                    "error": f"the student cannot encode it: {problem}",
                }
        return {**row, "features": features.tobytes()}


class DropSample:
    """Ray actor: take the pixels out of a row; what is left goes to the driver."""

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return {name: value for name, value in row.items() if name not in SAMPLE_COLUMNS}
