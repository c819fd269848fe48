"""FFmpeg's way to the pictures of a `Cut`: where to seek, what to trim, and how a held picture is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from actors.media import ffmpeg
from actors.media.outcome import Failure
from actors.media.scan import Scan
from actors.media.timeline import Cut

_MICROSECOND = 1_000_000
_MOST_TERMS = 5000  # of an expression, which is one argument of at most 128 KiB


@dataclass(frozen=True)
class Excerpt:
    """A video stream that begins with the first picture of a cut and ends with the last.

    Attributes:
        node: ffmpeg-python video stream.
        zero_s: Instant of the file's timeline that is time zero of the stream.
        is_counted: The pictures were counted, and their times in the stream mean nothing.
    """

    node: Any
    zero_s: float
    is_counted: bool = False


def excerpt(name: str, scan: Scan, cut: Cut, max_pixels: int, threads: int) -> Excerpt:
    """Open a file so that exactly the pictures from ``cut.first`` to before ``cut.end`` come out, each once.

    The borders lie half way between two pictures, so that no rounding of a container's clock moves a picture across.

    Args:
        name: File.
        scan: What its packets say.
        cut: The pictures.
        max_pixels: Refuse larger frames.
        threads: Decoder threads.
    """
    times = scan.timeline.times
    # in a clock whose ticks are as long as its pictures, half way between two of them would be rounded to either
    share = 0.1 if scan.tick_s > scan.timeline.step_s / 4 else 0.5
    start, end = _border(times, cut.first, share), _border(times, cut.end, share)
    limits = {"max_pixels": max_pixels, "threads": threads}
    if cut.first == 0 and cut.end == len(times) and scan.is_whole:
        return Excerpt(track(ffmpeg.source(name, **limits), scan), 0.0, scan.counts)
    if scan.seeks and not scan.leads and cut.schedule is None:
        start = max(start, 0.0)  # FFmpeg's clock starts with the file
        # FFmpeg counts a length from the first picture that comes out
        length = end - float(times[cut.first]) if cut.end < len(times) else 0.0
        return Excerpt(track(ffmpeg.source(name, start, length, **limits), scan), start)
    if scan.seeks or scan.seeks_early:
        before = _key_before(scan, float(times[cut.first]))
        node = track(ffmpeg.source(name, before, **limits), scan)
        return Excerpt(node.filter("trim", start=_second(start - before), end=_second(end - before)), before)
    node = track(ffmpeg.source(name, **limits), scan)
    return Excerpt(node.filter("trim", start_frame=cut.first, end_frame=cut.end), 0.0, is_counted=True)


def track(source: Any, scan: Scan) -> Any:
    """The track that is played, in the size of its first picture even where a later one has another.

    Where a picture of another size came in, FFmpeg would build the filters anew and count frames from zero again.
    """
    only = sum(not other.is_cover for other in scan.tracks) == 1
    node = source["V:0" if only else str(scan.track)]
    if scan.header.is_still or (scan.is_turned and scan.turns is None):  # FFmpeg turns before any filter of ours
        return node
    options, width, height = source.node.kwargs, scan.header.width, scan.header.height
    options["reinit_filter"] = 0
    if scan.turns is None:
        return node.filter("scale", width, height)
    options["noautorotate"] = None
    if any(turn.startswith("transpose") for turn in scan.turns):
        width, height = height, width
    node = node.filter("scale", width, height)
    for turn in scan.turns:
        node = node.filter(*turn.split("="))
    return node.filter("sidedata", mode="delete", type="DISPLAYMATRIX")  # an encoder would pass it on


def held(part: Excerpt, cut: Cut) -> Any:
    """The stream of an excerpt, sampled at the rate of a cut whose pictures are held: ``cut.count`` frames."""
    node = part.node.filter("settb", f"1/{_MICROSECOND}")
    if part.is_counted:
        node = node.filter("setpts", f"round(({_places(cut)})/({cut.fraction})/TB)")
    else:
        node = node.filter("setpts", f"PTS-({round((cut.anchor_s - part.zero_s) * _MICROSECOND)})")
    node = node.filter("fps", fps=str(cut.fraction), start_time=0)
    # the last picture stays until the window ends, and not for as long as its packet says
    return node.filter("tpad", stop=-1, stop_mode="clone").filter("trim", end_frame=cut.count)


def _places(cut: Cut) -> str:
    """Place of picture N of the excerpt among the frames that are shown, as an expression.

    Raises:
        Failure: Too many pictures are held.
    """
    assert cut.schedule is not None
    times = np.bincount(cut.schedule - cut.first, minlength=cut.end - cut.first)
    uneven = np.flatnonzero(times != 1)
    if len(uneven) > _MOST_TERMS:
        reason = f"{len(uneven)} pictures of the window are held, in a container whose clock says nothing"
        raise Failure("decode", f"{reason}; copy the file to Matroska or shorten the window")
    return _sum(["N", *(f"({times[at] - 1:d})*gt(N,{at})" for at in uneven)])


def _sum(terms: list[str]) -> str:
    """A sum as a balanced tree: FFmpeg's parser gives up at a hundred terms in a row."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_sum(terms[:half])}+{_sum(terms[half:])})"


def _border(times: np.ndarray, at: int, share: float) -> float:
    """An instant between a picture and the one before it, a share of their distance before it."""
    if at <= 0:
        return float(times[0]) - 0.5
    if at >= len(times):
        return float(times[-1]) + 0.5
    return float(times[at] - share * (times[at] - times[at - 1]))


def _key_before(scan: Scan, moment: float) -> float:
    """An instant from which FFmpeg's seek reaches a key frame that decodes up to ``moment``; 0 for the beginning."""
    at = int(np.searchsorted(scan.keys, moment + 1e-4)) - 1 - scan.leads
    if at < 1:
        return 0.0
    # half way to the key frame before: containers seek by decoding times, which lie earlier, and by rough places
    return max(0.0, round(float(scan.keys[at - 1] + scan.keys[at]) / 2, 6))


def _second(value: float) -> str:
    return f"{max(value, 0.0):.6f}"
