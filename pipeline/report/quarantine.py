"""Quarantine: every input that could not be used, with the step at which it failed and the reason, in one table."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.engine import Row
from pipeline.corpus.proxies import SUITES
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import BENCHMARK, DISTORTED, OBSERVED, OK, QUARANTINE, VIDEOS
from pipeline.run_folder.store import read_shards, read_table, write_table

MENDING = {
    "refused": "Name the file by a local path, s3:// or gs:// inside the corpus, without credentials.",
    "missing": "Check the path, the permissions, or the bucket's endpoint and credentials.",
    "empty": "Copy the file again, or drop it from the list.",
    "no_video": "The file holds sound or data only; drop it from the list.",
    "format": "Copy the video into MP4 or Matroska: ffmpeg -i IN -c copy OUT.mkv.",
    "decode": "Download or export the file again; its pictures cannot be decoded.",
    "colour": "Allow HDR with corpus.hdr=tonemap, or convert the video to standard range.",
    "too_large": "Scale the video to at most 7680x4320, or cut an object of more than 4 GiB into shorter files.",
    "too_small": "Use larger videos, or leave this distortion out with distort.types or benchmark.unseen.",
    "timeout": "Raise the time-out of the pool (pools.score.timeout_s, pools.distort.timeout_s), or shorten corpus.window_s.",
    "crash": "Try again with fewer actors or more memory; if the same file fails again, encode it anew.",
    "encode": "Read the encoder's words in the example; another resolution or rate often helps.",
    "usage": "Correct the setting that the example names.",
    "storage": "Free disk space and run the same command again.",
    "duplicate": "Nothing to do: the file has the same bytes as another one, which is used.",
}
ELSE = "Run the same command again; if it stays, the example says what failed."


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
