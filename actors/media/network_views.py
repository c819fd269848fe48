"""What each published network is shown of a video: which native frames, and how each becomes a small picture.

A `View` is planned from a clip's size alone and filled while the clip is decoded once, frame by frame, so that no more
than one native frame is held at a time. Pictures stay uint8 RGB until the network normalises them. The rules are those
of the released single-video scripts of each model, exactly: sampling, offsets, resizing and rounding.

The module is imported as usual and also run by path inside the decoder's child process, so it imports nothing of the
project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # RGB [H, W, 3]
Numbers = NDArray[np.int64]
Draw = Callable[[int, tuple[int, ...]], Numbers]  # uniform integers 0 <= n < bound of a shape

GRID = 7  # fragment cells along each side
CELL = 32  # pixels of a cell's side
FRAGMENTS = GRID * CELL
CLIP = 32  # frames of a clip
KEY_SIDE = 384
MOTION_SIDE = 224
SQUARE_SIDE = 448
SQUARE_COLOUR = (122, 116, 104)
STRIP = 128  # rows of a frame that Pillow is given at once
LEAST_SECONDS = 8  # a shorter video's last second is seen again until there are so many
MOST_SECONDS = 10  # of motion that the student is shown


@dataclass(frozen=True)
class Clip:
    """Size of the decoded window.

    Attributes:
        frames: Number of native frames, at least 1.
        height: Pixels.
        width: Pixels.
        fps: Native frames per second; 0 for a still.
    """

    frames: int
    height: int
    width: int
    fps: float

    @property
    def rate(self) -> int:
        """Whole frames per second, at least 1."""
        return max(1, round(self.fps))


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


def zero(_: int, shape: tuple[int, ...]) -> Numbers:
    """Every offset 0."""
    return np.zeros(shape, np.int64)


def centre(bound: int, shape: tuple[int, ...]) -> Numbers:
    """Every offset in the middle of its range."""
    return np.full(shape, bound // 2, np.int64)


def seeded(key: str) -> Draw:
    """Random offsets that depend on ``key``, a video's id, alone: its score is the same in every run."""
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little"))
    return lambda bound, shape: generator.integers(0, bound, shape, dtype=np.int64)


