"""From five comparison logits to a quality score (CVPR 2026, appendix C.3).

A test video is compared with five fixed anchors, one per quality level. The preference probabilities of all six videos
form a matrix M, M[i, j] = P(i beats j), and the score is the maximum-a-posteriori estimate under Thurstone's model
(`pipeline.method.thurstone`); `pipeline.method.posterior` says how sure it is. Anchors are ordered from the lowest to the
highest quality; the test video is the last row and column.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import isqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from pipeline.method.thurstone import Floats, Link, checked, checked_wins, solve_map

LEVEL_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # inferior, worse, similar, better, superior
ANCHORS = 5
TEST_TEMPERATURE = 5.0  # from the released inference script: divides the logits of test against anchor
ANCHOR_TEMPERATURE = 1.0


def preference(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """P(second beats first) `[...]` from the five logits `[..., 5]` in the order of the labels, inferior to superior.

    Args:
        logits: Logits `[..., 5]`.
        temperature: Divides the logits.

    Raises:
        ValueError: The number of logits is not five, a logit is not finite, or the temperature is not positive.
    """
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim == 0 or z.shape[-1] != len(LEVEL_WEIGHTS):
        raise ValueError(f"five logits per pair are needed, not an array {z.shape}")
    if not np.isfinite(z).all():
        raise ValueError("a comparison has non-finite logits; leave out videos that could not be compared")
    if not temperature > 0:
        raise ValueError(f"the temperature must be positive, not {temperature}")
    z = (z - z.max(axis=-1, keepdims=True)) / temperature
    p = np.exp(z)
    # Rounding may raise a certain win above one.
    return np.asarray(np.minimum(p @ np.array(LEVEL_WEIGHTS) / p.sum(axis=-1), 1.0), dtype=np.float64)


def anchor_pairs(count: int = ANCHORS) -> tuple[tuple[int, int], ...]:
    """(first, second) of every two of so many anchors, once each: the lower anchor is shown first."""
    return tuple(combinations(range(count), 2))


def anchor_matrix(logits: ArrayLike, temperature: float = ANCHOR_TEMPERATURE) -> Floats:
    """M [A, A] of the anchors from the logits [A (A - 1) / 2, 5] of `anchor_pairs`, A being 2 or more."""
    p = preference(logits, temperature)
    count = (1 + isqrt(1 + 8 * p.size)) // 2
    pairs = anchor_pairs(count)
    if p.ndim != 1 or not pairs or p.size != len(pairs):
        raise ValueError(f"anchors need the logits of every two of them (1, 3, 6, 10 ... pairs), not {p.shape}")
    matrix = np.full((count, count), 0.5)
    for (first, second), beats in zip(pairs, p, strict=True):
        matrix[second, first], matrix[first, second] = beats, 1.0 - beats
    return matrix


def with_tests(anchors: ArrayLike, p: ArrayLike) -> Floats:
    """M [N, A+1, A+1]: the anchor matrix [A, A] with each test video's P(test beats anchor) [N, A] as last row."""
    block = checked(anchors)
    size = block.shape[-1]
    beats = checked_wins(p, size)
    matrix = np.full((len(beats), size + 1, size + 1), 0.5)
    matrix[:, :size, :size] = block
    matrix[:, size, :size] = beats
    matrix[:, :size, size] = 1.0 - beats
    return matrix


def score_tests(anchors: ArrayLike, p: ArrayLike, link: Link = "phi", counts: ArrayLike | None = None) -> Floats:
    """Raw MAP scores `[N]` of test videos from M of the anchors `[A, A]` and P(test beats anchor) `[N, A]`.

    Args:
        anchors: M.
        p: Probabilities.
        link: From quality to preference.
        counts: How often each anchor was compared with each test video `[N, A]`; once each without it.
    """
    matrix = with_tests(anchors, p)
    if counts is None:
        return solve_map(matrix, link)[:, -1]
    times = np.ones(matrix.shape)
    times[:, -1, :-1] = times[:, :-1, -1] = np.asarray(counts, np.float64)
    return solve_map(matrix, link, times)[:, -1]


