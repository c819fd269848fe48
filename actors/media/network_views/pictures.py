"""How a whole frame becomes a small picture: the resizing of each released script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from .clip import Frame
from .interpolation import bilinear

WHOLE_SIDE = 224
KEY_SIDE = 384
MOTION_SIDE = 224
SQUARE_SIDE = 448
SQUARE_COLOUR = (122, 116, 104)
STRIP = 128  # rows of a frame that Pillow is given at once


def whole(frame: Frame) -> Frame:
    """The frame at 224x224, each axis by itself, bilinear, rounded.

    Without antialiasing, as in the version of torchvision that DOVER was released for; later versions default to it.
    """
    steps = (np.float32(frame.shape[0]) / np.float32(WHOLE_SIDE), np.float32(frame.shape[1]) / np.float32(WHOLE_SIDE))
    return np.asarray(bilinear(frame, (WHOLE_SIDE, WHOLE_SIDE), steps).round().astype(np.uint8))


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
    """The resize of Pillow 11 and 12 to a square of ``side`` pixels; ``kernel`` is one of `PIL.Image.Resampling`."""
    return _narrowed((frame[top : top + STRIP] for top in range(0, len(frame), STRIP)), side, kernel)


def _narrowed(strips: Iterable[Frame], side: int, kernel: str) -> Frame:
    """The same of a picture that comes some rows at a time: all rows are narrowed first, then the columns shortened.

    Pillow rounds to levels between the two passes, so their order counts. Versions 11 and 12, which the released weights
    were trained with, take the rows first for every shape; version 13 takes the columns of some tall pictures first. Each
    pass is therefore a call of its own. Rows may be narrowed strip by strip: no copy of the native size is made.
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
        part = frame[max(top - above, 0) : max(top - above + STRIP, 0)]
        start = max(above - top, 0)
        strip[start : start + len(part), left : left + width] = part
        yield strip


def square_picture(frame: Frame) -> Frame:
    """The frame in the middle of a square in the mean colour, at 448x448 (Pillow, bicubic)."""
    return _narrowed(square_strips(frame), SQUARE_SIDE, "BICUBIC")
