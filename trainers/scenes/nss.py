"""Natural scene statistics: MSCN coefficients and generalised Gaussian fits.

Sources: Mittal, Moorthy, Bovik, "No-reference image quality assessment in the spatial domain", IEEE TIP 2012;
Lasmar, Stitou, Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis", ICIP 2009 (moment matching).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from trainers.scenes.planes import Plane

Values = NDArray[np.float64]

_ALPHA = np.arange(0.2, 10.0, 0.001)
# rho(alpha) = Gamma(2/a)^2 / (Gamma(1/a) Gamma(3/a)), monotone in alpha, so moment matching is a table look-up.
_RHO = np.array([math.exp(2 * math.lgamma(2 / a) - math.lgamma(1 / a) - math.lgamma(3 / a)) for a in _ALPHA])
_SPREAD = np.array([math.exp(0.5 * (math.lgamma(1 / a) - math.lgamma(3 / a))) for a in _ALPHA])
_OFFSET = np.array([math.exp(math.lgamma(2 / a) - math.lgamma(1 / a)) for a in _ALPHA])
_FLAT = 1e-12


class Aggd(NamedTuple):
    """Asymmetric generalised Gaussian fits, one per block.

    Attributes:
        alpha: Shape.
        left: Standard deviation of the negative values.
        right: Standard deviation of the positive values.
        spread: sqrt(Gamma(1/alpha) / Gamma(3/alpha)), so that beta = std * spread.
        mean: Mean of the distribution.
    """

    alpha: Values
    left: Values
    right: Values
    spread: Values
    mean: Values


def window_moments(plane: Plane, border: int) -> tuple[Plane, Plane]:
    """Local mean and standard deviation under the 7x7 Gaussian window of sigma 7/6."""
    mean = cv2.GaussianBlur(plane, (7, 7), 7 / 6, borderType=border)
    square = cv2.GaussianBlur(plane * plane, (7, 7), 7 / 6, borderType=border)
    return np.asarray(mean, np.float32), np.asarray(np.sqrt(np.abs(square - mean * mean)), np.float32)


def pair_products(mscn: Plane) -> tuple[Plane, Plane, Plane, Plane]:
    """Products of neighbours along the horizontal, vertical, main and secondary diagonal directions."""
    return (
        mscn[:, :-1] * mscn[:, 1:],
        mscn[:-1] * mscn[1:],
        mscn[:-1, :-1] * mscn[1:, 1:],
        mscn[1:, :-1] * mscn[:-1, 1:],
    )


def sums(values: NDArray[np.floating], axes: tuple[int, ...]) -> Values:
    """Sums over `axes`: of each line along the last of them in the numbers' own precision, of the lines in double precision.

    NumPy adds a line pairwise, so hardly anything is lost, and several times faster than when every number is converted first.
    """
    return np.asarray(values.sum(axis=axes[-1]).sum(axis=axes[:-1], dtype=np.float64), np.float64)


def fit_aggd(blocks: NDArray[np.floating], axes: tuple[int, ...]) -> Aggd:
    """Fit an AGGD by moment matching over `axes`; flat blocks get the smallest shape and zero spread."""
    negative = np.minimum(blocks, 0)
    total = sums(blocks * blocks, axes)
    left_total = sums(negative * negative, axes)
    left_count = sums((blocks < 0).astype(blocks.dtype), axes)
    count = math.prod(blocks.shape[axis] for axis in axes)
    left = np.sqrt(left_total / np.maximum(left_count, 1))
    right = np.sqrt((total - left_total).clip(min=0) / np.maximum(count - left_count, 1))
    magnitude = (sums(blocks, axes) - 2 * sums(negative, axes)) / count
    ratio = magnitude**2 / np.maximum(total / count, _FLAT)
    skew = left / np.maximum(right, _FLAT)
    # For large skew the correction tends to 1; clip it there so that no power overflows.
    skew = np.minimum(skew, 1e6)
    rho = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    alpha = np.interp(rho, _RHO, _ALPHA)
    mean = (right - left) * np.interp(alpha, _ALPHA, _SPREAD) * np.interp(alpha, _ALPHA, _OFFSET)
    return Aggd(alpha, left, right, np.interp(alpha, _ALPHA, _SPREAD), mean)
