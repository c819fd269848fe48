"""Natural scene statistics of patches, and how far those of a frame are from those of pristine photographs.

Source: Mittal, Soundararajan, Bovik, "Making a completely blind image quality analyzer", IEEE Signal Processing
Letters 20(3), 2013 (NIQE).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainers.scenes.nss import Values, fit_aggd, sums, window_moments
from trainers.scenes.planes import Plane, half, limit_short_side, luma, pad_to

PATCH = 96  # pixels, as published
STATISTICS = 36  # of a patch
SHORT_SIDE = 540


def patch_features(plane: Plane) -> tuple[Values, Values]:
    """NSS features of all whole patches of a plane.

    Args:
        plane: Luma 0..255 `[H, W]`, both sides at least `PATCH`.

    Returns:
        Features `[patches, 36]` (18 at full and 18 at half size) and the mean local deviation `[patches]`.
    """
    rows, columns = plane.shape[0] // PATCH, plane.shape[1] // PATCH
    top, left = (plane.shape[0] - rows * PATCH) // 2, (plane.shape[1] - columns * PATCH) // 2
    plane = plane[top : top + rows * PATCH, left : left + columns * PATCH]
    scales: list[Values] = []
    sharpness: Values = np.zeros(rows * columns)
    for size in (PATCH, PATCH // 2):
        mean, deviation = window_moments(plane, cv2.BORDER_REPLICATE)
        mscn = (plane - mean) / (deviation + 1)
        if size == PATCH:
            sharpness = sums(_blocks(deviation, size), (1, 3)).ravel() / size**2
        scales.append(_scale_features(mscn, size))
        plane = half(plane)
    return np.concatenate(scales, axis=1), sharpness


def _scale_features(mscn: Plane, size: int) -> Values:
    """The 18 features of one scale, `[patches, 18]`."""
    centre = fit_aggd(_blocks(mscn, size), (1, 3))
    columns = [centre.alpha, (centre.left + centre.right) / 2 * centre.spread]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        product = mscn * np.roll(mscn, shift, axis=(0, 1))
        pair = fit_aggd(_blocks(product, size), (1, 3))
        columns += [pair.alpha, pair.mean, pair.left * pair.spread, pair.right * pair.spread]
    return np.stack([column.ravel() for column in columns], axis=1)


def _blocks(plane: Plane, size: int) -> NDArray[np.float32]:
    return plane.reshape(plane.shape[0] // size, size, plane.shape[1] // size, size)


def distance(rgb: NDArray[np.uint8], mean: Values, covariance: Values) -> float:
    """Mahalanobis-like distance of a frame from a pristine model; 0 is natural.

    A frame whose short side is above 540 pixels is scaled down by area to 540, the usual size of the benchmarks, which also
    bounds the cost; one below 96 pixels is extended by reflection to one patch.

    Args:
        rgb: Frame, uint8 `[H, W, 3]`.
        mean: Of the statistics of pristine patches `[36]`.
        covariance: Of these `[36, 36]`.
    """
    plane = pad_to(luma(limit_short_side(rgb, SHORT_SIDE)), PATCH, PATCH)
    features, _ = patch_features(plane)
    gap = features.mean(axis=0) - mean
    spread = np.cov(features, rowvar=False) if len(features) > 1 else np.zeros_like(covariance)
    inverse = np.linalg.pinv((covariance + spread) / 2, hermitian=True)
    return float(np.sqrt(max(0.0, gap @ inverse @ gap)))
