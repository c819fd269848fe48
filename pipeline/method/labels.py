"""Five comparison labels: from ensemble statistics, one teacher's scores, and distortion levels (CVPR 2026, section 4.1.2).

A label compares the *second* video of a pair with the first, so the difference is second minus first. Labels are
integers, 0 for the worst: inferior, worse, similar, better, superior (the words: `trainers.levels`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

LEVELS = 5
SIMILAR = 2
SIGMA_FLOOR = 1e-3  # score units; without it, two identical videos (difference 0, spread 0) would be "inferior"


def ensemble_labels(
    mean_first: ArrayLike,
    var_first: ArrayLike,
    mean_second: ArrayLike,
    var_second: ArrayLike,
    floor: float = SIGMA_FLOOR,
) -> tuple[Labels, Floats, Floats]:
    """Labels of pairs from means and variances over the teachers.

    With delta = mean_second - mean_first and sigma = max(sqrt(var_first + var_second), floor):
    superior: delta > 2 sigma; better: sigma < delta <= 2 sigma; similar: -sigma < delta <= sigma;
    worse: -2 sigma < delta <= -sigma; inferior: delta <= -2 sigma.

    Args:
        mean_first: Means of the first videos `[P]`.
        var_first: Variances of the first videos `[P]`.
        mean_second: Means of the second videos `[P]`.
        var_second: Variances of the second videos `[P]`.
        floor: Smallest sigma, score units.

    Returns:
        Labels, differences delta, and standard deviations sigma, each `[P]`.

    Raises:
        ValueError: A number is not finite, a variance is negative, or the floor is not positive.
    """
    means = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (mean_first, mean_second)))
    variances = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (var_first, var_second)))
    if not all(np.isfinite(values).all() for values in (*means, *variances)):
        raise ValueError("labels need finite means and variances; leave out videos without an ensemble score")
    if any((values < 0).any() for values in variances):
        raise ValueError("a variance over the teachers is negative")
    if not floor > 0:
        raise ValueError(f"the floor of sigma must be positive, not {floor}")
    delta = np.asarray(means[1] - means[0], dtype=np.float64)
    sigma = np.asarray(np.maximum(np.sqrt(variances[0] + variances[1]), floor), dtype=np.float64)
    # Each threshold that delta exceeds lifts the label by one level; all five inequalities are strict on the left.
    labels = sum((delta > k * sigma).astype(np.int64) for k in (-2, -1, 1, 2))
    return np.asarray(labels, dtype=np.int64), delta, sigma


def level_labels(first: ArrayLike, second: ArrayLike, low: float, high: float) -> tuple[Labels, Floats]:
    """Labels of pairs from the scores of one teacher, which has no variance to compare a difference with.

    Its range is split into five levels of equal width, as where one model labels single videos (arXiv v3, section 3). Videos of
    one level are similar; one level apart: better or worse; more: superior or inferior.

    Args:
        first: Scores of the first videos `[P]`, higher is better.
        second: Scores of the second videos `[P]`.
        low: Lower end of the teacher's range.
        high: Upper end; scores beyond an end belong to the level there.

    Returns:
        Labels and differences, each `[P]`.

    Raises:
        ValueError: A number is not finite, or the range is empty.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.isfinite([low, high]).all()):
        raise ValueError("labels need finite scores; leave out videos without one")
    if not high > low:
        raise ValueError(f"the teacher's range from {low} to {high} is empty: it rates all videos equal")
    places = [np.clip(np.floor((values - low) / (high - low) * LEVELS), 0, LEVELS - 1) for values in (a, b)]
    gap = (places[1] - places[0]).astype(np.int64)
    return np.asarray(SIMILAR + np.clip(gap, -2, 2), dtype=np.int64), np.asarray(b - a, dtype=np.float64)


def severity_labels(level_first: ArrayLike, level_second: ArrayLike) -> Labels:
    """Labels `[P]` of two copies of one source with the same distortion at different levels (higher level = worse).

    One level apart: better or worse; more: superior or inferior; "similar" never occurs.

    Args:
        level_first: Levels of the first copies `[P]`.
        level_second: Levels of the second copies `[P]`.

    Raises:
        ValueError: Both levels of a pair are equal, so it is the same file twice.
    """
    gap = np.asarray(level_first, dtype=np.int64) - np.asarray(level_second, dtype=np.int64)
    if (gap == 0).any():
        raise ValueError("a synthetic pair has the same level twice; pair two different levels")
    return np.asarray(SIMILAR + np.clip(gap, -2, 2), dtype=np.int64)
