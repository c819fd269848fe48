"""VMAF of a distorted copy against its reference by two of Netflix's models, in one pass of libvmaf inside FFmpeg.

`vmaf_v0.6.1` (2016) looks at luma; `vmaf_v1.0.16_3d0h` has chroma and CAMBI's banding too, for three picture heights of distance.
A figure without its model's name says nothing: the two differ by 30 points on a picture that has lost its colours.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ffmpeg as graph

from actors.media import ffmpeg
from actors.media.ffmpeg_log import Probe
from actors.media.outcome import Failure
from actors.media.scan import scan

# Runs an ffmpeg-python node that also writes the copy's RGB frames to its pipe, and returns its log.
Look = Callable[[Any], str]


@dataclass(frozen=True)
class VmafModel:
    """A model that libvmaf holds.

    Attributes:
        name: Its name in libvmaf.
        title: Its name in tables.
        least_side: Pixels that each side of a frame must have.
    """

    name: str
    title: str
    least_side: int

    def refusal(self, width: int, height: int) -> str:
        """Why frames of this size have no score, or an empty text."""
        if min(width, height) >= self.least_side:
            return ""
        return f"{self.title} needs at least {self.least_side} pixels a side"


FIRST = VmafModel("vmaf_v0.6.1", "VMAF v0.6.1", 18)  # measured: no score below
# Below, its chroma features have too few blocks and fall silent: lost colours then score 100, and smaller frames have no score
# at all (findings/libvmaf-v1-small-frames.sh).
SECOND = VmafModel("vmaf_v1.0.16_3d0h", "VMAF v1.0.16", 320)


@dataclass(frozen=True)
class Labels:
    """What both models say of a copy.

    Attributes:
        first: VMAF v0.6.1, 0 to 100.
        second: VMAF v1.0.16, 0 to 100; NaN where it has no score.
        note: Why not.
    """

    first: float
    second: float
    note: str = ""


_LACKING = f"the FFmpeg that is used has no {SECOND.name}; the one of imageio-ffmpeg 0.8 has it"


@lru_cache(maxsize=1)
def has_second() -> bool:
    """Whether the FFmpeg that is used knows the second model: others than the bundled one may be older."""
    grey = ["-f", "lavfi", "-i", "color=gray:size=320x320:rate=10:duration=0.1"]
    try:
        ffmpeg.run([*grey, *grey, "-lavfi", f"libvmaf=model=version={SECOND.name}", "-f", "null", "-"], timeout_s=60.0)
    except Failure:
        return False
    return True


def vmaf(
    reference: str | os.PathLike[str], distorted: str | os.PathLike[str], threads: int = 1, *, timeout_s: float = 900.0
) -> float:
    """Mean VMAF v0.6.1, 0 to 100, over all frames, matched by frame number; arguments and failures as of `labels`."""
    _checked(reference, distorted)
    return _scores(reference, distorted, (FIRST,), threads, timeout_s)[0]


def labels(
    reference: str | os.PathLike[str],
    distorted: str | os.PathLike[str],
    threads: int = 1,
    look: Look | None = None,
    *,
    both: bool = True,
    timeout_s: float = 900.0,
) -> Labels:
    """Mean VMAF of both models over all frames, matched by frame number; both files are decoded once.

    Args:
        reference: Pristine clip.
        distorted: Copy of equal frame size and frame count.
        threads: libvmaf threads.
        look: Reads the frames of the copy from the process that measures it.
        both: Whether the second model is asked for, beside the first.
        timeout_s: Wall-clock limit in seconds.

    Raises:
        Failure: ``too_small`` for frames of which v0.6.1 has no score;
            ``usage`` when sizes or frame counts differ or both paths are one; otherwise as `actors.media.ffmpeg`.
    """
    header = _checked(reference, distorted)
    refusal = SECOND.refusal(header.width, header.height)
    if not both:
        note = f"{SECOND.title} was not asked for"
    elif refusal:
        note = f"frames of {header.width}x{header.height}; {refusal}"
    else:
        note = "" if has_second() else _LACKING
    if note:
        return Labels(_scores(reference, distorted, (FIRST,), threads, timeout_s, look)[0], math.nan, note)
    first, second = _scores(reference, distorted, (FIRST, SECOND), threads, timeout_s, look)
    return Labels(first, second)


def _checked(reference: str | os.PathLike[str], distorted: str | os.PathLike[str]) -> Probe:
    """The header of both files."""
    if os.fspath(reference) == os.fspath(distorted):
        raise Failure("usage", f"VMAF needs two files, got {reference} twice")
    first, second = scan(reference).header, scan(distorted).header  # which the decode of the copy asks for too
    if (first.width, first.height) != (second.width, second.height):
        sizes = f"{first.width}x{first.height} and {second.width}x{second.height}"
        raise Failure("usage", f"VMAF needs equal frame sizes, got {sizes} for {reference} and {distorted}")
    refusal = FIRST.refusal(first.width, first.height)
    if refusal:
        size = f"{first.width}x{first.height}"
        raise Failure("too_small", f"{reference} has frames of {size}; {refusal}")
    return first


def _scores(
    reference: str | os.PathLike[str],
    distorted: str | os.PathLike[str],
    models: Sequence[VmafModel],
    threads: int,
    timeout_s: float,
    look: Look | None = None,
) -> list[float]:
    """Scores in the order of the models, which is that of libvmaf's lines."""
    # Timestamps are replaced by frame numbers: containers round them differently.
    streams: list[Any] = [ffmpeg.source(path, threads=threads)["V:0"] for path in (distorted, reference)]
    shown: list[Any] = []
    if look is not None:
        both = streams[0].filter_multi_output("split")
        streams[0] = both[0]
        shown = [graph.output(both[1], "pipe:1", f="rawvideo", pix_fmt="rgb24", fps_mode="passthrough")]
    streams = [stream.filter("settb", "1/1000") for stream in streams]
    nodes = [stream.filter("setpts", "N*40").filter("format", "yuv420p") for stream in streams]
    # two models without names of their own give one score
    named = "|".join(f"version={model.name}:name={model.name}" for model in models)
    joined = graph.filter(nodes, "libvmaf", model=named, n_threads=threads)
    node = graph.output(joined, "-", f="null")
    if look is None:
        log = ffmpeg.run([*ffmpeg.VERBOSE, *ffmpeg.arguments(node)], timeout_s=timeout_s)
    else:
        log = look(graph.merge_outputs(node, *shown))
    counts = [int(hit) for hit in re.findall(r"(\d+) frames decoded", log)]
    if len(counts) != 2 or counts[0] != counts[1]:
        raise Failure("usage", f"VMAF needs equal frame counts, got {counts} for {distorted} and {reference}")
    scores = [float(hit) for hit in re.findall(r"VMAF score: ([\d.]+)", log)]
    if len(scores) != len(models):
        raise Failure("decode", f"libvmaf gave {len(scores)} scores for {distorted}, not {len(models)}")
    return scores
