"""Scores as CSV, JSON, lines of JSON and Parquet: the same tidy rows, each with what it takes to understand it alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.method.posterior import MASS
from pipeline.student.folder import student_digest
from pipeline.student.scoring import FileScore, Model
from pipeline.student.tables import as_csv, as_parquet

_KINDS = {"int | None": pa.int64(), "float | None": pa.float64()}  # of the fields; the others are texts


class Results:
    """Writes the scores of one student.

    Attributes:
        facts: Columns that every row carries: `student`, a digest of its folder; `sampling`, what of a file is judged;
            `range` of the scores; `better`, their direction; `interval`, the probability from `low` to `high`.
    """

    def __init__(self, model: Model) -> None:
        self.facts: dict[str, Any] = {
            "student": student_digest(model.folder),
            "sampling": model.sampling,
            "range": "0..100, not clipped",
            "better": "higher",
            "interval": MASS,
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of every format."""
        return (*(field.name for field in dataclasses.fields(FileScore)), *self.facts)

    def row(self, score: FileScore) -> dict[str, Any]:
        """One row."""
        return dataclasses.asdict(score) | self.facts

    def json(self, scores: Sequence[FileScore]) -> str:
        """A JSON list in the order given."""
        return json.dumps([self.row(score) for score in scores], indent=2) + "\n"

    def line(self, score: FileScore) -> str:
        """One line of JSON (NDJSON)."""
        return json.dumps(self.row(score)) + "\n"

    def csv(self, scores: Sequence[FileScore]) -> bytes:
        """CSV with a header; names that are no UTF-8 keep their bytes."""
        return as_csv(self.columns, map(self.row, scores))

    def parquet(self, scores: Sequence[FileScore]) -> memoryview:
        """Parquet; bytes of names that are no UTF-8 become escapes, since its text is always UTF-8."""
        kinds = {field.name: _KINDS.get(str(field.type), pa.string()) for field in dataclasses.fields(FileScore)}
        kinds |= {name: pa.float64() if name == "interval" else pa.string() for name in self.facts}
        return as_parquet(kinds, map(self.row, scores))
