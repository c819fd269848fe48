"""Indicators of what changes from a frame to the native frame after it: temporal information and flicker."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.indicators.instant import Frame, Instant
from actors.indicators.picture import deviation

BLOCK = 16
THRESHOLD = 10.0  # grey levels; the paper gives no T_f


def ti(instant: Instant) -> float:
    """Temporal information between a frame and the next: standard deviation of the difference (ITU-T P.910)."""
    return deviation(np.asarray(cv2.subtract(instant.next_luma, instant.luma, dtype=cv2.CV_32F), np.float32))


def flicker(instant: Instant) -> float:
    """Share of 16x16 macroblocks whose mean changes by more than `THRESHOLD`: blocks that were held and then updated."""
    change = np.abs(block_means(instant.next_luma) - block_means(instant.luma))
    return float(np.mean(change > THRESHOLD))


def block_means(plane: Frame) -> NDArray[np.float64]:
    """Mean of every block of 16x16 pixels; the last row and column of blocks may be smaller."""
    height, width = plane.shape
    rows, columns = np.arange(0, height, BLOCK), np.arange(0, width, BLOCK)
    sums = cv2.integral(plane)[np.r_[rows, height]][:, np.r_[columns, width]].astype(np.float64)
    sizes = np.outer(np.diff(np.r_[rows, height]), np.diff(np.r_[columns, width]))
    return np.asarray(np.diff(np.diff(sums, axis=0), axis=1) / sizes)
