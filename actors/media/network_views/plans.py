"""The table of views: for each published network, which frames of a clip it is shown and what is cut from each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from .clip import CLIP, Clip, Draw, Frame, Numbers, seeded
from .fragments import FRAGMENTS, fragment_starts, fragments
from .pictures import (
    KEY_SIDE,
    MOTION_SIDE,
    SQUARE_SIDE,
    WHOLE_SIDE,
    key_picture,
    motion_picture,
    square_picture,
    student_picture,
    whole,
)
from .sampling import (
    centred_clips,
    one_per_second,
    second_centres,
    second_clips,
    segment_clips,
    student_key_frames,
    student_motion_clips,
)


@dataclass(frozen=True)
class View:
    """A plan of pictures.

    Attributes:
        frames: Native frame number of each picture ``[n]``, in any order, with repeats.
        groups: Group of each picture ``[n]``: pictures of one frame and group are equal.
        size: Height and width of a picture.
        cut: Makes the picture of a group from a native frame.
    """

    frames: Numbers
    groups: Numbers
    size: tuple[int, int]
    cut: Callable[[int, Frame], Frame]


def _fragment_view(frames: Numbers, clip: Clip, draw: Draw) -> View:
    clips = len(frames) // CLIP
    rows, columns = fragment_starts(clip.height, clip.width, clips, draw)

    def cut(group: int, frame: Frame) -> Frame:
        return fragments(frame, rows[..., group], columns[..., group])

    return View(frames, np.repeat(np.arange(clips), CLIP), (FRAGMENTS, FRAGMENTS), cut)


def _picture_view(frames: Numbers, side: int, cut: Callable[[Frame], Frame]) -> View:
    return View(frames, np.zeros(len(frames), np.int64), (side, side), lambda _, frame: cut(frame))


def fastvqa_fragments(clip: Clip, draw: Draw) -> View:
    """FAST-VQA: four clips of 32 consecutive frames, in fragments."""
    return _fragment_view(centred_clips(clip.frames), clip, draw)


def dover_fragments(clip: Clip, draw: Draw) -> View:
    """DOVER's technical view: three clips of 32 frames, every second one, in fragments."""
    return _fragment_view(segment_clips(clip.frames, 3, CLIP, 2, draw), clip, draw)


def dover_whole(clip: Clip, draw: Draw) -> View:
    """DOVER's aesthetic view: 32 whole frames, one of each part of the video."""
    return _picture_view(segment_clips(clip.frames, CLIP, 1, 2, draw), WHOLE_SIDE, whole)


def key_frames(clip: Clip, _: Draw) -> View:
    """MinimalisticVQA: the middle frame of each second."""
    return _picture_view(second_centres(clip), KEY_SIDE, key_picture)


def motion_clips(clip: Clip, _: Draw) -> View:
    """SlowFast beside MinimalisticVQA: 32 frames of each second."""
    return _picture_view(second_clips(clip), MOTION_SIDE, motion_picture)


def squares(clip: Clip, _: Draw) -> View:
    """Q-Align: the first frame of each second."""
    return _picture_view(one_per_second(clip), SQUARE_SIDE, square_picture)


def student_frames(clip: Clip, _: Draw) -> View:
    """The published student: the first frame of each second."""
    return _picture_view(np.array(student_key_frames(clip.frames, clip.fps)), KEY_SIDE, student_picture)


def student_clips(clip: Clip, _: Draw) -> View:
    """SlowFast within the published student: 32 frames of each whole second; no picture of a still."""
    clips = student_motion_clips(clip.frames, clip.fps) if clip.frames > 1 else []
    return _picture_view(np.array(clips, np.int64).ravel(), MOTION_SIDE, motion_picture)


VIEWS: dict[str, Callable[[Clip, Draw], View]] = {
    "fastvqa_fragments": fastvqa_fragments,
    "dover_fragments": dover_fragments,
    "dover_whole": dover_whole,
    "key_frames": key_frames,
    "motion_clips": motion_clips,
    "squares": squares,
    "student_frames": student_frames,
    "student_clips": student_clips,
}


def plan(names: Iterable[str], clip: Clip, key: str) -> dict[str, View]:
    """The named views of a clip; offsets are drawn for each view from the video's id ``key``.

    A view's offsets do not depend on which other views are asked for.
    """
    return {name: VIEWS[name](clip, seeded(f"{key}:{name}")) for name in names}
