"""Videos per second and core for the nine indicators: decode and measure in one pass, decode only, and each indicator.

    python benchmarks/indicators.py VIDEO... [--seconds 8]

Time is CPU time of this process and of the decoder's child process, so other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.indicators import INDICATORS, Meter
from actors.media.decode import Decoder
from actors.media.outcome import Failure
from actors.media.views import SampleSpec

SPEC = SampleSpec(key_frames=1, motion_frames=1)


class Collector(Meter):
    """A meter that keeps one instant and measures nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.instant: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, frame: np.ndarray, following: np.ndarray) -> None:
        """Keep the last instant."""
        self.instant = (frame, following)


def cpu_seconds() -> float:
    """CPU time of this process and of its finished children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def decoded(paths: list[Path], seconds: float, meter: Meter | None) -> float:
    """CPU seconds of one pass over all videos, including one start of the decoder's process."""
    start = cpu_seconds()
    with Decoder(timeout_s=600) as decoder:
        for path in paths:
            decoder.decode(path, 0.0, seconds, SPEC, meter=meter)
    return cpu_seconds() - start


def single(instants: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """CPU seconds of each indicator per instant; shared planes count for the first indicator that uses them."""
    import importlib

    from actors.indicators.instant import Instant

    seconds = dict.fromkeys(INDICATORS, 0.0)
    for frame, following in instants:
        instant = Instant(frame, following)
        for name, row in INDICATORS.items():
            module, _, function = row.function.partition(":")
            measure = getattr(importlib.import_module(module), function)
            start = time.process_time()
            measure(instant)
            seconds[name] += time.process_time() - start
    return {name: total / len(instants) for name, total in seconds.items()}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=8.0, help="window at the start of each video")
    options = parser.parse_args()
    usable: list[Path] = []
    instants: list[tuple[np.ndarray, np.ndarray]] = []
    with Decoder(timeout_s=600) as decoder:
        for path in options.videos:
            collector = Collector()
            try:
                decoder.decode(path, 0.0, options.seconds, SPEC, meter=collector)
            except Failure as failure:
                print(f"left out: {failure}")
                continue
            usable.append(path)
            if collector.instant is not None:
                instants.append(collector.instant)
    # Both passes read the same frames, so their difference is the measurement and its transfer.
    together = decoded(usable, options.seconds, Meter())
    apart = decoded(usable, options.seconds, Collector())
    plain = decoded(usable, options.seconds, None)
    count = len(usable)
    pixels = np.mean([frame.shape[0] * frame.shape[1] for frame, _ in instants])
    print(f"{count} videos, windows of {options.seconds:g} s, {pixels / 1e6:.2f} Mpixels a frame on average")
    print(f"decode and measure: {count / together:.2f} videos per second and core ({together / count:.3f} CPU s each)")
    print(f"decode the same frames, measure nothing: {apart / count:.3f} CPU s each")
    print(f"decode the first frame only: {plain / count:.3f} CPU s each")
    print(
        f"measure alone: {(together - apart) / count:.3f} CPU s each, {count / (together - apart):.2f} videos per second and core"
    )
    for name, seconds in single(instants).items():
        print(f"  {name:14} {1000 * seconds:7.2f} ms an instant")
    print(f"peak memory of the measuring process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB")


if __name__ == "__main__":
    main()
