"""Exposure and contrast: global contrast factor weighted by how well the frame is exposed.

Sources: Matkovic et al., "Global contrast factor - a new approach to image contrast", Computational Aesthetics 2005;
well-exposedness weight of Mertens, Kautz, Van Reeth, "Exposure fusion", Pacific Graphics 2007.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.teachers.base import FrameTeacher
from actors.teachers.planes import Plane, limit_short_side, luma, pad_to

SHORT_SIDE = 540
SCALES = (1, 2, 4, 8, 16, 25, 50, 100, 200)  # superpixel sizes, as published
GAMMA = 2.2
EXPOSED_SPREAD = 0.2  # around mid grey, as published
FLAT_BLOCK, FLAT_BLOCKS = 8, 100  # superpixels a side; fewest blocks from which noise is estimated
FLAT_SHARE = 0.05
MINIMUM = 8


def contrast_factor(plane: Plane) -> float:
    """Global contrast factor of luma 0..255: weighted mean local contrast of perceptual luminance over the scales."""
    linear = (plane / np.float32(255)) ** np.float32(GAMMA)
    total = 0.0
    for index, scale in enumerate(SCALES, start=1):
        height, width = plane.shape[0] // scale, plane.shape[1] // scale
        if min(height, width) < 2:
            break
        superpixels = cv2.resize(linear, (width, height), interpolation=cv2.INTER_AREA) if scale > 1 else linear
        lightness = 100 * np.sqrt(np.asarray(superpixels, np.float32))
        rows = _mean_beyond_noise(np.abs(np.diff(lightness, axis=0)))
        columns = _mean_beyond_noise(np.abs(np.diff(lightness, axis=1)))
        weight = (-0.406385 * index / 9 + 0.334573) * index / 9 + 0.0877526
        total += weight * (rows + columns) / 2
    return total


def _mean_beyond_noise(steps: Plane) -> float:
    """Mean step beyond that of the flattest blocks of 8x8 superpixels, which is taken for noise."""
    mean = float(steps.mean(dtype=np.float64))
    rows, columns = steps.shape[0] // FLAT_BLOCK, steps.shape[1] // FLAT_BLOCK
    # With few blocks the flattest one says nothing about noise.
    if rows * columns < FLAT_BLOCKS:
        return mean
    blocks = steps[: rows * FLAT_BLOCK, : columns * FLAT_BLOCK].reshape(rows, FLAT_BLOCK, columns, FLAT_BLOCK)
    floor = float(np.quantile(blocks.mean(axis=(1, 3), dtype=np.float64), FLAT_SHARE))
    return max(0.0, mean - floor)


def well_exposedness(plane: Plane) -> float:
    """Mean Gaussian weight of luma around mid grey, 0 to 1: clipped shadows and lights count next to nothing."""
    offset = plane / np.float32(255) - np.float32(0.5)
    return float(np.exp(-(offset**2) / np.float32(2 * EXPOSED_SPREAD**2)).mean(dtype=np.float64))


class Exposure(FrameTeacher):
    """Contrast at nine scales times the square root of well-exposedness.

    Frames with a short side above 540 pixels are scaled down by area to 540, so that one superpixel covers about the
    same part of the picture in every video.
    """

    name = "exposure"
    title = "Exposure and multi-scale contrast"
    description = "Global contrast factor (Matkovic 2005) times sqrt of well-exposedness (Mertens 2007)"
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
            "flat_share": FLAT_SHARE,
        }

    def score_frame(self, rgb: NDArray[np.uint8]) -> float:
        """Contrast factor times the square root of well-exposedness."""
        plane = pad_to(luma(limit_short_side(rgb, SHORT_SIDE)), MINIMUM, MINIMUM)
        return contrast_factor(plane) * float(np.sqrt(well_exposedness(plane)))
