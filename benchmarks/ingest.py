"""Memory and time of ingest in the driver for a long manifest, without opening or probing a file.

    python benchmarks/ingest.py [--rows 200000] [--windows 1] [--copies 0] [--pool]

Lists a manifest of ROWS names (150 characters each), invents header facts, plans windows, splits, rounds and degraded
copies, and writes them as `videos.parquet`. With --pool the rows also go through Ray and a pool of actors that only
answer, as in a run. Peak memory is that of this process.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.media.rows import Row, fresh
from cluster.engine import RayEngine, collect
from cluster.pools import Pool
from pipeline.corpus.listing import list_inputs
from pipeline.corpus.rules import short_id
from pipeline.corpus.windows import windows_of
from pipeline.run_folder.records import VIDEOS
from pipeline.run_folder.store import write_table
from pipeline.settings.config import load


class Answer:
    """Ray actor: invents header facts of a file."""

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        facts = {"content_id": row["video_id"], "width": 960, "height": 540, "fps": 29.97, "duration_s": 60.0}
        return {**fresh(row), **facts, "codec": "h264", "bytes": 10**6}


def say(what: str, start: float) -> None:
    """Print one line: seconds since the start and the peak memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:40s} {time.perf_counter() - start:7.1f} s  peak {peak:.2f} GiB", flush=True)


def main() -> None:
    """Print one line after each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--windows", type=int, default=1, help="windows of each file")
    parser.add_argument("--copies", type=int, default=0, help="degraded copies of each window")
    parser.add_argument("--pool", action="store_true", help="send the rows through Ray")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="w2s-ingest-") as folder:
        manifest = Path(folder) / "manifest.parquet"
        names = [f"/videos/{'x' * 130}/{number:08d}.mp4" for number in range(options.rows)]
        pq.write_table(pa.table({"uri": names}), manifest)
        del names
        start = time.perf_counter()
        say("imports and the manifest", start)
        files = list_inputs(str(manifest)).files
        say(f"{len(files):,} names listed", start)
        rows = [{"video_id": short_id(uri), "uri": uri} for uri in files]
        answers = _through_ray(rows) if options.pool else [Answer()(row) for row in rows]
        say("answers held", start)
        sizes = [f"corpus.windows_per_clip={options.windows}", f"corpus.degraded_copies={options.copies}"]
        config = load(videos=str(manifest), overrides=sizes)
        table = VIDEOS.table(windows_of(answers, config))
        say(f"{table.num_rows:,} rows planned", start)
        write_table(Path(folder) / "videos.parquet", table, VIDEOS)
        size = (Path(folder) / "videos.parquet").stat().st_size / 2**20
        say(f"written, {size:.0f} MiB", start)


def _through_ray(rows: list[Row]) -> list[Row]:
    from cluster.session import SessionSettings, connect

    with RayEngine(lambda: connect(None, SessionSettings())) as engine:
        return collect(engine, pa.Table.from_pylist(rows), [Pool(Answer)])


if __name__ == "__main__":
    main()
