"""VMAF of a distorted copy against its reference (Netflix, model v0.6.1, libvmaf inside FFmpeg)."""

from __future__ import annotations

import os
import re

import ffmpeg as graph

from actors.media import ffmpeg
from actors.media.outcome import Failure

MODEL = "version=vmaf_v0.6.1"
LEAST_SIDE = 18  # pixels: libvmaf gives no score below (measured)


def vmaf(
    reference: str | os.PathLike[str], distorted: str | os.PathLike[str], threads: int = 1, *, timeout_s: float = 900.0
) -> float:
    """Mean VMAF, 0 to 100, over all frames, matched by frame number.

    Args:
        reference: Pristine clip.
        distorted: Copy of equal frame size and frame count.
        threads: libvmaf threads.
        timeout_s: Wall-clock limit in seconds.

    Raises:
        Failure: ``too_small`` for frames below `LEAST_SIDE`;
            ``usage`` when sizes or frame counts differ or both paths are one; otherwise as `actors.media.ffmpeg`.
    """
    if os.fspath(reference) == os.fspath(distorted):
        raise Failure("usage", f"VMAF needs two files, got {reference} twice")
    first, second = ffmpeg.probe(reference), ffmpeg.probe(distorted)
    if (first.width, first.height) != (second.width, second.height):
        sizes = f"{first.width}x{first.height} and {second.width}x{second.height}"
        raise Failure("usage", f"VMAF needs equal frame sizes, got {sizes} for {reference} and {distorted}")
    if min(first.width, first.height) < LEAST_SIDE:
        size = f"{first.width}x{first.height}"
        raise Failure("too_small", f"{reference} has frames of {size}; VMAF needs at least {LEAST_SIDE} pixels a side")
    # Timestamps are replaced by frame numbers: containers round them differently.
    streams = [ffmpeg.source(path, threads=threads)["V:0"].filter("settb", "1/1000") for path in (distorted, reference)]
    nodes = [stream.filter("setpts", "N*40").filter("format", "yuv420p") for stream in streams]
    joined = graph.filter(nodes, "libvmaf", model=MODEL, n_threads=threads)
    args = ["-loglevel", "verbose", *ffmpeg.arguments(graph.output(joined, "pipe:1", f="null"))]
    log = ffmpeg.run(args, timeout_s=timeout_s)
    counts = [int(hit) for hit in re.findall(r"(\d+) frames decoded", log)]
    if len(counts) != 2 or counts[0] != counts[1]:
        raise Failure("usage", f"VMAF needs equal frame counts, got {counts} for {distorted} and {reference}")
    score = re.search(r"VMAF score: ([\d.]+)", log)
    if score is None:
        raise Failure("decode", f"libvmaf gave no score for {distorted}")
    return float(score.group(1))
