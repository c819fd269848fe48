"""Curves as CSV, JSON, lines of JSON and Parquet: one tidy row for each second, each with what it takes to understand it alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from pipeline.student.seconds import BLOCKS, Curve, Second
from pipeline.student.tables import as_csv, as_parquet
from trainers.levels import LEVELS

_TEXT = ("video", "status", "reason", "error")
_NUMBERS = ("start_s", "end_s", "score", "low", "high", "std", "stretch")
COLUMNS = (
    "video", "start_s", "end_s", "status", "score", "low", "high", "std", "stretch", "reason",
    *(f"pull_{name}" for name in BLOCKS), *(f"share_{name}" for name in LEVELS), "error",
)  # fmt: skip


class CurveResults:
    """Writes curves.

    Args:
        facts: Columns that every row carries, as of `pipeline.student.results.Results`.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts

    def rows(self, curves: Iterable[Curve]) -> list[dict[str, Any]]:
        """One row for each second; a file that failed as a whole has one row without times."""
        rows = []
        for curve in curves:
            seconds = curve.seconds or (None,)
            rows += [self._row(curve, second) for second in seconds]
        return rows

    def _row(self, curve: Curve, second: Second | None) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"video": curve.video}
        if second is None:
            return row | {"status": curve.status, "error": curve.error} | self.facts
        inside = [k for k, one in enumerate(curve.worst, 1) if one.start_s <= second.start_s < one.end_s]
        row |= {name: getattr(second, name) for name in (*_TEXT[1:], *_NUMBERS[:-1])}
        row["stretch"] = inside[0] if inside else None
        row |= {f"pull_{name}": value for name, value in second.pulls.items() if name in BLOCKS}
        row |= {f"share_{name}": value for name, value in second.levels.items()}
        return row | self.facts

    def facts_of(self, curve: Curve) -> dict[str, Any]:
        """One curve as JSON holds it: the file, its seconds, and its worst stretches."""
        tree = asdict(curve)
        for second in tree["seconds"]:
            del second["picture"]
        return tree | self.facts

    def json(self, curves: Sequence[Curve]) -> str:
        """A JSON list in the order given."""
        return json.dumps([self.facts_of(curve) for curve in curves], indent=2) + "\n"

    def line(self, curve: Curve) -> str:
        """One line of JSON (NDJSON)."""
        return json.dumps(self.facts_of(curve)) + "\n"

    def csv(self, curves: Sequence[Curve]) -> bytes:
        """CSV with a header; names that are no UTF-8 keep their bytes."""
        return as_csv((*COLUMNS, *self.facts), self.rows(curves))

    def parquet(self, curves: Sequence[Curve]) -> memoryview:
        """Parquet with the columns of the CSV."""
        texts = {*_TEXT, *(name for name in self.facts if name != "interval")}
        kinds = {
            name: pa.string() if name in texts else pa.int64() if name == "stretch" else pa.float64()
            for name in (*COLUMNS, *self.facts)
        }
        return as_parquet(kinds, self.rows(curves))
