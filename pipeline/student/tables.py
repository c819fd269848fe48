"""Rows of scores as bytes of CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]


def as_csv(columns: Iterable[str], rows: Iterable[Row]) -> bytes:
    """CSV with a header; names that are no UTF-8 keep their bytes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, tuple(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def as_parquet(kinds: Mapping[str, pa.DataType], rows: Iterable[Row]) -> memoryview:
    """Parquet; bytes of names that are no UTF-8 become escapes, since its text is always UTF-8."""
    table = pa.Table.from_pylist([_printable(row) for row in rows], schema=pa.schema(list(kinds.items())))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return memoryview(sink.getvalue())


def _printable(row: Row) -> Row:
    return {name: printable(value) if isinstance(value, str) else value for name, value in row.items()}


def printable(text: str) -> str:
    """A text whose bytes that are no UTF-8 have become escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
