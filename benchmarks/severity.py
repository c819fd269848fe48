"""VMAF and PSNR of every level of every distortion on real clips, and where a higher level is not a worse picture.

    python benchmarks/severity.py VIDEO... [--seconds 1.5] [--short-side 270] [--types h264,jitter]

Each copy is compared with the undistorted window of the same clip, frame by frame; PSNR is computed from the mean squared
error over all RGB frames. A break is a level that is better than the level below it on the same clip, by more than 0.1 dB
or 0.5 VMAF.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import ffmpeg as graph
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.distortions.apply import apply
from actors.distortions.table import DISTORTIONS, PRISTINE, Distortion
from actors.media import ffmpeg
from actors.media.vmaf import vmaf
from actors.media.window import EncodeOptions

_IDENTICAL_DB = 100.0
_SLACK = {"PSNR": 0.1, "VMAF": 0.5}


def psnr(reference: Path, copy: Path) -> float:
    """Decibels over all RGB frames; 100 for identical ones."""
    header = ffmpeg.probe(reference)
    both = []
    for path in (reference, copy):
        node = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24", fps_mode="passthrough")
        both.append(ffmpeg.read_frames(node, header.width, header.height, timeout_s=600))
    errors = [np.mean((one.astype(np.float32) - two) ** 2) for one, two in zip(*both, strict=True)]
    error = float(np.mean(errors))
    return 10 * math.log10(255**2 / error) if error else _IDENTICAL_DB


def measure(row: Distortion, source: str, options: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """PSNR and VMAF of each level of one type on one clip."""
    form = EncodeOptions(max_short_side=options.short_side, x265_preset="medium")
    reference, copy = folder / "reference.mkv", folder / "copy.mkv"
    apply(PRISTINE, 0, source, 0.0, options.seconds, reference, 0, options=form)
    figures: dict[str, list[float]] = {"PSNR": [], "VMAF": []}
    for level in range(1, len(row.levels) + 1):
        apply(row.name, level, source, 0.0, options.seconds, copy, 7, options=form)
        figures["PSNR"].append(psnr(reference, copy))
        figures["VMAF"].append(vmaf(reference, copy))
    return figures


def main() -> None:
    """Print one line for each distortion: medians by level and the share of steps that break the order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--short-side", type=int, default=270)
    parser.add_argument("--types", default=",".join(DISTORTIONS))
    options = parser.parse_args()
    print("| type | median PSNR by level, dB | breaks | median VMAF v0.6.1 by level | breaks |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="w2s-severity-") as folder:
        for name in options.types.split(","):
            clips = [measure(DISTORTIONS[name], source, options, Path(folder)) for source in options.videos]
            cells = [f"`{name}`"]
            for metric, slack in _SLACK.items():
                values = [clip[metric] for clip in clips]
                cells.append(" ".join(f"{statistics.median(level):.1f}" for level in zip(*values, strict=True)))
                steps = [after - before > slack for clip in values for before, after in pairwise(clip)]
                cells.append(f"{sum(steps)} of {len(steps)}")
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
