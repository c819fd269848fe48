"""Which native frames a network is shown: the sampling of each released script."""

from __future__ import annotations

import numpy as np

from .clip import CLIP, Clip, Draw, Numbers

LEAST_SECONDS = 8  # a shorter video's last second is repeated until there are so many
MOST_SECONDS = 10  # of motion that the student is shown


def centred_clips(count: int, clips: int = 4, length: int = CLIP) -> Numbers:
    """Consecutive frames around the centres of equal parts, ``[clips * length]``; a short video starts again."""
    part = (count - length + 1) / clips
    starts = [int(number * part + part / 2) if count >= length else 0 for number in range(clips)]
    return np.asarray((np.array(starts)[:, None] + np.arange(length)).ravel() % count, np.int64)


def segment_clips(count: int, segments: int, length: int, interval: int, draw: Draw) -> Numbers:
    """Every ``interval``-th frame from a random start in each of equal segments, ``[segments * length]``."""
    part = count // segments
    spare = part - length * interval
    starts = np.arange(segments) * part + (draw(spare, (segments,)) if spare > 0 else 0)
    return np.asarray((starts[:, None] + np.arange(length) * interval).ravel() % count, np.int64)


def second_centres(clip: Clip) -> Numbers:
    """The middle frame of each second; the last is repeated up to `LEAST_SECONDS`."""
    centres = np.arange(clip.rate // 2, clip.frames, clip.rate)
    centres = centres if len(centres) else np.array([clip.frames - 1])
    wanted = max(clip.frames // clip.rate, LEAST_SECONDS)
    return np.asarray(centres[np.minimum(np.arange(wanted), len(centres) - 1)], np.int64)


def second_clips(clip: Clip) -> Numbers:
    """32 frames of each whole second, ``[32 * seconds]``: the middle ones, or all with the last repeated.

    A video shorter than a second is taken as one. The last second is repeated up to `LEAST_SECONDS`.
    """
    seconds = max(1, clip.frames // clip.rate)
    length = min(clip.rate, clip.frames)
    inside = np.arange(CLIP) + length // 2 - CLIP // 2 if length > CLIP else np.minimum(np.arange(CLIP), length - 1)
    second = np.minimum(np.arange(max(seconds, LEAST_SECONDS)), seconds - 1)
    return np.asarray((second[:, None] * clip.rate + inside).ravel(), np.int64)


def one_per_second(clip: Clip) -> Numbers:
    """The first frame of each whole second, at the exact frame rate; the first frame of a shorter video."""
    seconds = max(1, int(clip.frames / clip.fps)) if clip.fps > 0 else 1
    return np.array([int(clip.fps * number) for number in range(seconds)])


def student_key_frames(count: int, fps: float) -> list[int]:
    """The first frame of each second, a trailing part of a second included; `round` is half to even, as released."""
    return list(range(0, count, max(1, round(fps))))


def student_motion_clips(count: int, fps: float) -> list[list[int]]:
    """32 frames from the start of each whole second, at most ten clips; none for less than a second.

    A clip that runs over the end repeats the last frame. Without a frame rate every clip starts at frame 0.
    """
    step = round(fps)
    starts = [second * step for second in range(count // step)] if step else [0] * MOST_SECONDS
    return [[min(start + k, count - 1) for k in range(CLIP)] for start in starts[:MOST_SECONDS]]
