"""The ten benchmarks of the paper by name: groups, tables of scores as they are distributed, and weights in the overall.

Counts are those of the official test lists; a table may list more videos (`prefix` names the part that counts). The tables
belong to the data sets' authors and are not part of this program. All their scores are mean opinion scores: higher is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.media.outcome import Failure
from actors.teachers.score_table import VIDEO_COLUMNS, ScoreTable
from pipeline.console import UserError
from pipeline.corpus.benchmark_file import LABEL_COLUMNS, Benchmark
from pipeline.corpus.names import files_below, match

IN_DOMAIN, OOD = "in-domain", "OOD"
_TABLE_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class NamedBenchmark:
    """One benchmark.

    Attributes:
        name: Its name, as papers write it.
        group: `IN_DOMAIN` or `OOD`, seen from models trained on LSVQ.
        count: Videos of the official list: the weight in the paper's overall figures.
        low: Lowest score that raters could give.
        high: Highest score.
        tables: Names of its table without the ending, in lower case.
        videos: Names of the column of videos.
        scores: Names of the column of scores.
        prefix: Only names that begin so count.
        suffix: Of names, in lower case; only some distributions have it.
    """

    name: str
    group: str
    count: int
    low: float
    high: float
    tables: tuple[str, ...]
    videos: tuple[str, ...] = VIDEO_COLUMNS
    scores: tuple[str, ...] = LABEL_COLUMNS[:2]
    prefix: str = ""
    suffix: str = ""


BENCHMARKS = (
    NamedBenchmark("LSVQ-test", IN_DOMAIN, 7182, 0, 100, ("lsvq_test", "labels_test")),
    NamedBenchmark("LSVQ-1080p", IN_DOMAIN, 3573, 0, 100, ("lsvq_1080p", "labels_1080p")),
    NamedBenchmark(
        "KoNViD-1k", IN_DOMAIN, 1200, 1, 5, ("konvid-1k", "konvid_1k_metadata"), (*VIDEO_COLUMNS, "flickr_id")
    ),
    NamedBenchmark(
        "LIVE-VQC", IN_DOMAIN, 585, 0, 100, ("live-vqc", "live_vqc_metadata"), (*VIDEO_COLUMNS, "file"), suffix="new"
    ),
    NamedBenchmark(
        "YouTube-UGC",
        IN_DOMAIN,
        1020,
        1,
        5,
        ("youtube-ugc", "youtube_ugc_metadata"),
        (*VIDEO_COLUMNS, "vid"),
        ("mos", "mosfull"),
    ),
    NamedBenchmark("LIVE-YT-Gaming", OOD, 600, 0, 100, ("live-yt-gaming", "live_yt_gaming_metadata")),
    NamedBenchmark("CGVDS", OOD, 357, 1, 7, ("cgvds",)),
    NamedBenchmark("LIVE-YT-HFR", OOD, 480, 0, 100, ("live-yt-hfr", "livehfr_mos")),
    NamedBenchmark("Waterloo-IVC-4K", OOD, 1200, 0, 100, ("waterloo_ivc_4k", "waterloo-ivc-4k", "waterloo_data")),
    NamedBenchmark("KVQ", OOD, 2926, 1, 5, ("kvq", "kvq_metadata"), prefix="train_video/"),
)


def named(name: str) -> NamedBenchmark | None:
    """The benchmark of this name, in any case and with any dashes."""
    plain = _plain(name)
    return next((row for row in BENCHMARKS if _plain(row.name) == plain), None)


def read_named(row: NamedBenchmark, labels: str | None, folders: Sequence[str]) -> Benchmark:
    """Read the table of a benchmark and find its videos.

    Args:
        row: The benchmark.
        labels: Its table, or a folder of tables; None: the table lies below the videos' folders.
        folders: Folders of videos, searched at any depth; without any, `videos` of the result is empty.

    Raises:
        UserError: There is no table of this benchmark, or it cannot be read.
    """
    for folder in folders:
        if not Path(folder).expanduser().is_dir():
            raise UserError(f"--videos {folder}: there is no such folder; name the folder of {row.name}'s videos")
    below = files_below(folders)
    try:
        table = ScoreTable(_table(row, labels, below), row.scores, row.videos)
    except Failure as failure:
        raise UserError(f"benchmark {row.name}: {failure.message}") from failure
    chosen = [
        (name, value) for name, value in zip(table.names, table.values, strict=True) if name.startswith(row.prefix)
    ]
    names = tuple(name for name, _ in chosen)
    off = [name for name, value in chosen if not row.low <= value <= row.high]
    if off or not names:
        raise UserError(
            f"benchmark {row.name}: {table.path} has {len(off)} of {len(names)} scores outside {row.low:g}..{row.high:g}; "
            "take the table as it is distributed, or give it as a file of its own: --benchmark FILE"
        )
    found = match(names, below, row.suffix) if folders else None
    return Benchmark(
        row.name,
        table.column,
        tuple("" if place is None else below[place] for place in found.places) if found else (),
        tuple(value for _, value in chosen),
        names,
        row.group,
        row.count,
        found.missing if found else (),
        found.ambiguous if found else (),
        row.suffix,
    )


def _table(row: NamedBenchmark, labels: str | None, below: Sequence[str]) -> str:
    if labels is not None and Path(labels).expanduser().is_file():
        return labels
    places = files_below([labels]) if labels is not None else list(below)
    fits = [
        place
        for place in places
        if Path(place).suffix.lower() in _TABLE_SUFFIXES and Path(place).stem.lower() in row.tables
    ]
    if len(fits) == 1:
        return fits[0]
    wanted = " or ".join(f"{name}.csv" for name in row.tables)
    where = labels or "the folders of the videos"
    have = f"several tables fit: {', '.join(fits[:3])}" if fits else f"no {wanted} in {where}"
    raise UserError(f"benchmark {row.name}: {have}; name the table of its scores with --labels FILE")


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")
