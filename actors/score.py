"""The pools that process a decoded sample: the teachers, and the student's frozen encoder."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from actors.media.outcome import STORAGE, Failure
from actors.media.rows import Row, failed, unpack, without_sample, without_views
from actors.memory import keep_freed
from actors.teachers import load_teacher
from trainers.student.table import build_encoder
from trainers.videos import VideoWriter


class TeacherScorer:
    """Ray actor: score every decoded row with one teacher or with several, one after the other.

    Adds `score_<name>` (float, raw, NaN after a failure), `error_<name>` (one line, empty without a failure) and
    `note_<name>` (`Teacher.note`) of each.

    Args:
        names: Names of the teachers.
        weights: Folder of released weights.
        last: Views that no later pool is shown; they are removed from the rows.
    """

    def __init__(self, names: Sequence[str], weights: str = "", last: Collection[str] = ()) -> None:
        keep_freed()
        self.teachers = {name: load_teacher(name, weights) for name in names}
        self.last = frozenset(last)

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        scores = {name: column[0] for name, column in self.score_rows([row]).items()}
        return {**row, **(without_views(row, self.last) if self.last else {}), **scores}

    def score_rows(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        """Compute the new columns for several rows."""
        good = [row for row in rows if row["status"] == "ok"]
        videos = [(str(row["uri"]), str(row.get("recipe") or ""), unpack(row)) for row in good]
        columns: dict[str, list[Any]] = {}
        for name, teacher in self.teachers.items():
            answers = iter(teacher.score_videos(videos))
            outcomes = [
                _outcome(name, next(answers)) if row["status"] == "ok" else (math.nan, str(row["error"]))
                for row in rows
            ]
            columns[f"score_{name}"] = [score for score, _ in outcomes]
            columns[f"error_{name}"] = [error for _, error in outcomes]
            columns[f"note_{name}"] = [teacher.note] * len(rows)
        return columns


class BatchedTeacherScorer(TeacherScorer):
    """A `TeacherScorer` that takes and returns a table of several rows: one video does not keep a GPU busy."""

    def __call__(self, table: pa.Table) -> pa.Table:
        """One table in, the same table with the new columns out."""
        rows = table.to_pylist()
        scores = self.score_rows(rows)
        if self.last:
            left = [without_views(row, self.last) for row in rows]
            for name in ("views", "views_shapes"):
                place = table.column_names.index(name)
                column = pa.array([row[name] for row in left], table.schema.field(name).type)
                table = table.set_column(place, name, column)
        for name, column in scores.items():
            kind = pa.float64() if name.startswith("score_") else pa.string()
            table = table.append_column(name, pa.array(column, kind))
        return table


def _outcome(name: str, answer: float | Exception) -> tuple[float, str]:
    """The score and a one-line error, empty if the score is finite."""
    if isinstance(answer, Exception):
        message = answer.message if isinstance(answer, Failure) else f"{type(answer).__name__}: {answer}"
        return math.nan, f"{name}: {' '.join(message.split())}"
    return answer, "" if math.isfinite(answer) else f"{name} gave {answer}"


_MEND = "make room or repair the disk, and run the same command again"
NOT_WRITTEN = STORAGE  # such a row is not recorded (`actors.media.rows.check_storage`)


class StudentEncoder:
    """Ray actor: run the frozen part of the student once per video. Gives `features` (float32 `[D]` as bytes) for the pixels.

    Args:
        student: Name of the student; see `build_encoder`.
        options: Options of the student; see `build_encoder`.
        folder: Folder or prefix in a bucket to which packed videos, which are too large to pass on, are written
            (`features` is then empty); None to pass vectors on.
    """

    def __init__(self, student: str, options: dict[str, Any], folder: str | None = None) -> None:
        keep_freed()
        self.encoder = build_encoder(student, options)
        self.writer = VideoWriter(folder) if folder is not None else None

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        features = np.zeros(0, np.float32)
        if row["status"] == "ok":
            sample = unpack(row)
            try:
                vector = self.encoder.encode(sample.key, sample.luma, sample.fps, sample.views)
                features = np.asarray(vector, np.float32)
            except (ValueError, RuntimeError) as problem:
                row = failed(row, "decode", f"the student cannot encode it: {problem}")
        if self.writer is not None and features.size:
            try:
                self.writer.write(str(row["video_id"]), features)
            except OSError as problem:
                row = failed(row, NOT_WRITTEN, f"the encoded video cannot be written: {problem}; {_MEND}")
            features = features[:0]
        return {**without_sample(row), "features": features.tobytes()}


class DropSample:
    """Ray actor: remove the pixels from a row before it goes to the driver, where no student does."""

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return without_sample(row)
