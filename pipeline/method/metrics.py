"""Agreement with human scores: SRCC, PLCC, KRCC, RMSE, within-source measures (CVPR 2026, main results).

For both scores and labels, higher is better. Rows with a non-finite number are ignored and counted. A measure that is
undefined for the given numbers raises `MetricError`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau, rankdata

from pipeline.method.logistic import Logistic, fit_least_squares, is_constant

Floats = NDArray[np.float64]

MIN_GROUP = 3  # with two members a correlation is always -1 or 1


class MetricError(ValueError):
    """A measure is undefined for these numbers; the message says why."""


@dataclass(frozen=True)
class Agreement:
    """How well scores predict labels.

    Attributes:
        srcc: Spearman's rank correlation.
        plcc: Pearson's correlation of the raw scores.
        plcc_mapped: Pearson's correlation after the rising four-parameter logistic.
        krcc: Kendall's rank correlation.
        rmse: Root mean square error after the logistic, label units.
        count: Number of rows used.
        dropped: Number of rows with a non-finite number.
        mapping: "logistic", or "linear": a least-squares line stands in for it.
        mapping_reason: Why the logistic was not used, for a line.
    """

    srcc: float
    plcc: float
    plcc_mapped: float
    krcc: float
    rmse: float
    count: int
    dropped: int
    mapping: str
    mapping_reason: str


@dataclass(frozen=True)
class GroupMeasure:
    """A measure over groups: `used` groups (or pairs) count, `ignored` ones do not."""

    value: float
    used: int
    ignored: int


def srcc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Spearman's rank correlation."""
    x, y, _ = _usable(scores, labels)
    return _pearson(rankdata(x), rankdata(y))


def plcc(scores: ArrayLike, labels: ArrayLike, mapped: bool = False) -> float:
    """Pearson's correlation, raw or (`mapped`) after the rising four-parameter logistic."""
    x, y, _ = _usable(scores, labels)
    return _mapped_plcc(fit_least_squares(x, y), x, y) if mapped else _pearson(x, y)


def krcc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Kendall's rank correlation (tau-b)."""
    x, y, _ = _usable(scores, labels)
    return float(kendalltau(x, y).statistic)


def rmse(scores: ArrayLike, labels: ArrayLike, mapped: bool = False) -> float:
    """Root mean square error, raw or (`mapped`) after the rising four-parameter logistic, in label units."""
    x, y, _ = _usable(scores, labels, need_spread=mapped)
    predictions = fit_least_squares(x, y)(x) if mapped else x
    return float(np.sqrt(np.mean((predictions - y) ** 2)))


def agreement(scores: ArrayLike, labels: ArrayLike) -> Agreement:
    """All measures at once. The mapping always rises, so a predictor that runs against the labels stays negative."""
    x, y, dropped = _usable(scores, labels)
    mapping = fit_least_squares(x, y)
    return Agreement(
        srcc=srcc(x, y),
        plcc=plcc(x, y),
        plcc_mapped=_mapped_plcc(mapping, x, y),
        krcc=krcc(x, y),
        rmse=mapping.rmse,
        count=x.size,
        dropped=dropped,
        mapping=mapping.kind,
        mapping_reason=mapping.reason,
    )


def within_source_srcc(scores: ArrayLike, labels: ArrayLike, groups: Sequence[Hashable]) -> GroupMeasure:
    """Mean SRCC within groups, such as the distorted copies of one source.

    Groups with fewer than three finite members or constant labels are ignored. Constant *scores* count as 0, because a
    predictor that cannot tell the copies apart must not be rewarded.

    Args:
        scores: Scores `[N]`.
        labels: Labels `[N]`.
        groups: Group of each row.

    Raises:
        MetricError: No group remains.
    """
    x, y = _vectors(scores, labels)
    values, ignored = [], 0
    for members in _members(groups, x.size):
        rows = members[np.isfinite(x[members]) & np.isfinite(y[members])]
        if rows.size < MIN_GROUP or np.ptp(y[rows]) == 0:
            ignored += 1
        else:
            values.append(0.0 if np.ptp(x[rows]) == 0 else _pearson(rankdata(x[rows]), rankdata(y[rows])))
    if not values:
        raise MetricError(f"none of {ignored} groups has {MIN_GROUP} rated members with different labels")
    return GroupMeasure(float(np.mean(values)), len(values), ignored)


