"""Bring the teachers' raw scores onto one scale (CVPR 2026: a four-parameter logistic per model).

Teachers differ in range and in direction, so a mean or a variance over them has no meaning before this step. If human
scores (MOS) are given, each teacher is fitted to them. Otherwise the target is the consensus of the teachers on a 0-100
percentile scale, where higher is better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata, spearmanr

from pipeline.method.logistic import CalibrationError, Logistic, fit_logistic, is_constant

Floats = NDArray[np.float64]
Weighting = Literal["uniform", "reliability"]

MIN_TEACHERS = 2  # one score has no variance
POOR_SRCC = 0.2  # a map whose scores have a lower SRCC with the target is a bad fit
_RESIDUAL_FLOOR = 1e-4  # share of the target's variance: a perfect fit must not get all the weight


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Scores of V videos by the T usable teachers on one scale, higher is better.

    Attributes:
        names: The usable teachers, T of them.
        mapped: Scores `[V, T]`, NaN for a missing score.
        mean: Weighted mean `[V]`, NaN for videos with fewer scores than are needed.
        variance: Weighted variance `[V]` (ddof = 0), NaN like the mean.
        count: Number of scores `[V]`.
        maps: The map of each teacher.
        weights: The weight of each teacher.
        agreement: SRCC of each teacher, in its stated direction, with the consensus of the *other* teachers; NaN if
            undefined.
        excluded: Why each excluded teacher is not used.
        target: "given" (human scores) or "consensus".
    """

    names: tuple[str, ...]
    mapped: Floats
    mean: Floats
    variance: Floats
    count: NDArray[np.int64]
    maps: dict[str, Logistic]
    weights: dict[str, float]
    agreement: dict[str, float]
    excluded: dict[str, str]
    target: Literal["given", "consensus"]

    def some(self, videos: NDArray[np.bool_]) -> Calibrated:
        """The opinions on some of the V videos only, chosen by a mask `[V]`."""
        table = {name: getattr(self, name)[videos] for name in ("mapped", "mean", "variance", "count")}
        return replace(self, **table)

    @property
    def contradicting(self) -> tuple[str, ...]:
        """Teachers whose fit runs against their stated direction."""
        return tuple(name for name in self.names if self.maps[name].contradicts)

    @property
    def poor(self) -> dict[str, str]:
        """Teachers whose map fits badly, with the reason; without the `contradicting` ones."""
        faults = {}
        for name in self.names:
            logistic = self.maps[name]
            if not logistic.contradicts and not logistic.srcc >= POOR_SRCC:
                faults[name] = f"SRCC {logistic.srcc:.2f}, error {logistic.rmse:.1f} points"
            elif not logistic.contradicts and logistic.kind == "linear":
                faults[name] = f"a line in place of the logistic, {logistic.reason}"
        return faults


def consensus(scores: Mapping[str, ArrayLike], higher_is_better: Mapping[str, bool]) -> Floats:
    """Label-free quality: the mean over the teachers of their direction-aligned percentiles.

    Uses percentiles (mid-rank, ties averaged) because only the order of an uncalibrated teacher has a meaning.

    Args:
        scores: Teacher -> raw scores `[V]`; the mean ignores missing ones.
        higher_is_better: Teacher -> direction.

    Returns:
        Quality in 0..100 `[V]`, NaN for a video without any score.
    """
    names, table = _table(scores)
    return _row_mean(_percentiles(table, _directions(names, higher_is_better)), np.ones(len(names)))


