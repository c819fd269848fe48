"""Scores as CSV, JSON, lines of JSON and Parquet: the same tidy rows, each with what it takes to understand it alone."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.method.posterior import MASS
from pipeline.student.folder import student_digest
from pipeline.student.scoring import FileScore, Model


def printable_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row in whose texts bytes that are no UTF-8 have become escapes."""
    return {
        name: value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str)
        else value
        for name, value in row.items()
    }


_COUNTS = {field.name for field in dataclasses.fields(FileScore) if field.type == "int | None"}
_NUMBERS = {field.name for field in dataclasses.fields(FileScore) if field.type == "float | None"}


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
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.row(score) for score in scores)
        return text.getvalue().encode("utf-8", "surrogateescape")

    def parquet(self, scores: Sequence[FileScore]) -> memoryview:
        """Parquet; bytes of names that are no UTF-8 become escapes, since its text is always UTF-8."""
        kinds = [
            (
                name,
                pa.int64()
                if name in _COUNTS
                else pa.float64()
                if name in _NUMBERS or name == "interval"
                else pa.string(),
            )
            for name in self.columns
        ]
        rows = [printable_row(self.row(score)) for score in scores]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(kinds)), sink, compression="zstd")
        return memoryview(sink.getvalue())
