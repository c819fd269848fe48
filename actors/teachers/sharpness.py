"""Sharpness: log energy of wavelet detail at three scales, pooled over the sharpest blocks.

Source: Vu and Chandler, "A fast wavelet-based algorithm for global and local image sharpness estimation" (FISH and
its block-based form), IEEE Signal Processing Letters 19(7), 2012. Noise is subtracted before the logarithm, which the
source does not do.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.teachers.base import FrameTeacher
from trainers.scenes.nss import Values
from trainers.scenes.planes import Plane, centre_crop, luma, pad_to

LEVELS = 3
DIAGONAL = 0.8  # weight of the diagonal band, as published
BLOCK = 16  # pixels of the frame per block of the sharpness map
FLAT_SHARE = 0.05  # share of the flattest blocks, whose detail counts as noise
NOISE_MARGIN = 2.0
TOP = 0.01  # share of the sharpest blocks that are pooled
MINIMUM = 64
MAX_HEIGHT, MAX_WIDTH = 1088, 1920

# Analysis filters of the Cohen-Daubechies-Feauveau 9/7 wavelet (JPEG 2000), unit gain at zero frequency.
_LOW_HALF = [0.026748757411, -0.016864118443, -0.078223266529, 0.266864118443]
_LOW = np.array([*_LOW_HALF, 0.602949018236, *reversed(_LOW_HALF)], np.float32)
_HIGH = np.array(
    [0.091271763114, -0.057543526229, -0.591271763114, 1.11508705, -0.591271763114, -0.057543526229, 0.091271763114],
    np.float32,
)


def detail_bands(plane: Plane) -> tuple[Plane, list[Plane]]:
    """One level of the wavelet transform: the approximation and the LH, HL and HH bands, each of half size."""

    def filtered(horizontal: Plane, vertical: Plane) -> Plane:
        band = cv2.sepFilter2D(plane, cv2.CV_32F, horizontal, vertical, borderType=cv2.BORDER_REFLECT_101)
        return np.ascontiguousarray(band[::2, ::2], dtype=np.float32)

    return filtered(_LOW, _LOW), [filtered(_LOW, _HIGH), filtered(_HIGH, _LOW), filtered(_HIGH, _HIGH)]


def sharpness_map(plane: Plane) -> Values:
    """Sharpness of every 16x16 block of a plane whose sides are multiples of 16, `[H / 16, W / 16]`."""
    total: Values = np.zeros((plane.shape[0] // BLOCK, plane.shape[1] // BLOCK))
    for level in range(1, LEVELS + 1):
        plane, bands = detail_bands(plane)
        size = BLOCK >> level
        energies = [_block_log_energy(band, size) for band in bands]
        total += 2.0 ** (LEVELS - level) * ((1 - DIAGONAL) * (energies[0] + energies[1]) / 2 + DIAGONAL * energies[2])
    return total


def _block_log_energy(band: Plane, size: int) -> Values:
    rows, columns = band.shape[0] // size, band.shape[1] // size
    squares = (band * band).reshape(rows, size, columns, size)
    energy = squares.mean(axis=(1, 3), dtype=np.float64)
    # The energy of the flattest blocks is noise; twice that covers the scatter between blocks.
    floor = np.quantile(energy, FLAT_SHARE)
    return np.asarray(np.log10(1 + np.clip(energy - NOISE_MARGIN * floor, 0, None)))


class Sharpness(FrameTeacher):
    """Block-based FISH at native resolution: the root mean square of the sharpest 1 % of the blocks.

    Of frames above 1920x1088 only the centre is used. Unlike in the published model, the energy of the flattest blocks is
    subtracted as noise before the logarithm, because noise would otherwise count as sharpness.
    """

    name = "sharpness"
    title = "FISH, wavelet sharpness"
    description = "Weighted log energies of CDF 9/7 detail bands at three scales (Vu and Chandler, 2012)"
    range = (0.0, 40.0)
    higher_is_better = True
    licence = "Apache-2.0 (own implementation)"
    parameters = 0
    weights = "none"

    def settings(self) -> Mapping[str, float | int | str]:
        """Constants of the wavelet pooling and the size of the area."""
        return {
            "levels": LEVELS,
            "diagonal": DIAGONAL,
            "block": BLOCK,
            "flat_share": FLAT_SHARE,
            "noise_margin": NOISE_MARGIN,
            "top": TOP,
            "minimum": MINIMUM,
            "max_height": MAX_HEIGHT,
            "max_width": MAX_WIDTH,
        }

    def score_frame(self, rgb: NDArray[np.uint8]) -> float:
        """Root mean square of the sharpest blocks of one frame."""
        plane = pad_to(luma(centre_crop(rgb, MAX_HEIGHT, MAX_WIDTH)), MINIMUM, MINIMUM)
        plane = plane[: plane.shape[0] // BLOCK * BLOCK, : plane.shape[1] // BLOCK * BLOCK]
        blocks = np.sort(sharpness_map(plane), axis=None)
        top = blocks[-max(1, round(TOP * blocks.size)) :]
        return float(np.sqrt(np.mean(top**2)))
