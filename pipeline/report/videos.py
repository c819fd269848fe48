"""Videos as a person knows them: file and second, distortion and level, beside the id that the tables use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow.compute as pc

from actors.media import inputs
from actors.media.rows import Recipe, format_recipe, parse_recipe
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import BENCHMARK, DISTORTED, VIDEOS, R, Table
from pipeline.run_folder.store import exists, read_table

Row = dict[str, Any]


@dataclass(frozen=True)
class Video:
    """A window or a copy of one.

    Attributes:
        video_id: Its id in all tables.
        uri: The file from which it is cut.
        start_s: Start of the window, seconds.
        duration_s: Its length; 0: to the end of the file.
        recipe: What was done to it, `actors.media.rows`; empty for nothing.
        still: One picture.
        file: The file's name, with its folder where another file has the same name.
        made: The same as the recipe in words, such as "h264 level 2".
        second: Start of the window in the file as the user knows it.
    """

    video_id: str
    uri: str
    start_s: float
    duration_s: float
    recipe: str
    still: bool
    file: str
    made: str
    second: float

    @property
    def title(self) -> str:
        """Name for people."""
        return f"{self.file} at {self.second:g} s" + (f", {self.made}" if self.made else "")

    def as_json(self) -> Row:
        """What the report shows of it."""
        return {"id": self.video_id, "file": self.file, "second": self.second, "made": self.made, "title": self.title}


def find(layout: RunLayout, ids: Iterable[str]) -> dict[str, Video]:
    """The named videos that the tables of a run hold: windows, copies of all rounds, and copies of the benchmarks."""
    wanted = set(ids)
    rows: dict[str, Row] = {}
    for path, table in _tables(layout):
        for row in _rows(path, table, wanted - set(rows)):
            rows[row["video_id"]] = row
    sources = {row["source_id"] for row in rows.values() if row.get("source_id")}
    windows = {row["video_id"]: row for row in _rows(layout.videos, VIDEOS, sources)}
    origins = {video: windows.get(row.get("source_id", ""), row) for video, row in rows.items()}
    files = short_names(origin["uri"] for origin in origins.values())
    return {video: _video(row, origins[video], files, layout) for video, row in rows.items()}


def unknown(video_id: str) -> Video:
    """A video of which the tables hold no row."""
    return Video(video_id, "", 0.0, 0.0, "", False, f"video {video_id}", "", 0.0)


def short_names(uris: Iterable[str]) -> dict[str, str]:
    """A file's name for each uri, with as many folders as tell it from the others."""
    parts = {uri: PurePosixPath(inputs.printable(inputs.to_path(uri))).parts for uri in uris}
    names, length = {uri: "/".join(part[-1:]) for uri, part in parts.items()}, 1
    while True:
        counts = Counter(names.values())
        twins = [uri for uri, name in names.items() if counts[name] > 1 and len(parts[uri]) > length]
        if not twins:
            return names
        length += 1
        names |= {uri: "/".join(parts[uri][-length:]) for uri in twins}


def in_words(recipe: Recipe) -> str:
    """What a recipe does, such as "blur level 3, h264 level 2"; empty for nothing."""
    return ", ".join(f"{name} level {level}" for name, level, _ in recipe if level)


def _tables(layout: RunLayout) -> list[tuple[Any, Table[Any]]]:
    suites = [(layout.benchmark(suite), BENCHMARK) for suite in ("seen", "unseen")]
    rounds = [(layout.distorted(number), DISTORTED) for number in layout.rounds()]
    return [(layout.videos, VIDEOS), *rounds, *suites]


def _rows(path: Any, table: Table[R], wanted: set[str]) -> list[Row]:
    if not wanted or not exists(path):
        return []
    whole = read_table(path, table)
    rows: list[Row] = whole.filter(pc.field("video_id").isin(sorted(wanted))).to_pylist()
    return rows


def _video(row: Row, origin: Row, files: dict[str, str], layout: RunLayout) -> Video:
    recipe = [step for step in parse_recipe(row["recipe"] or "") if step[1]]  # level 0 is the undistorted window
    # A copy that the run keeps is a file of its own, to which nothing more is to be done.
    kept = row["uri"].startswith(f"{layout.benchmark_clips}/")
    return Video(
        row["video_id"],
        row["uri"],
        row["start_s"],
        row["duration_s"],
        "" if kept else format_recipe(recipe),
        bool(row.get("still")),
        files[origin["uri"]],
        in_words(recipe),
        origin["start_s"],
    )
