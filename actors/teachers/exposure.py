"""Exposure and contrast: global contrast factor weighted by how well the frame is exposed.

Sources: Matkovic et al., "Global contrast factor - a new approach to image contrast", Computational Aesthetics 2005;
well-exposedness weight of Mertens, Kautz, Van Reeth, "Exposure fusion", Pacific Graphics 2007.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.teachers.artefact import noise_deviation
from actors.teachers.base import FrameTeacher
from trainers.scenes.planes import Plane, limit_short_side, luma, pad_to

SHORT_SIDE = 540
SCALES = (1, 2, 4, 8, 16, 25, 50, 100, 200)  # superpixel sizes, as published
GAMMA = 2.2
EXPOSED_SPREAD = 0.2  # around mid grey, as published
NATURAL_NOISE = 5.0  # grey levels; fine texture measures about as much
NOISE_SCALE = 20.0  # additional grey levels of noise that cost a factor of e
MINIMUM = 8


# Luma has 256 levels, so that what is a function of one pixel is a table.
_LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)
_LINEAR = _LEVELS ** np.float32(GAMMA)
_WEIGHTS = np.exp(-((_LEVELS - np.float32(0.5)) ** 2) / np.float32(2 * EXPOSED_SPREAD**2)).astype(np.float64)


def contrast_factor(plane: Plane) -> float:
    """Global contrast factor of luma 0..255: weighted mean local contrast of perceptual luminance over the scales."""
    linear = cv2.LUT(plane.astype(np.uint8), _LINEAR)
    total = 0.0
    for index, scale in enumerate(SCALES, start=1):
        height, width = plane.shape[0] // scale, plane.shape[1] // scale
        if min(height, width) < 2:
            break
        superpixels = cv2.resize(linear, (width, height), interpolation=cv2.INTER_AREA) if scale > 1 else linear
        lightness = 100 * np.sqrt(np.asarray(superpixels, np.float32))
        rows = cv2.norm(lightness[1:], lightness[:-1], cv2.NORM_L1) / lightness[1:].size
        columns = cv2.norm(lightness[:, 1:], lightness[:, :-1], cv2.NORM_L1) / lightness[:, 1:].size
        weight = (-0.406385 * index / 9 + 0.334573) * index / 9 + 0.0877526
        total += weight * (rows + columns) / 2
    return total


def well_exposedness(plane: Plane) -> float:
    """Mean Gaussian weight of luma around mid grey, 0 to 1: clipped shadows and highlights count almost nothing."""
    counts = np.bincount(plane.astype(np.uint8).ravel(), minlength=256)
    return float(counts @ _WEIGHTS / plane.size)


class Exposure(FrameTeacher):
    """Contrast at nine scales times the square root of well-exposedness, lowered by strong noise.

    Noise would otherwise count as contrast, so noise above the level of fine texture lowers the score.

    Frames with a short side above 540 pixels are scaled down by area to 540, so that one superpixel covers about the
    same part of the picture in every video.
    """

    name = "exposure"
    title = "Exposure and multi-scale contrast"
    description = (
        "Global contrast factor (Matkovic 2005) times sqrt of well-exposedness (Mertens 2007), less for strong noise"
    )
    range = (0.0, 100.0)
    higher_is_better = True
    licence = "Apache-2.0 (own implementation)"
    parameters = 0
    weights = "none"

    def settings(self) -> Mapping[str, float | int | str]:
        """Constants of contrast and exposedness, and the working size."""
        return {
            "short_side": SHORT_SIDE,
            "gamma": GAMMA,
            "exposed_spread": EXPOSED_SPREAD,
            "minimum": MINIMUM,
            "natural_noise": NATURAL_NOISE,
            "noise_scale": NOISE_SCALE,
        }

    def score_frame(self, rgb: NDArray[np.uint8]) -> float:
        """Contrast factor times the square root of well-exposedness, less for noise."""
        plane = pad_to(luma(limit_short_side(rgb, SHORT_SIDE)), MINIMUM, MINIMUM)
        noise = max(0.0, noise_deviation(plane) - NATURAL_NOISE)
        return contrast_factor(plane) * math.sqrt(well_exposedness(plane)) * math.exp(-noise / NOISE_SCALE)
