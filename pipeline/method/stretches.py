"""Where a curve of scores stays low: its worst stretches."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

MOST = 3
LEAST_DEPTH = 1.0  # points of 100: a dip that is shallower is none
LEAST_RATIO = 2.0  # of the curve's usual distance from its median


def worst_stretches(scores: ArrayLike, most: int = MOST) -> list[tuple[int, int]]:
    """The deepest dips of a curve below its median, worst first, as (first, end) of its points.

    A stretch is the lowest point that is left, and its neighbours for as long as they lie nearer to it than to the median.
    It counts if the lowest point lies at least `LEAST_DEPTH` and `LEAST_RATIO` median absolute deviations below the median.

    Args:
        scores: Of points that follow each other, `[N]`; NaN where there is none, which ends a stretch.
        most: How many stretches at most.
    """
    values = np.asarray(scores, np.float64)
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return []
    middle = float(np.median(known))
    depth = max(LEAST_DEPTH, LEAST_RATIO * float(np.median(np.abs(known - middle))))
    left = values.copy()
    found: list[tuple[int, int]] = []
    while len(found) < most and np.isfinite(left).any():
        lowest = int(np.nanargmin(left))
        if middle - left[lowest] < depth:
            break
        border = (left[lowest] + middle) / 2
        first, end = lowest, lowest + 1
        while first > 0 and left[first - 1] < border:
            first -= 1
        while end < len(left) and left[end] < border:
            end += 1
        found.append((first, end))
        # the slopes that lead out of a dip are no dips of their own
        low, high = first, end
        while low > 0 and left[low] <= left[low - 1] < middle:
            low -= 1
        while high < len(left) and left[high - 1] <= left[high] < middle:
            high += 1
        left[low:high] = np.nan
    return found
