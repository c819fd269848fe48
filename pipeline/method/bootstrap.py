"""How far a rank correlation would move with other videos: bootstrap intervals, and a paired comparison of two models.

Videos are drawn with replacement; two models that are compared see the same draws, so what is easy or hard for both
cancels. The draws are seeded. Intervals are percentile intervals. A draw in which all scores or all labels are the same has no
correlation; where many are like that, the others are no fair sample, and there is no interval (`resampling.MIN_DEFINED`). Copies
of sources are another matter: `resampling`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import DegenerateDataWarning, bootstrap, rankdata

from pipeline.method.logistic import constant_along, is_constant
from pipeline.method.metrics import MetricError
from pipeline.method.resampling import MIN_DEFINED, RESAMPLES, SHARE, interval
from pipeline.method.thurstone import Floats

LEAST = 10  # videos; with fewer the draws are mostly repeats
_BATCH = 32  # draws at once, each of three vectors of the benchmark's length


@dataclass(frozen=True)
class Interval:
    """Ends of a 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """A figure of the first model minus that of the second.

    Attributes:
        value: The difference over all videos.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: Two-sided p-value: twice the share of draws on the rarer side of zero, never below 2 / (draws + 1).
    """

    value: float
    low: float
    high: float
    p: float


def srcc_interval(scores: ArrayLike, labels: ArrayLike) -> Interval:
    """Interval of Spearman's correlation of scores `[N]` with labels `[N]`, all finite."""
    _, draws = _drawn(_rank_correlation, scores, labels)
    return Interval(*_ends(draws))


def plcc_interval(scores: ArrayLike, labels: ArrayLike) -> Interval:
    """Interval of Pearson's correlation of raw scores `[N]` with labels `[N]`, all finite."""
    _, draws = _drawn(_correlation, scores, labels)
    return Interval(*_ends(draws))


def srcc_difference(first: ArrayLike, second: ArrayLike, labels: ArrayLike) -> Difference:
    """Spearman's correlation of one model with labels minus that of another on the same videos, each `[N]`, all finite."""

    def gap(x: Floats, z: Floats, y: Floats, axis: int = -1) -> Floats:
        return _rank_correlation(x, y, axis) - _rank_correlation(z, y, axis)

    value, draws = _drawn(gap, first, second, labels)
    ends, draws = _ends(draws), draws[np.isfinite(draws)]
    rarer = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return Difference(value, *ends, min(1.0, 2 * (rarer + 1) / (draws.size + 1)))


def _drawn(statistic: Callable[..., Floats], *columns: ArrayLike) -> tuple[float, Floats]:
    """The statistic of the columns `[N]`, and its values over the draws; NaN in a draw where it is undefined."""
    data = [np.asarray(column, dtype=np.float64) for column in columns]
    if data[0].size < LEAST:
        raise MetricError(f"an interval needs {LEAST} videos, not {data[0].size}")
    if any(is_constant(column) for column in data):
        raise MetricError("all scores or all labels are the same, so a correlation is undefined")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # concerns only scipy's own interval, which is not used
        result = bootstrap(
            data,
            statistic,
            n_resamples=RESAMPLES,
            batch=_BATCH,
            vectorized=True,
            paired=True,
            method="percentile",
            confidence_level=SHARE,
            rng=np.random.default_rng(0),
        )
    return float(statistic(*data)), np.asarray(result.bootstrap_distribution, dtype=np.float64)


def _ends(draws: Floats) -> tuple[float, float]:
    ends = interval(draws)
    if ends is None:
        share = 1 - float(np.isfinite(draws).mean())
        raise MetricError(
            f"in {share:.0%} of the draws all scores or all labels are the same, so there is no interval "
            f"(at most {1 - MIN_DEFINED:.0%} may be)"
        )
    return ends


def _rank_correlation(x: Floats, y: Floats, axis: int = -1) -> Floats:
    return _where_both_vary(x, y, axis, _product_moment(rankdata(x, axis=axis), rankdata(y, axis=axis), axis))


def _correlation(x: Floats, y: Floats, axis: int = -1) -> Floats:
    return _where_both_vary(x, y, axis, _product_moment(x, y, axis))


def _where_both_vary(x: Floats, y: Floats, axis: int, figure: Floats) -> Floats:
    """NaN where one side is constant: its mean is seldom exactly its value, and what is left would pass for a spread."""
    return np.where(constant_along(x, axis) | constant_along(y, axis), np.nan, figure)


def _product_moment(x: Floats, y: Floats, axis: int) -> Floats:
    a, b = x - x.mean(axis=axis, keepdims=True), y - y.mean(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=axis) / np.sqrt((a * a).sum(axis=axis) * (b * b).sum(axis=axis)))
