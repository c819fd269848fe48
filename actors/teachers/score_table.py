"""Scores of videos by name, from a CSV or Parquet file: published scores of a model, or human scores."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from actors.media.outcome import Failure

VIDEO_COLUMNS = ("video", "name", "filename", "uri")


class ScoreTable:
    """A column of scores of a file, looked up by a column of video names.

    A name matches a video's path if one ends with the other, folder by folder; either may lack the file extension:
    `Video/A001.mp4`, `A001.mp4` and `A001` all match `/data/Video/A001.mp4`. If several rows match, the one that shares
    most of the path counts.

    Args:
        path: The file: Parquet if its name ends in `.parquet`, otherwise CSV with a header.
        score: Names of the score column, in any case; the first one that the file has is used.
        video: Names of the video column, likewise.

    Attributes:
        names: Names of the videos, in the order of the rows.
        values: Their scores; NaN where a cell is no number.

    Raises:
        Failure: `usage`: the file cannot be read, or has no such column, several of that name, or no rows.
    """

    def __init__(self, path: str, score: Sequence[str], video: Sequence[str] = VIDEO_COLUMNS) -> None:
        self.path = Path(path).expanduser()
        columns, rows = self._read()
        self.column = self._column(columns, score)
        name = self._column(columns, video)
        if not rows:
            raise Failure("usage", f"{self.path} has a header but no rows")
        self.names = [str(row[name] or "").strip().removeprefix("file://") for row in rows]
        self.values = [_number(row[self.column]) for row in rows]

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file's content."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def has(self, video: str) -> bool:
        """Whether at least one row matches a video, from its path."""
        return self._row(video) is not None

    def find(self, video: str) -> float:
        """The score of a video, from its path.

        Raises:
            Failure: `missing` if no row or several rows match; `decode` if the row holds no finite number.
        """
        row = self._row(video)
        if row is None:
            raise Failure("missing", f"{self.path} has no row for {video}")
        if row < 0:
            raise Failure(
                "missing", f"{self.path} has several rows that match {video}; give their names more of the path"
            )
        if not math.isfinite(self.values[row]):
            raise Failure("decode", f"{self.path}, row {row + 2}: {self.column} of {video} is not a finite number")
        return self.values[row]

    def _row(self, video: str) -> int | None:
        """The row that matches; -1 if several do, None if none does."""
        row = next((match for ending in _endings(video) if (match := self._rows.get(ending)) is not None), None)
        return None if row is None or (row >= 0 and not _belong_together(self.names[row], video)) else row

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Row of every ending of every name; -1 if several rows have it."""
        rows: dict[str, int] = {}
        for row, name in enumerate(self.names):
            for ending in _endings(name):
                rows[ending] = -1 if ending in rows else row
        return rows

    def _read(self) -> tuple[list[str], list[dict[str, Any]]]:
        try:
            return header_and_rows(self.path)
        except ValueError as error:
            raise Failure(
                "usage", f"{self.path} cannot be read as a table ({error}); name a CSV or Parquet file"
            ) from error

    def _column(self, header: Sequence[str], names: Sequence[str]) -> str:
        try:
            match = find_column(header, names)
        except ValueError as error:
            raise Failure("usage", f"{self.path} {error}") from error
        if match is None:
            have = ", ".join(header) or "nothing"
            raise Failure("usage", f"{self.path} has no column {' or '.join(names)}; it has {have}")
        return match


def header_and_rows(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of the columns and the rows of a CSV or Parquet table; of columns of one name the last one counts.

    Raises:
        ValueError: It cannot be read as one; the message is the reason, on one line.
    """
    import pyarrow as pa

    try:
        return _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from error


def find_column(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The column with the first of the names that the header has, in any case; None if it has none of them.

    Raises:
        ValueError: Several columns have that name; the message begins with "has".
    """
    for name in names:
        found = [column for column in header if column.strip().lower() == name.lower()]
        if len(found) > 1:  # in a row of the table only one of them would be left, without a word
            raise ValueError(f"has {len(found)} columns {name}; leave one of them")
        if found:
            return found[0]
    return None


def _parquet(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:  # `read_table` refuses columns of one name even where nobody asks for them
        table = file.read()
    rows = [{name: _as_text(value) for name, value in row.items()} for row in table.to_pylist()]
    return list(table.column_names), rows


def _csv(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, skipinitialspace=True)
        return [name or "" for name in reader.fieldnames or ()], list(reader)


def _as_text(value: object) -> object:
    """A cell of a Parquet table; bytes, as some writers keep names, are read as the file system reads them."""
    return os.fsdecode(value) if isinstance(value, bytes) else value


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return math.nan


def _belong_together(one: str, other: str) -> bool:
    """Whether one path ends with the other, but for the file extension: two files of one name in two folders do not."""
    longer, shorter = sorted((list(_endings(one)), list(_endings(other))), key=len, reverse=True)
    return not set(shorter[:2]).isdisjoint(longer)


def _endings(name: str) -> Iterator[str]:
    """The trailing parts of a path, longest first, each with the file extension and then without."""
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "/"]
    for start in range(len(parts)):
        whole = "/".join(parts[start:])
        yield from dict.fromkeys((whole, whole.removesuffix(path.suffix)))
