"""Indicators of two artefacts: the grid that coding blocks leave, and noise."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.indicators.instant import Frame, Instant

BLOCK = 8
_LAPLACIAN_PAIR = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOTHING = 1e-2  # grey levels; makes the ratio 1 in a flat picture


def blockiness(instant: Instant) -> float:
    """Mean luma step inside 8x8 blocks over the mean step across their borders (Romaniak et al. 2012).

    Steps to the right and downwards count; the grid starts at the corner of the picture. Means replace the printed sums,
    so that a picture of any size without a grid has the value 1.
    """
    profiles = [_step_profile(plane) for plane in (instant.luma, instant.luma.T) if plane.shape[1] > BLOCK]
    if not profiles:
        return 1.0
    borders = [np.arange(1, profile.size + 1) % BLOCK == 0 for profile in profiles]
    inside = np.concatenate([profile[~border] for profile, border in zip(profiles, borders, strict=True)])
    across = np.concatenate([profile[border] for profile, border in zip(profiles, borders, strict=True)])
    return float((inside.mean() + _NOTHING) / (across.mean() + _NOTHING))


def _step_profile(plane: Frame) -> NDArray[np.float64]:
    """Mean |step| from each column to the next, `[W-1]`."""
    return np.asarray(cv2.absdiff(plane[:, 1:], plane[:, :-1]).mean(axis=0, dtype=np.float64))


def noise(instant: Instant) -> float:
    """Standard deviation of the noise in grey levels, from the difference of two Laplacians (Immerkaer 1996)."""
    if min(instant.luma.shape) < 3:
        return 0.0
    response = cv2.filter2D(instant.luma, cv2.CV_32F, _LAPLACIAN_PAIR)[1:-1, 1:-1]
    return math.sqrt(math.pi / 2) / 6 * float(cv2.norm(np.ascontiguousarray(response), cv2.NORM_L1)) / response.size
