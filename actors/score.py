"""The pools that look at a decoded sample: those of the teachers, one for the student's frozen encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from actors.outcome import Failure
from actors.rows import SAMPLE_COLUMNS, Row, failed, unpack
from actors.teachers import load_teacher
from actors.teachers.base import Teacher
from actors.views import Sample
from trainers.student import build_encoder
from trainers.videos import write_video


class TeacherScorer:
    """Ray actor: score every decoded row with one teacher or with several, one after the other.

    Gives ``score_<name>`` (float, raw, NaN when it failed) and ``error_<name>`` (one line, empty when fine) of each.
    """

    def __init__(self, names: Sequence[str], weights: str = "") -> None:
        """Args: ``names``: of the teachers; ``weights``: folder of released weights."""
        self.teachers = {name: load_teacher(name, weights) for name in names}

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        sample = unpack(row) if row["status"] == "ok" else None
        done = dict(row)
        for name, teacher in self.teachers.items():
            done[f"score_{name}"], done[f"error_{name}"] = self._judged(name, teacher, row, sample)
        return done

    def _judged(self, name: str, teacher: Teacher, row: Row, sample: Sample | None) -> tuple[float, str]:
        if sample is None:
            return math.nan, str(row["error"])
        try:
            score = float(teacher.score_video(str(row["uri"]), str(row.get("recipe") or ""), sample))
        except Exception as problem:  # noqa: BLE001 - a teacher may be anybody's code; its fault costs its own score only
            said = problem.message if isinstance(problem, Failure) else f"{type(problem).__name__}: {problem}"
            return math.nan, f"{name}: {' '.join(said.split())}"
        return score, "" if math.isfinite(score) else f"{name} gave {score}"


NOT_WRITTEN = "storage"  # kind of an error that is the disk's and not the video's: no row is recorded with it


class StudentEncoder:
    """Ray actor: run the frozen part of the student once per video. Gives ``features`` (float32 ``[D]`` as bytes)."""

    def __init__(self, student: str, options: dict[str, Any], folder: str | None = None) -> None:
        """Args: ``student``, ``options``: as of `build_encoder`; ``folder``: where each packed video is written as a file,
        since its megabytes are too much to pass on (``features`` is empty then); None to pass vectors on.
        """
        self.encoder = build_encoder(student, options)
        self.folder = folder

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        features = np.zeros(0, np.float32)
        if row["status"] == "ok":
            sample = unpack(row)
            try:
                seen = self.encoder.encode(sample.key, sample.luma, sample.fps, sample.views)
                features = np.asarray(seen, np.float32)
            except (ValueError, RuntimeError) as problem:
                row = failed(row, "decode", f"the student cannot encode it: {problem}")
        if self.folder is not None and features.size:
            try:
                write_video(self.folder, str(row["video_id"]), features)
            except OSError as problem:
                row = failed(row, NOT_WRITTEN, f"the encoded video cannot be written: {problem}")
            features = features[:0]
        return {**row, "features": features.tobytes()}


class DropSample:
    """Ray actor: take the pixels out of a row; what is left goes to the driver."""

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return {name: value for name, value in row.items() if name not in SAMPLE_COLUMNS}
