"""Who is right about a pair of videos, by human scores: the verdict of gMAD (Ma et al. 2018), and intervals over videos.

The attacker says that one video is better, the defender that both are equal. Pairs share videos, so they are not drawn
one by one: videos are drawn, and a pair counts as often as both of its videos were (the vertex bootstrap of Snijders and
Borgatti, *Non-parametric standard errors and tests for network statistics*, Connections 22(2), 1999).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What human scores say of P pairs; where neither is right, the attacker has the order wrong.

    Attributes:
        gap: Human score of the video that the attacker prefers minus that of the other `[P]`.
        order: How far the attacker's order is right `[P]`: 1, 0, or one half for equal human scores.
        attacker: The gap is above the tolerance, so the attacker is right `[P]`.
        defender: The gap is within the tolerance on either side, so the defender is right `[P]`.
    """

    gap: Floats
    order: Floats
    attacker: Flags
    defender: Flags


def verdicts(high: ArrayLike, low: ArrayLike, human: ArrayLike, tolerance: float) -> Verdicts:
    """The verdict on each pair.

    Args:
        high: Indices of the videos that the attacker prefers `[P]`.
        low: Indices of the others `[P]`.
        human: Human scores of all videos `[V]`, higher is better.
        tolerance: Largest difference, in units of the human scores, of two videos that count as equal.

    Raises:
        ValueError: A human score is not finite, or the tolerance is negative.
    """
    scores = np.asarray(human, np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("a verdict needs a human score of every video; leave out videos without one")
    if not tolerance >= 0:
        raise ValueError(f"the tolerance must not be negative, and is {tolerance}")
    gap = scores[np.asarray(high, np.int64)] - scores[np.asarray(low, np.int64)]
    return Verdicts(gap, (np.sign(gap) + 1) / 2, gap > tolerance, np.abs(gap) <= tolerance)


def nearest(wanted: ArrayLike, offered: ArrayLike) -> Ints:
    """For each wanted number the place of the nearest offered one that is still free, the largest numbers choosing first.

    The largest are the rarest among random pairs, so they would find nothing near if the others chose before them.

    Args:
        wanted: Numbers `[P]`.
        offered: Numbers `[Q]`, Q >= P.

    Returns:
        Places in `offered` `[P]`, all different.

    Raises:
        ValueError: There are fewer offered than wanted numbers.
    """
    goals, values = np.asarray(wanted, np.float64), np.asarray(offered, np.float64)
    if goals.size > values.size:
        raise ValueError(f"{goals.size} numbers are wanted, and {values.size} offered")
    order = np.argsort(values, kind="stable")
    free = values[order].tolist()
    places = order.tolist()
    chosen = np.zeros(goals.size, np.int64)
    for k in np.argsort(-goals, kind="stable").tolist():
        right = bisect_left(free, goals[k])
        near = [place for place in (right - 1, right) if 0 <= place < len(free)]
        best = min(near, key=lambda place: abs(free[place] - goals[k]))
        chosen[k] = places.pop(best)
        free.pop(best)
    return chosen


def pair_means(values: ArrayLike, first: ArrayLike, second: ArrayLike, drawn: Ints) -> Floats:
    """Mean over pairs in each draw of the videos `[B]`, NaN where a draw has no pair.

    Args:
        values: One number for each pair `[P]`.
        first: Indices of one video of each pair `[P]`.
        second: Indices of the other `[P]`.
        drawn: Indices of the videos of each draw `[B, V]` (`pipeline.method.resampling.draws`).
    """
    number = np.asarray(values, np.float64)
    one, two = np.asarray(first, np.int64), np.asarray(second, np.int64)
    means = np.full(len(drawn), np.nan)
    for k, videos in enumerate(drawn):  # one draw at a time: all of them would hold a number for each draw and pair
        times = np.bincount(videos, minlength=drawn.shape[1])
        weight = times[one] * times[two]
        if weight.any():
            means[k] = weight @ number / weight.sum()
    return means
