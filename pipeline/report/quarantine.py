"""Quarantine: every input that could not be used, with the step at which it failed and the reason, in one table."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.engine import Row
from pipeline.corpus.proxies import SUITES
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import BENCHMARK, DISTORTED, OBSERVED, OK, QUARANTINE, VIDEOS
from pipeline.run_folder.store import read_shards, read_table, write_table


def collect(layout: RunLayout, rounds: int) -> int:
    """Write `quarantine.parquet` from all tables of the run; return the number of its rows."""
    rows = list(_failed(layout, rounds))
    write_table(layout.quarantine, QUARANTINE.table(rows), QUARANTINE)
    return len(rows)


def _failed(layout: RunLayout, rounds: int) -> Iterator[Row]:
    videos = {row["video_id"]: row for row in read_table(layout.videos, VIDEOS).to_pylist()}
    yield from (_row("ingest", row, row["uri"]) for row in videos.values() if row["status"] != OK)
    for row in read_shards(layout.observed(layout.POOL), OBSERVED).to_pylist():
        if row["status"] != OK and row["video_id"] in videos:
            yield _row("score", row, videos[row["video_id"]]["uri"])
    for suite in SUITES:
        for row in read_table(layout.benchmark(suite), BENCHMARK).to_pylist():
            if row["status"] != OK:
                yield _row("benchmark", row, row["uri"])
    for number in range(1, rounds + 1):
        for row in read_table(layout.distorted(number), DISTORTED).to_pylist():
            if row["status"] != OK:
                yield _row(f"distort-{number}", row, row["uri"])


def _row(step: str, row: Row, uri: str) -> Row:
    return {
        "step": step,
        "item": row["video_id"],
        "uri": uri,
        "error_kind": row["error_kind"] or "unknown",
        "error": row["error"] or "no reason was recorded",
    }
