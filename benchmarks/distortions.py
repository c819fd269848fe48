"""Overhead of the CPU pool compared with a plain shell loop, and the gain of one decode for several levels of a type.

    python benchmarks/distortions.py VIDEO... [--parallel 2] [--seconds 2] [--types h264,h265,vp9] [--repeat 3]

The pool makes copies as a run does (`actors.sample.Synthesise` in Ray Data actors). The loop is `xargs -P` over exactly the same
FFmpeg command lines, recorded while the pool's own code makes the copies once. Both are measured in turn, and the medians
are compared. Ray starts before the measurement, or with `--whole` within it; the pool's start is part of its time unless stated
otherwise. A type whose copies take two processes in a row, such as mpeg2, cannot be looped in parallel.
"""

from __future__ import annotations

import argparse
import logging
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ffmpeg as graph

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.distortions.apply import apply
from actors.distortions.maker import Encoding, Setting
from actors.distortions.table import DISTORTIONS
from actors.media import ffmpeg
from actors.media.rows import Row, format_recipe
from actors.media.window import EncodeOptions, Window
from actors.sample import Synthesise
from actors.score import DropSample
from cluster.chain import chain
from cluster.pools import Pool, Room


class Make:
    """Ray actor: make a row's copy and delete it, as an actor of a run does before and after the decode.

    Args:
        options: Encoder settings.
    """

    def __init__(self, options: EncodeOptions) -> None:
        self.synthesise = Synthesise(options)

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        made = self.synthesise(row)
        self.synthesise.drop(made)
        return {"status": made["status"]}


