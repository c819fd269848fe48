"""Benchmarks with human scores: a CSV or Parquet file that names videos and their mean opinion scores."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.teachers.score_table import find_column, header_and_rows
from pipeline.console import UserError
from pipeline.corpus.listing import VIDEO_SUFFIXES

VIDEO_COLUMNS = ("video", "name", "filename", "uri")
LABEL_COLUMNS = ("mos", "score", "dmos")


@dataclass(frozen=True)
class Benchmark:
    """The rows of one benchmark.

    Attributes:
        name: The file's name without its extension, or the name of a known benchmark.
        column: What the labels are: their column, or what the table says of it.
        videos: Paths of the videos, empty where a name has none; without folders of videos there are no paths at all.
        labels: One per name, higher is better (`dmos`, a difference from the reference, is negated).
        names: The names as they stand in the table.
        group: Group of known benchmarks whose figures are averaged.
        weight: Weight in that average; None: the number of videos that have a score.
        missing: Names without a file.
        ambiguous: Names for which several files fit, or that share a file.
        suffix: Of names, in lower case; only some distributions have it.
    """

    name: str
    column: str
    videos: tuple[str, ...]
    labels: tuple[float, ...]
    names: tuple[str, ...]
    group: str | None = None
    weight: int | None = None
    missing: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    suffix: str = ""


def read_benchmark(file: str, root: str | None, label: str | None = None) -> Benchmark:
    """Read a benchmark whose names are relative to `root`; without a root, names alone count.

    Args:
        file: CSV or Parquet.
        root: Folder of the videos.
        label: Column of the labels instead of the usual ones; rows without a label in it are left out.

    Returns:
        The benchmark; names that stand for one file are `ambiguous` and have no path.

    Raises:
        UserError: There is no such file or folder, no usable column or two of its name, a label that is not a number, or
            a name that leads out of `root`.
    """
    path, base = Path(file).expanduser(), None if root is None else Path(root).expanduser()
    if base is not None and not base.is_dir():
        raise UserError(
            f"--videos-root {root}: there is no such folder; name the folder that the benchmark's names are relative to"
        )
    columns, rows = _rows(path)
    video = _column(path, columns, VIDEO_COLUMNS)
    column = _column(path, columns, LABEL_COLUMNS if label is None else (label.lower(),))
    numbered = [(number, row) for number, row in enumerate(rows, 2) if label is None or not _empty(row[column])]
    if not numbered:
        raise UserError(f"{path}: it has a header but no rows" + (f" with a {column}" if rows else ""))
    sign = -1.0 if column.lower() == "dmos" else 1.0
    videos = tuple(_inside(path, base, row[video], number) for number, row in numbered) if base else ()
    labels = tuple(sign * _number(path, row[column], number, column) for number, row in numbered)
    names = tuple(str(row[video] or "").strip() for _, row in numbered)
    files = [os.path.realpath(video) for video in videos]
    often = Counter(files)
    twice = [often[file] > 1 for file in files]
    return Benchmark(
        path.stem,
        _said(column, rows),
        tuple("" if one else video for one, video in zip(twice, videos, strict=True)),
        labels,
        names,
        ambiguous=tuple(name for one, name in zip(twice, names, strict=False) if one),
    )


def _empty(cell: object) -> bool:
    """Whether a cell says nothing; tables of programs that have no empty number hold NaN there."""
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or not str(cell).strip()


def _said(column: str, rows: Sequence[dict[str, Any]]) -> str:
    """Name of the labels: what the table's column `label` says of its `mos`, else the column's own."""
    said = {str(row.get("label") or "").strip() for row in rows} if column.lower() == "mos" else set()
    name = said.pop() if len(said) == 1 else ""
    return name or column


def _rows(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; name a CSV or Parquet file with columns video and mos")
    try:
        return header_and_rows(path)
    except ValueError as error:
        raise UserError(
            f"{path}: not a valid CSV or Parquet file ({error}); write it again, or name another"
        ) from error


def _column(path: Path, header: Sequence[str], names: Sequence[str]) -> str:
    """The first of the named columns that the header has, in any case."""
    try:
        match = find_column(header, names)
    except ValueError as error:
        raise UserError(f"{path}: it {error}") from error
    if match is not None:
        return match
    have = ", ".join(header) or "nothing"
    raise UserError(f"{path}: no column {' or '.join(names)}; found {have}; rename the right one")


def _number(path: Path, value: object, line: int, column: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{path}, row {line}: {column} is {value!r}, which is not a number; correct or remove the row")
    return number


def _inside(path: Path, root: Path, value: object, line: int) -> str:
    """Path of the video with this name; a missing extension is added if exactly one video matches."""
    name = str(value or "").strip()
    if not name or "\0" in name:
        raise UserError(f"{path}, row {line}: the name of the video is empty or unreadable")
    candidate = root / name.removeprefix("file://")
    if root.resolve() not in candidate.resolve().parents:
        raise UserError(f"{path}, row {line}: {name!r} leads out of {root}; only names below it are read")
    if not candidate.exists() and candidate.suffix.lower() not in VIDEO_SUFFIXES:
        fits = [full for end in sorted(VIDEO_SUFFIXES) if (full := candidate.with_name(candidate.name + end)).is_file()]
        if len(fits) == 1:
            return str(fits[0])
    return str(candidate)
