"""Files, bytes, and seconds of listing and fingerprinting of a run's folders for 438,000 videos.

    python benchmarks/run_folder.py [--videos 438000] [--packed 2000] [--code CHECKOUT] [--folder FOLDER]

Writes the rows of one look as the driver does (64 at a time), compacts them, and takes the step's fingerprint twice: at first
the contents are read, then the state of the files counts. Encoded videos of the language-model students are written in small (a
vector of 64 numbers in place of 1.2 million) and their files counted; the listing of as many files as `--videos` of them make is
timed on empty files. `--code` measures another checkout, such as one of an earlier version. Requests are those of a listing in S3,
1,000 names each.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

FRAMES, MOTION = 8, 120  # of a window of eight seconds
SHARD = 64


def clocked(call, *arguments):
    """The answer, CPU seconds and wall-clock seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = call(*arguments)
    return answer, time.process_time() - cpu, time.perf_counter() - wall


def names_of(folder):
    """Every file below a folder with its facts, as a fingerprint lists it."""
    return [(path, path.stat()) for path in folder.rglob("*") if path.is_file()]


def tell(what, files, size, **seconds):
    """Print one row."""
    times = "".join(f", {name} {cpu:.2f} s CPU ({wall:.2f} s)" for name, (_, cpu, wall) in seconds.items())
    print(f"{what}: {files:,} files, {-(-files // 1000):,} requests, {size / 2**20:,.1f} MiB{times}", flush=True)


def tables(root, videos):
    """One table of a look: files at most, files written, and what is left."""
    store = importlib.import_module("pipeline.run_folder.store")
    records = importlib.import_module("pipeline.run_folder.records")
    kind, folder = records.SCORES, root / "scores"
    if hasattr(store, "ShardWriter"):
        append = store.ShardWriter(folder, kind).append
    else:

        def append(data):
            store.append_shard(folder, data, kind)

    ids = [f"{number * 2654435761 % 2**40:016x}" for number in range(videos)]  # in no order
    most = 0

    def write():
        nonlocal most
        for start in range(0, videos, SHARD):
            part = ids[start : start + SHARD]
            columns = {"video_id": part, "teacher": ["niqe"] * len(part), "digest": ["0" * 16] * len(part)}
            columns |= {"score": np.arange(start, start + len(part)) / 7, "status": ["ok"] * len(part)}
            rows = pa.table({**columns, **{name: pa.nulls(len(part), pa.string()) for name in ("error_kind", "error")}})
            append(rows)
            if start // SHARD % 16 == 15:
                most = max(most, len(os.listdir(folder)))  # noqa: PTH208 - counting, not opening

    written = clocked(write)
    files = names_of(folder)
    tell(
        f"scores of {videos:,} videos, at most {most:,} files; before compacting",
        len(files),
        size(files),
        write=written,
    )
    compacted = clocked(store.compact, folder, kind)
    files = names_of(folder)
    tell("  after", len(files), size(files), compact=compacted, list=clocked(names_of, folder))
    fingerprint(root, folder)


def size(files):
    """Bytes of some files."""
    return sum(facts.st_size for _, facts in files)


def fingerprint(root, folder):
    """The fingerprint of a folder, twice."""
    try:
        digests = importlib.import_module("pipeline.run_folder.digests")
    except ModuleNotFoundError:
        digest = importlib.import_module("pipeline.run_folder.manifest").digest
    else:
        layout = importlib.import_module("pipeline.run_folder.layout").RunLayout(root)
        digest = digests.Digests(layout).of
        time.sleep(2.5)  # what was written just now counts by its contents
    for time_ in ("first", "again"):
        _, cpu, wall = clocked(digest, folder)
        print(f"  fingerprint, {time_}: {cpu:.3f} s CPU ({wall:.3f} s)", flush=True)


def packed(root, count, videos):
    """Encoded videos of a language-model student: how many files they make."""
    module = importlib.import_module("trainers.videos")
    folder = root / "features"
    folder.mkdir()
    vector = np.arange(64, dtype=np.float32)
    if hasattr(module, "VideoWriter"):
        writer = module.VideoWriter(folder)
        written = clocked(lambda: [writer.write(f"{number:016x}", vector) for number in range(count)])
        tell(f"{count:,} packed videos, written", len(names_of(folder)), size(names_of(folder)), write=written)
        gathered = clocked(module.gather, folder, {f"{number:016x}" for number in range(count)})
        tell("  gathered", len(names_of(folder)), size(names_of(folder)), gather=gathered)
    else:
        written = clocked(lambda: [module.write_video(folder, f"{number:016x}", vector) for number in range(count)])
        tell(f"{count:,} packed videos, written", len(names_of(folder)), size(names_of(folder)), write=written)
    opened = clocked(module.parquet_files, folder)
    print(f"  parquet_files: {opened[1]:.2f} s CPU ({opened[2]:.2f} s)")
    files = round(len(names_of(folder)) / count * videos)
    fingerprint(root, folder)
    many = root / "many"
    many.mkdir()
    for number in range(files):
        (many / f"{number:016x}.parquet").touch()
    whole = 4 * importlib.import_module("trainers.student.language.packing").packed_length(FRAMES, MOTION) * videos
    listed = clocked(names_of, many)
    tell(f"  as of {videos:,} videos of {FRAMES} frames, before zstd", files, whole, list=listed)


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=438_000)
    parser.add_argument("--packed", type=int, default=2_000)
    parser.add_argument("--code", default=str(Path(__file__).resolve().parents[1]))
    parser.add_argument("--folder", help="where to write (default: a temporary folder)")
    options = parser.parse_args()
    sys.path.insert(0, options.code)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        tables(Path(folder), options.videos)
        packed(Path(folder), options.packed, options.videos)


if __name__ == "__main__":
    main()