@dataclass(frozen=True)
class AnchorScale:
    """The fixed affine map from raw scores to the 0-100 scale of the anchors' scores; it never clips.

    Attributes:
        slope: Score points per raw unit.
        intercept: Score of raw 0.
        kind: "anchors" for the least-squares line; "spread" if that line does not rise, because the student does not order
            its anchors. Then one raw unit (the prior's deviation) equals the deviation of the anchors' scores.
    """

    slope: float
    intercept: float
    kind: Literal["anchors", "spread"]

    def __call__(self, raw: ArrayLike) -> Floats:
        """Scores on the anchors' scale, shaped like raw."""
        return np.asarray(self.intercept + self.slope * np.asarray(raw, dtype=np.float64), dtype=np.float64)

    def deviation(self, raw_deviation: ArrayLike) -> Floats:
        """A standard deviation of raw scores on the 0-100 scale."""
        return np.asarray(self.slope * np.asarray(raw_deviation, dtype=np.float64), dtype=np.float64)


def fit_anchor_scale(anchors: ArrayLike, anchor_scores: ArrayLike, link: Link = "phi") -> AnchorScale:
    """The best affine map from the anchors' own MAP scores (from M `[A, A]`) to their known scores `[A]`."""
    scores = np.asarray(anchor_scores, dtype=np.float64)
    raw = solve_map(anchors, link)
    if scores.shape != raw.shape or raw.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(f"every anchor needs a finite score: {raw.shape} anchors, {scores.shape} scores")
    if np.ptp(scores) == 0:
        raise ValueError("all anchors have the same score; choose anchors of different quality")
    spread = float(np.mean((raw - raw.mean()) ** 2))
    slope = float(np.mean((raw - raw.mean()) * (scores - scores.mean()))) / spread if spread > 1e-8 else 0.0
    if slope > 0:
        return AnchorScale(slope, float(scores.mean() - slope * raw.mean()), "anchors")
    return AnchorScale(float(scores.std()), float(scores.mean()), "spread")


def select_anchors(
    mean: ArrayLike, variance: ArrayLike, ids: ArrayLike | None = None, count: int = ANCHORS
) -> list[int]:
    """Indices of `count` anchors, lowest quality first, from teacher means and variances.

    The range of the means is split into `count` equal intervals. The anchor of an interval is the video on which the
    teachers agree most (least variance) in its middle half, or in all of it if the middle is empty. An empty interval gets
    the remaining video nearest its centre. Ties go to the smaller id.

    Args:
        mean: Means `[V]`; videos with NaN are ignored.
        variance: Variances `[V]`; videos with NaN are ignored.
        ids: Ids `[V]`; default: the indices.
        count: Number of anchors.

    Raises:
        ValueError: Fewer than `count` videos have a mean and a variance.
    """
    m, v = np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    names = np.arange(m.size) if ids is None else np.asarray(ids)
    if m.ndim != 1 or not m.shape == v.shape == names.shape:
        raise ValueError(f"means {m.shape}, variances {v.shape} and ids {names.shape} must be vectors of equal length")
    usable = np.flatnonzero(np.isfinite(m) & np.isfinite(v))
    if usable.size < count:
        raise ValueError(f"{count} anchors need as many videos with a teacher mean and variance, not {usable.size}")
    low, width = float(m[usable].min()), float(np.ptp(m[usable])) / count
    centres = low + width * (np.arange(count) + 0.5)
    place = (m[usable] - low) / width if width > 0 else np.zeros(usable.size)
    interval = np.minimum(place.astype(np.int64), count - 1)
    choice: dict[int, int] = {}
    for k in range(count):
        inside = usable[interval == k]
        middle = inside[np.abs(m[inside] - centres[k]) <= width / 4]
        candidates = middle if middle.size else inside
        if candidates.size:
            order = np.lexsort((names[candidates], np.abs(m[candidates] - centres[k]), v[candidates]))
            choice[k] = int(candidates[order[0]])
    for k in sorted(set(range(count)) - set(choice)):
        rest = np.setdiff1d(usable, list(choice.values()))
        order = np.lexsort((names[rest], v[rest], np.abs(m[rest] - centres[k])))
        choice[k] = int(rest[order[0]])
    anchors = np.array(list(choice.values()))
    return [int(index) for index in anchors[np.lexsort((names[anchors], m[anchors]))]]
