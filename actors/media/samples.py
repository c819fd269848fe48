"""Frames that pass by, or a still that is in memory, become a `Sample`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.indicators import Meter
from actors.media import ffmpeg
from actors.media.decode_child import key_positions, luma_strip, second_positions
from actors.media.network_views import Clip, Gatherer, gather, plan
from actors.media.outcome import Failure
from actors.media.views import Sample, SampleSpec

Frame = NDArray[np.uint8]


def _on_one_thread() -> None:
    """An actor has one core: further threads of OpenCV would spin while they wait for theirs."""
    import cv2

    cv2.setNumThreads(1)


def gathered(
    frames: Iterable[Frame], clip: Clip, name: str, spec: SampleSpec, seed: str = "", meter: Meter | None = None
) -> Sample:
    """Keep what a sample needs of the frames of a window, reading no further than needed.

    ``frames`` may come all in the same memory: nothing of a frame's own size is held but the key frames, which go to
    their places at once, and the first frame of a second that is measured.

    Args:
        frames: RGB, uint8 ``[H, W, 3]`` each.
        clip: How many they are, their size and their rate.
        name: Of the file, for messages.
        spec: How much to keep.
        seed: The video's id: random offsets of views depend on it alone.
        meter: Is given the frames of every second in passing; what it held before is forgotten.

    Raises:
        Failure: ``decode``: they are fewer.
    """
    _on_one_thread()
    count, gatherer = clip.frames, Gatherer(plan(spec.views, clip, seed))
    places: dict[int, list[tuple[int, int]]] = {}  # of a frame among the key frames and their successors
    for part, at in enumerate(key_positions(count, spec.key_frames)):
        places.setdefault(at, []).append((part, 0))
        places.setdefault(min(at + 1, count - 1), []).append((part, 1))
    key = np.empty((spec.key_frames, 2, clip.height, clip.width, 3), np.uint8)
    seconds = second_positions(count, clip.fps) if meter is not None else []
    measured = (min(at + 1, count - 1) for at in seconds)
    last = max(*places, *gatherer.needed, *measured, min(spec.motion_frames, count) - 1)
    if meter is not None:
        meter.clear()
    held: Frame | None = None  # the first frame of a second, until its successor comes
    luma: list[Frame] = []
    for number, frame in enumerate(frames):
        if number < spec.motion_frames:
            luma.append(luma_strip(frame, spec.motion_short_side))
        for part, shift in places.pop(number, ()):
            key[part, shift] = frame
        gatherer.add(number, frame)
        if meter is not None and held is not None:
            meter.add(held, frame)
        held = frame.copy() if number in seconds else None
        if number == last:
            break
    if meter is not None and held is not None:  # a window of one frame
        meter.add(held, held)
    if places:
        raise Failure("decode", f"{name}: frames went missing between two reads; copy the file again")
    return Sample(key, np.stack(luma), clip.fps, gatherer.pictures)


def picture(frame: Frame, spec: SampleSpec, seed: str = "", meter: Meter | None = None) -> Sample:
    """The sample of a still, RGB ``[H, W, 3]``, that is in memory already: what `Decoder.decode` gives for a file of it.

    Raises:
        Failure: ``too_large``.
    """
    height, width = frame.shape[:2]
    if height * width > spec.max_pixels:
        raise Failure("too_large", f"a still is {width}x{height}; the limit max_pixels is {spec.max_pixels}")
    _on_one_thread()
    key = np.broadcast_to(frame, (spec.key_frames, 2, *frame.shape)).copy()
    views = gather([frame], plan(spec.views, Clip(1, height, width, 0.0), seed))
    if meter is not None:
        meter.clear()
        meter.add(frame, frame)
    return Sample(key, luma_strip(frame, spec.motion_short_side)[None], 0.0, views)


def streamed(
    node: Any,
    clip: Clip,
    name: str,
    spec: SampleSpec,
    seed: str,
    meter: Meter | None,
    timeout_s: float,
    log: list[str] | None = None,
) -> Sample | None:
    """The sample of an FFmpeg output that writes RGB frames to its pipe; None where they are not as many as promised.

    Args:
        node: ffmpeg-python output node.
        clip: What is promised.
        name: As of `gathered`, like `spec`, `seed` and `meter`.
        timeout_s: Wall-clock limit, seconds.
        log: As of `actors.media.ffmpeg.read_frames`.

    Raises:
        Failure: As `actors.media.ffmpeg.read_frames`.
    """
    read = 0

    def counted() -> Iterator[Frame]:
        nonlocal read
        for frame in frames:
            read += 1
            yield frame

    frames = ffmpeg.read_frames(node, clip.width, clip.height, timeout_s=timeout_s, reuse=True, log=log)
    passing = counted()
    try:
        sample = gathered(passing, clip, name, spec, seed, meter)
    except Failure:
        sample = None
    for _ in passing:
        pass
    return sample if read == clip.frames else None
