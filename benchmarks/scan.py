"""Cost of the packet scan beside what ingest does anyway (hash the file) and beside decoding a window of it.

    python benchmarks/scan.py [CLIP...] [--window 2]

Without clips, rendered ones are measured: ten seconds and an hour of 1280x720, in MP4, Matroska and MPEG-TS. CPU seconds
of this process and its children; the median of five, of three for files above 1 GiB.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.media import ffmpeg
from actors.media import scan as scanning
from actors.media.decode import Decoder
from actors.media.views import SampleSpec
from actors.probe import content_id


def spent(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Median CPU seconds, user and system, children included, and median seconds on the clock."""
    cpu, clock = [], []
    for _ in range(times):
        before, start = _cpu(), time.perf_counter()
        work()
        cpu.append(_cpu() - before)
        clock.append(time.perf_counter() - start)
    return statistics.median(cpu), statistics.median(clock)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def decoded(path: Path, start_s: float, window_s: float) -> None:
    """One window in a decoder of its own, whose process ends so that its CPU time is counted."""
    with Decoder(timeout_s=600) as decoder:
        decoder.decode(path, start_s, window_s, SampleSpec())


def rendered(folder: Path) -> list[Path]:
    """Ten seconds at about 5 Mbit/s, and an hour of them."""
    short = folder / "short.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=10", "-pix_fmt", "yuv420p"]
    call = [ffmpeg.binary(), "-loglevel", "error", "-nostdin"]
    subprocess.run(
        [*call, *source, "-c:v", "libx264", "-preset", "veryfast", "-b:v", "5M", "-g", "60", short], check=True
    )
    files = [short]
    for name in ("hour.mp4", "hour.mkv", "hour.ts"):
        subprocess.run([*call, "-stream_loop", "359", "-i", short, "-c", "copy", folder / name], check=True)
        files.append(folder / name)
    return files


def main() -> None:
    """Print a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--window", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for path in options.clips or rendered(Path(folder)):
            times = 3 if path.stat().st_size > 2**30 else 5

            def fresh(path: Path = path) -> object:
                scanning._MEMORY.clear()  # noqa: SLF001 - a second look would cost nothing
                return scanning.scan(path)

            facts = scanning.scan(path)
            middle = max(0.0, (facts.length_s - options.window) / 2)
            header = spent(lambda path=path: ffmpeg.probe(path), times)
            scan = spent(fresh, times)
            digest = spent(lambda path=path: content_id(path), times)
            window = spent(lambda path=path, middle=middle: decoded(path, middle, options.window), times)
            print(
                f"{path.name}: {facts.length_s:g} s, {path.stat().st_size / 2**20:.0f} MiB; CPU s (clock s): "
                f"header {header[0]:.3f} ({header[1]:.3f}), scan {scan[0]:.3f} ({scan[1]:.3f}), "
                f"hash {digest[0]:.3f} ({digest[1]:.3f}), decode {options.window:g} s {window[0]:.3f} ({window[1]:.3f})"
            )


if __name__ == "__main__":
    main()
