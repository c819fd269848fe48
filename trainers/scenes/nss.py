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
    mean = np.asarray(cv2.GaussianBlur(plane, (7, 7), 7 / 6, borderType=border), np.float32)
    variance = np.asarray(cv2.GaussianBlur(plane * plane, (7, 7), 7 / 6, borderType=border), np.float32)
    variance -= mean * mean
    return mean, np.sqrt(np.abs(variance, out=variance), out=variance)


def pair_products(mscn: Plane) -> tuple[Plane, Plane, Plane, Plane]:
    """Products of neighbours along the horizontal, vertical, main and secondary diagonal directions."""
    return (
        mscn[:, :-1] * mscn[:, 1:],
        mscn[:-1] * mscn[1:],
        mscn[:-1, :-1] * mscn[1:, 1:],
        mscn[1:, :-1] * mscn[:-1, 1:],
    )


def sums(values: NDArray[np.floating], axes: tuple[int, ...]) -> Values:
    """Sums over `axes`, the last of which is the array's last.

    Each line along it is added in the numbers' own precision, the lines in double precision. Lines are short and `einsum` keeps
    several partial sums of each, so hardly anything is lost, and no second array is made.
    """
    return _sum_of_lines(np.einsum("...i->...", values), axes)


def fit_aggd(blocks: NDArray[np.floating], axes: tuple[int, ...]) -> Aggd:
    """Fit an AGGD by moment matching over `axes`, the last of which is the array's last.

    Flat blocks get the smallest shape and zero spread.
    """
    negative = np.minimum(blocks, 0)
    total = _sum_of_lines(np.einsum("...i,...i->...", blocks, blocks), axes)
    left_total = _sum_of_lines(np.einsum("...i,...i->...", negative, negative), axes)
    left_count = _sum_of_lines(_count_of_lines(blocks < 0), axes)
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


def _sum_of_lines(lines: NDArray[np.number], axes: tuple[int, ...]) -> Values:
    """What is left to sum when each line along the last of `axes` has become one number."""
    return np.asarray(lines.sum(axis=axes[:-1], dtype=np.float64), np.float64)


def _count_of_lines(mask: NDArray[np.bool_]) -> NDArray[np.number]:
    """How many are true in each line along the last axis; OpenCV counts bytes faster than NumPy adds truth values."""
    lines = mask.reshape(-1, mask.shape[-1]).view(np.uint8)
    return np.asarray(cv2.reduce(lines, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)).reshape(mask.shape[:-1])