def commands(rows: list[Row], folder: Path, options: EncodeOptions) -> list[str]:
    """The command lines of the FFmpeg processes that make the copies, without the probes, which the loop does not need."""
    lines: list[str] = []
    real = ffmpeg.run

    def noted(args: list[str], **others: Any) -> str:
        lines.append(shlex.join([ffmpeg.binary(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *args]))
        return real(args, **others)

    ffmpeg.run = noted  # type: ignore[assignment]
    try:
        for row in rows:
            name, level, seed = row["step"]
            apply(
                name,
                level,
                row["uri"],
                0.0,
                row["duration_s"],
                folder / f"{row['video_id']}.mkv",
                seed,
                options=options,
            )
    finally:
        ffmpeg.run = real
    # The pool writes to a temporary name and renames the file; the loop writes each file and deletes it.
    return [f"{line} && rm -f {shlex.quote(shlex.split(line)[-1].removeprefix('file:'))}" for line in lines]


def loop_seconds(lines: list[str], parallel: int) -> float:
    """Wall-clock seconds of a plain shell loop."""
    start = time.perf_counter()
    text = "".join(f"{line}\0" for line in lines)
    # One session for each process, as in the pool: Linux divides the CPU between sessions.
    command = ["xargs", "-0", "-P", str(parallel), "-I{}", "setsid", "-w", "sh", "-c", "{}"]
    subprocess.run(command, input=text, text=True, check=True)
    return time.perf_counter() - start


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process and its children while `work` runs; unlike wall time, independent of other processes."""

    def used() -> float:
        return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    start = used()
    work()
    return used() - start


def actor_work(rows: list[Row], options: EncodeOptions) -> None:
    """The work of one actor of the pool, without Ray: probe, command, rename."""
    actor = Make(options)
    for row in rows:
        actor(row)


def pool_seconds(rows: list[Row], parallel: int, options: EncodeOptions) -> tuple[float, float]:
    """Wall-clock seconds of the pool, in total and without its start, with as many actors as the loop has processes."""
    import ray.data

    inputs = [
        {name: row[name] for name in ("video_id", "uri", "start_s", "duration_s", "recipe", "still")} for row in rows
    ]
    start = time.perf_counter()
    dataset = ray.data.from_items(inputs, override_num_blocks=len(inputs))
    made = Pool(Make, {"options": options}, weight=float(parallel))
    dataset = chain(dataset, [made, Pool(DropSample, weight=0.1)], Room(max(1, parallel // 2)), len(inputs))
    first = None
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        first = first or time.perf_counter()
        if set(batch["status"].to_pylist()) != {"ok"}:
            raise SystemExit("a copy failed; try the videos with `python run.py doctor` first")
    end = time.perf_counter()
    assert first is not None
    return end - start, (end - first) * len(rows) / max(1, len(rows) - 1)


def split_seconds(name: str, path: Path, seconds: float, folder: Path, options: EncodeOptions) -> tuple[float, float]:
    """Wall-clock seconds of all levels of one type: a process for each, and one process with the split filter."""
    window = Window.open(str(path), 0.0, seconds, False, options)
    levels = DISTORTIONS[name].levels
    recipes = [DISTORTIONS[name].make(value, Setting.of(window, 3)) for value in levels]
    encodings = [one for one in recipes if isinstance(one, Encoding) and not one.raw]
    if len(encodings) < len(levels):
        raise SystemExit(f"--types {name}: this is not a single FFmpeg process; name codecs such as h264")
    start = time.perf_counter()
    for level in range(1, len(levels) + 1):
        apply(name, level, path, 0.0, seconds, folder / f"{level}.mkv", 3, options=options)
    single = time.perf_counter() - start
    start = time.perf_counter()
    streams = window.stream(still=False).filter_multi_output("split", len(levels))
    nodes = [
        ffmpeg.target(one.chain(streams[at]), folder / f"split-{at}.mkv", one.codec, "matroska")
        for at, one in enumerate(encodings)
    ]
    ffmpeg.run(ffmpeg.arguments(graph.merge_outputs(*nodes)), timeout_s=900, kind="encode")
    return single, time.perf_counter() - start


def start_ray(parallel: int) -> None:
    """Start a Ray of this machine, as a run does."""
    import ray

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.init(num_cpus=parallel, include_dashboard=False, log_to_driver=False, logging_level="error")


def compared(name: str, seconds: list[float], loops: list[float]) -> None:
    """Print the overhead of the pool over the loop."""
    ours, base = statistics.median(seconds), statistics.median(loops)
    print(f"{name}: {ours:.1f} s over {base:.1f} s, overhead {ours / base - 1:+.1%}", flush=True)


def beside_whole(rows: list[Row], lines: list[str], options: argparse.Namespace, encoding: EncodeOptions) -> None:
    """The loop beside the pool with the start and the end of Ray itself."""
    import ray

    loops, pools = [], []
    for _ in range(options.repeat):
        loops.append(loop_seconds(lines, options.parallel))
        start = time.perf_counter()
        start_ray(options.parallel)
        pool_seconds(rows, options.parallel, encoding)
        ray.shutdown()
        pools.append(time.perf_counter() - start)
        print(f"  loop {loops[-1]:.1f} s, pool with the start and the end of Ray {pools[-1]:.1f} s", flush=True)
    compared("pool with the start and the end of Ray", pools, loops)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--types", default="h264,h265,vp9")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--preset", default="medium", help="preset of x265")
    parser.add_argument("--whole", action="store_true", help="only the loop beside the pool with Ray's start and end")
    options = parser.parse_args()
    encoding = EncodeOptions(x265_preset=options.preset, max_short_side=540)
    rows = [
        {
            "video_id": f"{number}-{name}-{level}", "uri": str(path), "start_s": 0.0, "duration_s": options.seconds,
            "recipe": format_recipe([(name, level, 3)]), "still": False, "step": (name, level, 3),
        }
        for number, path in enumerate(options.videos)
        for name in options.types.split(",")
        for level in range(1, len(DISTORTIONS[name].levels) + 1)
    ]  # fmt: skip
    import ray

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lines = commands(rows, folder, encoding)
        sizes = [path.stat().st_size for path in folder.glob("*.mkv")]
        print(
            f"{len(rows)} copies of {len(options.videos)} windows of {options.seconds:g} s, {options.parallel} at a time"
        )
        print(f"copies: {sum(sizes) / len(sizes) / 1e6:.2f} MB on average, {max(sizes) / 1e6:.2f} MB the largest")
        if options.whole:
            beside_whole(rows, lines, options, encoding)
            return
        plain = cpu_seconds(lambda: loop_seconds(lines, options.parallel))
        ours = cpu_seconds(lambda: actor_work(rows, encoding))
        print(
            f"CPU time: an actor's own code {ours:.1f} s, the loop {plain:.1f} s, overhead {ours / plain - 1:+.1%}",
            flush=True,
        )
        start_ray(options.parallel)
        loops, pools, steady = [], [], []
        for _ in range(options.repeat):
            loops.append(loop_seconds(lines, options.parallel))
            whole, running = pool_seconds(rows, options.parallel, encoding)
            pools.append(whole)
            steady.append(running)
            print(f"  loop {loops[-1]:.1f} s, pool {whole:.1f} s, without its start {running:.1f} s", flush=True)
        ray.shutdown()
        for name, values in (("pool with its start", pools), ("pool once it runs", steady)):
            compared(name, values, loops)
        for name in options.types.split(","):
            pairs = [
                split_seconds(name, options.videos[0], options.seconds, folder, encoding) for _ in range(options.repeat)
            ]
            apart, split = (statistics.median(values) for values in zip(*pairs, strict=True))
            print(
                f"{name}: {apart:.2f} s as a process a level, {split:.2f} s as one decode and split: gain {1 - split / apart:.1%}"
            )


if __name__ == "__main__":
    main()