def pairwise_accuracy(
    scores: ArrayLike, labels: ArrayLike, groups: Sequence[Hashable] | None = None, min_gap: float = 0.0
) -> GroupMeasure:
    """Share of pairs (within groups, or of all rows without groups) that scores order as labels do.

    Pairs with equal labels or a label gap below `min_gap` are ignored; a tie of scores counts one half.

    Args:
        scores: Scores `[N]`.
        labels: Labels `[N]`.
        groups: Group of each row; None to compare all rows.
        min_gap: Smallest difference of labels, label units.

    Raises:
        MetricError: No pair remains.
    """
    x, y = _vectors(scores, labels)
    finite = np.isfinite(x) & np.isfinite(y)
    right, used, ignored = 0.0, 0, 0
    for members in [np.arange(x.size)] if groups is None else _members(groups, x.size):
        rows = members[finite[members]]
        for k in range(rows.size - 1):  # row by row: a whole test set squared would not fit in memory
            gap = y[rows[k + 1 :]] - y[rows[k]]
            mask = (np.abs(gap) >= min_gap) & (gap != 0)
            agree = np.sign(x[rows[k + 1 :]] - x[rows[k]])[mask] * np.sign(gap[mask])
            right += float(((agree + 1) / 2).sum())
            used += int(mask.sum())
            ignored += int((~mask).sum())
    if not used:
        raise MetricError(f"no pair has labels that differ by {min_gap:g} or more")
    return GroupMeasure(right / used, used, ignored)


def weighted_overall(values: ArrayLike, counts: ArrayLike) -> float:
    """Mean of per-benchmark values weighted by their numbers of videos, as the published tables do."""
    value, count = _vectors(values, counts)
    if value.size == 0 or not np.isfinite(value).all():
        raise MetricError("an overall value needs a finite value for every benchmark")
    if not np.isfinite(count).all() or (count < 0).any() or count.sum() <= 0:
        raise MetricError("the numbers of videos must not be negative, and not all zero")
    return float((value * count).sum() / count.sum())


def _vectors(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise MetricError(f"two vectors of equal length are needed, not {x.shape} and {y.shape}")
    return x, y


def _usable(scores: ArrayLike, labels: ArrayLike, need_spread: bool = True) -> tuple[Floats, Floats, int]:
    x, y = _vectors(scores, labels)
    finite = np.isfinite(x) & np.isfinite(y)
    dropped = int(x.size - finite.sum())
    x, y = x[finite], y[finite]
    least = 2 if need_spread else 1
    if x.size < least:
        raise MetricError(f"only {x.size} rows have a finite score and label ({dropped} dropped); {least} are needed")
    if need_spread:
        for name, values in (("scores", x), ("labels", y)):
            if is_constant(values):
                raise MetricError(f"all {values.size} {name} are the same, so a correlation is undefined")
    return x, y, dropped


def _mapped_plcc(mapping: Logistic, x: Floats, y: Floats) -> float:
    # A rising line leaves the correlation as it is, and the flat one of scores that run against the labels has none.
    return _pearson(mapping(x) if mapping.kind == "logistic" else x, y)


def _pearson(x: Floats, y: Floats) -> float:
    a, b = x - x.mean(), y - y.mean()
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return float(np.clip(a @ b, -1.0, 1.0))


def _members(groups: Sequence[Hashable], size: int) -> list[NDArray[np.int64]]:
    if len(groups) != size:
        raise MetricError(f"{len(groups)} group names for {size} rows")
    index: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        index.setdefault(group, []).append(row)
    return [np.array(rows, dtype=np.int64) for rows in index.values()]
