"""Differences of two models over several runs: the interval over the sources of each run, and over the runs themselves.

Two levels of resampling (Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section 3.8): runs (seeds) are drawn
with replacement, and within each the sources of its benchmark. A few runs say little about others, and the interval is then rough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.method.resampling import interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """A figure, or a difference of two, over S runs.

    Attributes:
        values: Of each run, `[S]`.
        mean: Of them.
        spread: Their standard deviation (ddof = 1); None for one run.
        low: Lower end of the 95 % interval of the mean; None where it is undefined.
        high: Upper end.
    """

    values: tuple[float, ...]
    mean: float
    spread: float | None
    low: float | None
    high: float | None

    @property
    def holds_zero(self) -> bool | None:
        """Whether the interval holds zero, so that the difference may be chance; None without an interval."""
        return None if self.low is None or self.high is None else self.low <= 0 <= self.high


def over_runs(resampled: Sequence[ArrayLike], seed: int) -> Floats:
    """Means over runs that are drawn with replacement, of their resampled values.

    Args:
        resampled: For each of S runs, its value in B resamples of its sources (`pipeline.method.resampling.resampled`).
        seed: Of the draws.

    Returns:
        `[B]`, NaN where a value that was drawn is undefined.
    """
    table = np.stack([np.asarray(values, np.float64) for values in resampled])
    runs, count = table.shape
    random = np.random.default_rng(seed)
    chosen = random.integers(runs, size=(count, runs))
    # Of a run that is drawn twice, two different resamples: the sources of every draw are drawn anew.
    which = random.integers(count, size=(count, runs))
    return np.asarray(table[chosen, which].mean(axis=1), np.float64)


def summary(values: Sequence[float], resampled: Sequence[ArrayLike], seed: int = 0) -> Summary:
    """A figure of S runs with its interval.

    Args:
        values: The figure of each run, or its difference between two models.
        resampled: The same in the resamples of each run, `[B]`; empty where there is none.
        seed: Of the draws of runs.
    """
    if not values:
        raise ValueError("a summary needs at least one run")
    ends = interval(over_runs(resampled, seed)) if resampled else None
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    low, high = ends if ends is not None else (None, None)
    return Summary(tuple(map(float, values)), float(np.mean(values)), spread, low, high)