# ---- which frames


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
    """The middle frame of each second; the last is seen again up to `LEAST_SECONDS`."""
    found = np.arange(clip.rate // 2, clip.frames, clip.rate)
    found = found if len(found) else np.array([clip.frames - 1])
    wanted = max(clip.frames // clip.rate, LEAST_SECONDS)
    return np.asarray(found[np.minimum(np.arange(wanted), len(found) - 1)], np.int64)


def second_clips(clip: Clip) -> Numbers:
    """32 frames of each whole second, ``[32 * seconds]``: the middle ones, or all with the last repeated.

    A video shorter than a second is taken as one. The last second is seen again up to `LEAST_SECONDS`.
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


# ---- how a frame becomes a picture


def _axis(size: int, count: int, step: np.float32) -> tuple[Numbers, Numbers, Any, Any]:
    """Both neighbours of each of ``count`` samples along an axis, and their weights in float32; half-pixel centres."""
    if size == count:
        return np.arange(size), np.arange(size), np.ones(size, np.float32), np.zeros(size, np.float32)
    at = np.maximum((step.astype(np.float64) * (np.arange(count) + 0.5) - 0.5).astype(np.float32), np.float32(0))
    first = np.minimum(at.astype(np.int64), size - 1)
    weight = np.minimum(at - first.astype(np.float32), np.float32(1))
    return first, np.minimum(first + 1, size - 1), np.float32(1) - weight, weight


def _between(one: Any, weight: Any, other: Any, rest: Any) -> Any:
    """``one * weight + other * rest`` in float32, the first product not rounded, as the processor's fused instruction has it."""
    return (one.astype(np.float64) * weight + other * rest).astype(np.float32)


def _bilinear(frame: Any, size: tuple[int, int], steps: tuple[np.float32, np.float32]) -> Any:
    """Torch's bilinear interpolation of ``[H, W, C]`` without antialiasing, float32, to the last bit.

    It reads the few rows and columns that count, where torch converts the frame to 100 MB of float32 (at 4K), and
    spares the process torch itself, which is larger than the views of a minute.
    """
    top, bottom, *vertical = _axis(frame.shape[0], size[0], steps[0])
    left, right, *horizontal = _axis(frame.shape[1], size[1], steps[1])
    above, below = (weights[:, None, None] for weights in vertical)
    before, after = (weights[:, None] for weights in horizontal)

    def line(rows: Numbers) -> Any:
        seen = frame[rows]
        return _between(seen[:, left].astype(np.float32), before, seen[:, right].astype(np.float32), after)

    return _between(line(top), above, line(bottom), below)


def enlargement(height: int, width: int) -> float:
    """By how much a frame with a short side below 224 pixels is enlarged; 1 for others."""
    short = min(height, width)
    return 1 / (short / FRAGMENTS) if short < FRAGMENTS else 1.0


def enlarged(frame: Frame, factor: float) -> Frame:
    """Bilinear with half-pixel centres in units of the factor itself, on levels / 255, truncated to levels."""
    step = np.float32(1 / factor)
    size = (int(frame.shape[0] * factor), int(frame.shape[1] * factor))
    levels = frame.astype(np.float32) / np.float32(255)
    return np.asarray(_bilinear(levels, size, (step, step)) * np.float32(255)).astype(np.uint8)


def fragment_starts(height: int, width: int, clips: int, draw: Draw) -> tuple[Numbers, Numbers]:
    """First row and first column of each cell, both ``[7, 7, clips]``; all rows are drawn before the columns.

    Videos smaller than the grid are cut by their own size although they are enlarged first, as in the released code:
    only the upper left part of the enlarged frame is seen.
    """
    cell = np.arange(GRID)[:, None, None]
    starts = []
    for size, place in ((height, cell), (width, cell.transpose(1, 0, 2))):
        part = size // GRID
        drawn = draw(part - CELL, (GRID, GRID, clips)) if part > CELL else np.zeros((GRID, GRID, clips), np.int64)
        starts.append(np.maximum(np.minimum(part * place, size - CELL), 0) + drawn)
    return starts[0], starts[1]


def fragments(frame: Frame, rows: Numbers, columns: Numbers) -> Frame:
    """A 7x7 mosaic of 32x32 pixels at native resolution, ``[224, 224, 3]``, from starts ``[7, 7]``."""
    height, width = frame.shape[:2]
    factor = enlargement(height, width)
    if factor > 1:
        # Cells lie within the first `height` rows and `width` columns of what results: no more is enlarged.
        seen = [int(max(size, CELL) / factor) + 2 for size in (height, width)]
        frame = enlarged(frame[: seen[0], : seen[1]], factor)
    mosaic = np.empty((FRAGMENTS, FRAGMENTS, 3), np.uint8)
    for i in range(GRID):
        for j in range(GRID):
            top, left = rows[i, j], columns[i, j]
            mosaic[i * CELL : (i + 1) * CELL, j * CELL : (j + 1) * CELL] = frame[top : top + CELL, left : left + CELL]
    return mosaic


def whole(frame: Frame) -> Frame:
    """The frame at 224x224, each axis by itself, bilinear, rounded.

    Without antialiasing, as in the version of torchvision that DOVER was released for; later versions default to it.
    """
    steps = (np.float32(frame.shape[0]) / np.float32(FRAGMENTS), np.float32(frame.shape[1]) / np.float32(FRAGMENTS))
    return np.asarray(_bilinear(frame, (FRAGMENTS, FRAGMENTS), steps).round().astype(np.uint8))


def key_picture(frame: Frame) -> Frame:
    """The frame with a short side of 384 (OpenCV, bilinear), its centre of 384x384."""
    import cv2

    height, width = frame.shape[:2]
    ratio = KEY_SIDE / min(height, width)
    size = (KEY_SIDE, int(ratio * height)) if width <= height else (int(ratio * width), KEY_SIDE)
    # int() may fall one pixel short of a square's own side.
    size = (max(size[0], KEY_SIDE), max(size[1], KEY_SIDE))
    scaled = cv2.resize(frame, size)
    top, left = round((scaled.shape[0] - KEY_SIDE) / 2), round((scaled.shape[1] - KEY_SIDE) / 2)
    return np.asarray(scaled[top : top + KEY_SIDE, left : left + KEY_SIDE], np.uint8)


def _resized(frame: Frame, side: int, kernel: str) -> Frame:
    """Pillow's resize to a square of ``side`` pixels; ``kernel`` is one of `PIL.Image.Resampling`."""
    height, width = frame.shape[:2]
    if height > width:  # Pillow 13 shortens the columns of some tall pictures first, and rounds to levels in between
        from PIL import Image

        return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling[kernel]), np.uint8)
    return _narrowed((frame[top : top + STRIP] for top in range(0, height, STRIP)), side, kernel)


