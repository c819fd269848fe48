"""How far the picture jumps to and fro from frame to frame.

A camera that pans or is carried goes on in its direction for many frames, and after a held picture it goes on in it too. A
picture that shakes from frame to frame turns back: only steps against the step before count.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

HALF = 2  # by which frames are shrunk before they are registered: their shifts stay exact to half a pixel
SURE = 0.4  # least height of the correlation's peak, 0 to 1: below, nothing moves as a whole
FLOOR = 0.05  # per cent of the shorter side


def shifts(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How far each frame of `luma` `[N, h, w]` is moved against the one before, `[N - 1, 2]` in per cent of the shorter side.

    By phase correlation (Kuglin and Hines 1975); zero where the frames do not show one picture that moves as a whole.
    """
    height, width = (max(side // HALF, 2) for side in luma.shape[1:])
    frames = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) for frame in luma]
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    found = np.zeros((len(frames) - 1, 2))
    for t in range(len(frames) - 1):
        moved, peak = cv2.phaseCorrelate(frames[t], frames[t + 1], window)
        if peak > SURE:
            found[t] = moved
    found *= 100 / min(width, height)
    return found


def shake(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Log of how far frames `[N, h, w]` jump back, `[1]`; that of no jump for stills."""
    back = 0.0
    if len(luma) > 2 and min(luma.shape[1:]) >= 2 * HALF:
        steps = shifts(luma)
        back = float(np.sqrt(np.maximum(-(steps[1:] * steps[:-1]).sum(axis=1), 0)).mean())
    return np.array([np.log(back + FLOOR)], np.float32)
