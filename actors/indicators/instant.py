"""One second of a video for the indicators: a frame, the native frame after it, and planes that several of them need."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Plane = NDArray[np.float32]

# An indicator runs on the one core that its Ray actor reserved.
cv2.setNumThreads(1)


def luma(rgb: Frame) -> Frame:
    """BT.601 luma of a uint8 RGB frame `[H, W, 3]`, full range 0 to 255, rounded to uint8 `[H, W]`."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), np.uint8)


class Instant:
    """A frame and its successor, both uint8 RGB `[H, W, 3]`; derived planes are computed once."""

    def __init__(self, rgb: Frame, following: Frame) -> None:
        self.rgb = rgb
        self._following = following

    @cached_property
    def luma(self) -> Frame:
        """Luma of the frame, uint8 `[H, W]`."""
        return luma(self.rgb)

    @cached_property
    def next_luma(self) -> Frame:
        """Luma of the frame after it, uint8 `[H, W]`."""
        return self.luma if self._following is self.rgb else luma(self._following)

    @cached_property
    def gradients(self) -> tuple[Plane, Plane]:
        """Horizontal and vertical Sobel responses of the luma, float32 `[H-2, W-2]` each, borders left out.

        A frame of less than 3x3 pixels has one response, 0.
        """
        if min(self.luma.shape) < 3:
            return np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
        inside = (slice(1, -1), slice(1, -1))
        across = cv2.Sobel(self.luma, cv2.CV_32F, 1, 0)[inside]
        down = cv2.Sobel(self.luma, cv2.CV_32F, 0, 1)[inside]
        return np.asarray(across, np.float32), np.asarray(down, np.float32)