def weighted_mean(mapped: ArrayLike, weights: ArrayLike) -> Floats:
    """The ensemble's opinion: the weighted mean of the teachers that have a score.

    Args:
        mapped: Scores on one scale `[V, T]`; NaN or infinite = missing.
        weights: Weight of each teacher `[T]`, of any sum above 0.

    Returns:
        Scores `[V]`, NaN for a video without any score.
    """
    table, weight = np.asarray(mapped, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    relative = weight / weight.max()  # equal weights are exactly 1, and the mean is the plain one to the last bit
    present = np.isfinite(table)
    total = (present * relative).sum(axis=1)
    summed = (np.where(present, table, 0.0) * relative).sum(axis=1)
    mean = np.full(len(table), np.nan)
    np.divide(summed, total, out=mean, where=total > 0)
    return mean


def calibrate(
    scores: Mapping[str, ArrayLike],
    higher_is_better: Mapping[str, bool],
    target: ArrayLike | None = None,
    weights: Weighting = "uniform",
    min_coverage: float = 0.5,
    least: int = MIN_TEACHERS,
) -> Calibrated:
    """Map every teacher onto one scale and return mean and variance per video.

    A teacher with too few scores, constant scores or no fit is excluded with a reason.

    Args:
        scores: Teacher -> raw scores `[V]`; NaN or infinite = missing.
        higher_is_better: Teacher -> direction.
        target: MOS `[V]`, higher is better, NaN = unlabelled; None for the consensus.
        weights: "uniform", the published plain mean, or "reliability", the inverse variance of each teacher's residuals.
        min_coverage: Smallest share of the videos for which a teacher needs a score.
        least: Smallest number of teachers, and of scores of a video. With 1, a video with one score has the variance 0.

    Raises:
        CalibrationError: Fewer than `least` teachers remain, or a direction is not stated.
    """
    if weights not in ("uniform", "reliability"):
        raise CalibrationError(f"unknown weighting {weights!r}: use 'uniform' or 'reliability'")
    names, table = _table(scores)
    rising = _directions(names, higher_is_better)
    excluded = _unusable(names, table, min_coverage)
    usable = [t for t, name in enumerate(names) if name not in excluded]
    _require_enough(len(usable), excluded, least)
    aligned = _percentiles(table[:, usable], rising[usable])
    goal = _row_mean(aligned, np.ones(len(usable))) if target is None else np.asarray(target, dtype=np.float64)
    maps: dict[str, Logistic] = {}
    for t in usable:
        try:
            maps[names[t]] = fit_logistic(table[:, t], goal, bool(rising[t]))
        except CalibrationError as error:
            excluded[names[t]] = str(error)
    _require_enough(len(maps), excluded, least)
    members = [t for t in usable if names[t] in maps]
    mapped = np.column_stack([maps[names[t]](table[:, t]) for t in members])
    weight = _weights([maps[names[t]] for t in members], goal, weights)
    mean, variance, count = _moments(mapped, weight, least)
    return Calibrated(
        names=tuple(names[t] for t in members),
        mapped=mapped,
        mean=mean,
        variance=variance,
        count=count,
        maps=maps,
        weights={names[t]: float(w) for t, w in zip(members, weight, strict=True)},
        agreement=_agreement([names[t] for t in members], aligned[:, [usable.index(t) for t in members]]),
        excluded=excluded,
        target="consensus" if target is None else "given",
    )


def _table(scores: Mapping[str, ArrayLike]) -> tuple[list[str], Floats]:
    """Names and raw scores [V, T]; infinite values become NaN = missing."""
    names = list(scores)
    if not names:
        raise CalibrationError("there is no teacher to calibrate; name at least two")
    columns = [np.asarray(scores[name], dtype=np.float64) for name in names]
    for name, column in zip(names, columns, strict=True):
        if column.ndim != 1 or column.shape != columns[0].shape:
            raise CalibrationError(f"teacher {name} has scores {column.shape}, {names[0]} has {columns[0].shape}")
    table = np.column_stack(columns)
    return names, np.where(np.isfinite(table), table, np.nan)


def _directions(names: list[str], higher_is_better: Mapping[str, bool]) -> NDArray[np.bool_]:
    missing = [name for name in names if name not in higher_is_better]
    if missing:
        raise CalibrationError(f"no direction is stated for {', '.join(missing)}; say whether higher is better")
    return np.array([higher_is_better[name] for name in names], dtype=np.bool_)


def _unusable(names: list[str], table: Floats, min_coverage: float) -> dict[str, str]:
    excluded = {}
    for t, name in enumerate(names):
        values = table[np.isfinite(table[:, t]), t]
        if values.size == 0:
            excluded[name] = "no finite score"
        elif values.size < min_coverage * len(table):
            excluded[name] = f"scores for only {values.size} of {len(table)} videos"
        elif is_constant(values):
            excluded[name] = f"the same score ({values[0]:g}) for every video"
    return excluded


def _require_enough(remaining: int, excluded: Mapping[str, str], least: int) -> None:
    if remaining < least:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in excluded.items()) or "no more were given"
        raise CalibrationError(
            f"{remaining} usable teacher(s), at least {least} {'is' if least == 1 else 'are'} needed ({reasons})"
        )


def _percentiles(table: Floats, rising: NDArray[np.bool_]) -> Floats:
    """Mid-rank percentiles [V, T] in 0..100 within each teacher's own scored videos, higher is better."""
    ranks = np.full(table.shape, np.nan)
    for t in range(table.shape[1]):
        present = np.isfinite(table[:, t])
        values = table[present, t] if rising[t] else -table[present, t]
        if values.size:
            ranks[present, t] = 100.0 * (rankdata(values) - 0.5) / values.size
    return ranks


def _row_mean(table: Floats, weight: Floats) -> Floats:
    present = np.isfinite(table)
    total = present @ weight
    summed = np.where(present, table, 0.0) @ weight
    mean = np.full(len(table), np.nan)
    np.divide(summed, total, out=mean, where=total > 0)
    return mean


def _moments(mapped: Floats, weight: Floats, least: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    count = np.isfinite(mapped).sum(axis=1).astype(np.int64)
    mean = _row_mean(mapped, weight)
    variance = _row_mean((mapped - mean[:, None]) ** 2, weight)
    enough = count >= least
    return np.where(enough, mean, np.nan), np.where(enough, variance, np.nan), count


def _weights(maps: list[Logistic], goal: Floats, weights: Weighting) -> Floats:
    """Weights [T] with sum 1."""
    if weights == "uniform":
        return np.full(len(maps), 1.0 / len(maps))
    smallest = _RESIDUAL_FLOOR * float(np.nanvar(np.where(np.isfinite(goal), goal, np.nan)))
    precision = np.array([1.0 / max(logistic.rmse**2, smallest) for logistic in maps])
    return np.asarray(precision / precision.sum(), dtype=np.float64)


def _agreement(names: list[str], aligned: Floats) -> dict[str, float]:
    agreement = {}
    for t, name in enumerate(names):
        others = _row_mean(np.delete(aligned, t, axis=1), np.ones(len(names) - 1))
        both = np.isfinite(aligned[:, t]) & np.isfinite(others)
        spread = both.sum() >= 2 and not is_constant(aligned[both, t]) and not is_constant(others[both])
        agreement[name] = float(spearmanr(aligned[both, t], others[both]).statistic) if spread else float("nan")
    return agreement