def _narrowed(strips: Iterable[Frame], side: int, kernel: str) -> Frame:
    """Pillow's resize of a picture that comes some rows at a time.

    Pillow rounds to levels between its passes along rows and columns, so rows may be narrowed strip by strip: no copy of
    the native size, of four bytes a pixel, is made.
    """
    from PIL import Image

    how = Image.Resampling[kernel]
    narrow = [np.asarray(Image.fromarray(strip).resize((side, len(strip)), how), np.uint8) for strip in strips]
    return np.asarray(Image.fromarray(np.concatenate(narrow)).resize((side, side), how), np.uint8)


def motion_picture(frame: Frame) -> Frame:
    """The frame at 224x224, aspect ratio not kept (Pillow, bilinear with antialiasing)."""
    return _resized(frame, MOTION_SIDE, "BILINEAR")


def student_picture(frame: Frame) -> Frame:
    """The frame at 384x384, aspect ratio not kept (Pillow, bicubic)."""
    return _resized(frame, KEY_SIDE, "BICUBIC")


def square_strips(frame: Frame) -> Iterator[Frame]:
    """The frame in the middle of a square of its long side, the rest in the mean colour, some rows at a time."""
    height, width = frame.shape[:2]
    side = max(height, width)
    above, left = (side - height) // 2, (side - width) // 2
    for top in range(0, side, STRIP):
        strip = np.empty((min(STRIP, side - top), side, 3), np.uint8)
        strip[:] = SQUARE_COLOUR
        seen = frame[max(top - above, 0) : max(top - above + STRIP, 0)]
        start = max(above - top, 0)
        strip[start : start + len(seen), left : left + width] = seen
        yield strip


def square_picture(frame: Frame) -> Frame:
    """The frame in the middle of a square in the mean colour, at 448x448 (Pillow, bicubic)."""
    return _narrowed(square_strips(frame), SQUARE_SIDE, "BICUBIC")


# ---- the views


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
    return _picture_view(segment_clips(clip.frames, CLIP, 1, 2, draw), FRAGMENTS, whole)


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


class Gatherer:
    """Makes the pictures of views while frames pass by in order.

    Args:
        views: Plans by name.
        put: Called with a view's name, the places of a picture in it, and the picture; without it they are kept in
            `pictures`, one array ``[n, h, w, 3]`` a view.
    """

    def __init__(self, views: Mapping[str, View], put: Callable[[str, list[int], Frame], None] | None = None) -> None:
        self.views = dict(views)
        self.pictures: dict[str, Frame] = {}
        if put is None:
            self.pictures = {
                name: np.empty((len(view.frames), *view.size, 3), np.uint8) for name, view in views.items()
            }
        self._put = put or self._keep
        self._places: dict[int, dict[tuple[str, int], list[int]]] = {}
        for name, view in views.items():
            for place, (number, group) in enumerate(zip(view.frames.tolist(), view.groups.tolist(), strict=True)):
                self._places.setdefault(number, {}).setdefault((name, group), []).append(place)

    @property
    def needed(self) -> list[int]:
        """Numbers of the native frames that any view wants, ascending."""
        return sorted(self._places)

    def add(self, number: int, frame: Frame) -> None:
        """Make every picture of native frame ``number``; one that no view wants costs nothing."""
        for (name, group), places in self._places.get(number, {}).items():
            self._put(name, places, self.views[name].cut(group, frame))

    def _keep(self, name: str, places: list[int], picture: Frame) -> None:
        self.pictures[name][places] = picture


def plan(names: Iterable[str], clip: Clip, key: str) -> dict[str, View]:
    """The named views of a clip; offsets are drawn for each view from the video's id ``key``.

    A view's offsets do not depend on which other views are asked for.
    """
    return {name: VIEWS[name](clip, seeded(f"{key}:{name}")) for name in names}


def gather(frames: Any, views: Mapping[str, View]) -> dict[str, Frame]:
    """Pictures ``[n, h, w, 3]`` of all views from native frames ``[N, H, W, 3]`` that are in memory already."""
    gatherer = Gatherer(views)
    for number in gatherer.needed:
        gatherer.add(number, frames[number])
    return gatherer.pictures
