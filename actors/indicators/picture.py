"""Indicators of the picture as a whole: contrast, luminance, colourfulness and spatial information.

NumPy reduces floating-point planes: the last digits of OpenCV's results depend on the memory address of a plane.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.indicators.instant import Instant


def deviation(plane: NDArray[np.float32]) -> float:
    """Population standard deviation, in double precision."""
    return float(plane.std(dtype=np.float64))


def contrast(instant: Instant) -> float:
    """Standard deviation of luma, 0 to 127.5 (Peli 1990, as the paper uses it)."""
    return float(cv2.meanStdDev(instant.luma)[1][0, 0])


def luminance(instant: Instant) -> float:
    """Mean of R, G and B, 0 to 255."""
    return float(sum(cv2.mean(np.ascontiguousarray(instant.rgb))[:3])) / 3


def colourfulness(instant: Instant) -> float:
    """Hasler and Suesstrunk 2003, equation for the RGB opponent space; 0 for grey pictures."""
    red, green, blue = (np.asarray(plane, np.float32) for plane in cv2.split(np.ascontiguousarray(instant.rgb)))
    opponents = red - green, (red + green) / 2 - blue
    means = (float(plane.mean(dtype=np.float64)) for plane in opponents)
    return math.hypot(*map(deviation, opponents)) + 0.3 * math.hypot(*means)


def si(instant: Instant) -> float:
    """Spatial information of one frame: standard deviation of the Sobel magnitude without the border (ITU-T P.910)."""
    across, down = instant.gradients
    return deviation(np.sqrt(across * across + down * down))
