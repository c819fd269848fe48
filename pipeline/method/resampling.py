"""Bootstrap intervals of the measures on copies of sources: whole sources are resampled, since the copies of one are alike.

Percentile intervals of the cluster bootstrap (Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section
3.8). Models that are drawn with the same draws are compared source by source, so the interval of a difference is paired.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.method.metrics import MetricError, pairwise_accuracy, within_source_srcc

Floats = NDArray[np.float64]

RESAMPLES = 1000
SHARE = 0.95
MIN_SOURCES = 3  # of fewer, a resample is nearly always one of them many times over
MIN_DEFINED = 0.9  # share of the resamples in which a measure must be defined
_AT_ONCE = 100  # resamples


def draws(sources: int, seed: int, count: int = RESAMPLES) -> NDArray[np.int64]:
    """Numbers of the sources of each resample, `[count, sources]`, drawn with replacement."""
    return np.random.default_rng(seed).integers(sources, size=(count, sources))


def resampled(
    scores: ArrayLike,
    labels: ArrayLike,
    groups: Sequence[Hashable],
    drawn: NDArray[np.int64],
    min_gap: float = 0.0,
) -> dict[str, Floats]:
    """The measures of one model in every resample.

    Args:
        scores: Scores of N copies, higher is better; rows with a non-finite score or label are left out.
        labels: Their labels `[N]`.
        groups: The source of each copy; S different ones.
        drawn: `draws` of S sources, `[B, S]`.
        min_gap: As for `pairwise_accuracy`, label units.

    Returns:
        `srcc`, `within` and `pair_accuracy`, each `[B]`, NaN where a measure is undefined.

    Raises:
        ValueError: The draws are not of S sources.
    """
    x, y = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    names = list(dict.fromkeys(groups))
    if drawn.ndim != 2 or drawn.shape[1] != len(names):
        raise ValueError(f"draws of {len(names)} sources are needed, not an array {drawn.shape}")
    place = {name: k for k, name in enumerate(names)}
    source = np.array([place[name] for name in groups], np.int64)
    finite = np.isfinite(x) & np.isfinite(y)
    rows = np.flatnonzero(finite)
    times = np.stack([np.bincount(chosen, minlength=len(names)) for chosen in drawn]).astype(np.float64)
    members = [np.flatnonzero((source == k) & finite) for k in range(len(names))]
    within, right, used = np.array([_of_source(x[one], y[one], min_gap) for one in members]).T
    with np.errstate(invalid="ignore", divide="ignore"):
        counted = np.isfinite(within)[drawn].sum(axis=1)
        return {
            "srcc": np.concatenate([_srcc(x[rows], y[rows], part[:, source[rows]]) for part in _parts(times)]),
            "within": np.nan_to_num(within)[drawn].sum(axis=1) / counted,
            "pair_accuracy": right[drawn].sum(axis=1) / used[drawn].sum(axis=1),
        }


def interval(values: ArrayLike, share: float = SHARE) -> tuple[float, float] | None:
    """The middle `share` of resampled values; None where fewer than `MIN_DEFINED` of them are defined."""
    every = np.asarray(values, np.float64)
    finite = every[np.isfinite(every)]
    if every.size == 0 or finite.size < MIN_DEFINED * every.size:
        return None
    low, high = np.quantile(finite, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def _parts(times: Floats) -> Iterator[Floats]:
    """The resamples, few at a time, so that large benchmarks fit in memory."""
    yield from (times[start : start + _AT_ONCE] for start in range(0, len(times), _AT_ONCE))


def _of_source(x: Floats, y: Floats, min_gap: float) -> tuple[float, float, float]:
    """SRCC of the copies of one source (NaN: undefined), rightly ordered pairs, and all pairs that count."""
    same = [0] * x.size
    try:
        within = within_source_srcc(x, y, same).value
    except MetricError:
        within = math.nan
    try:
        ordered = pairwise_accuracy(x, y, same, min_gap)
    except MetricError:
        return within, 0.0, 0.0
    return within, ordered.value * ordered.used, float(ordered.used)


def _srcc(x: Floats, y: Floats, weights: Floats) -> Floats:
    """SRCC in each of B resamples, NaN where it is undefined.

    A row that is drawn w times is a tie of w rows. So the order of the rows, which is the same in all resamples, is found once,
    and the ranks follow from sums of weights.

    Args:
        x: Finite scores `[N]`.
        y: Finite labels `[N]`.
        weights: How often each row is drawn `[B, N]`.
    """
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2
    first, second = (_ranks(values, weights) - middle for values in (x, y))
    scale = np.sqrt((weights * first**2).sum(axis=1) * (weights * second**2).sum(axis=1))
    return np.asarray(np.where(scale > 0, (weights * first * second).sum(axis=1) / scale, np.nan))


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Mean rank of each row among the rows that are drawn `[B, N]`."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(place[order]) > 0])
    tied = np.add.reduceat(weights[:, order], starts, axis=1)
    return np.asarray((np.cumsum(tied, axis=1) - tied + (tied + 1) / 2)[:, place])
