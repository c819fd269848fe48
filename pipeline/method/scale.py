"""From five comparison logits to a quality score (CVPR 2026, appendix C.3).

A test video is compared with five fixed anchors, one per quality level. The preference probabilities of all six videos
form a matrix M, M[i, j] = P(i beats j), and the score is the maximum-a-posteriori estimate under Thurstone's model.
Anchors are ordered from the lowest to the highest quality; the test video is the last row and column.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import isqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_ndtr

Floats = NDArray[np.float64]
Link = Literal["phi", "logistic"]

LEVEL_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # inferior, worse, similar, better, superior
ANCHORS = 5
TEST_TEMPERATURE = 5.0  # from the released inference script: divides the logits of test against anchor
ANCHOR_TEMPERATURE = 1.0

_CHUNK = 32_768  # videos per batch: [chunk, 6, 6] float64 arrays of 9 MB


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
    block, beats = _checked(anchors), np.asarray(p, dtype=np.float64)
    size = block.shape[-1]
    if block.ndim != 2 or beats.ndim != 2 or beats.shape[1] != size:
        raise ValueError(f"anchors [A, A] and probabilities [N, A] are needed, not {block.shape} and {beats.shape}")
    if not ((beats >= 0) & (beats <= 1)).all():
        raise ValueError("a preference is not a probability between 0 and 1")
    matrix = np.full((len(beats), size + 1, size + 1), 0.5)
    matrix[:, :size, :size] = block
    matrix[:, size, :size] = beats
    matrix[:, :size, size] = 1.0 - beats
    return matrix


def solve_map(matrix: ArrayLike, link: Link = "phi") -> tuple[Floats, Floats]:
    """Maximum-a-posteriori scores and their posterior standard deviations, both [..., K], from M [..., K, K].

    Maximises sum_ij M_ij log F(q_i - q_j) - sum_i q_i^2 / 2 subject to sum q = 0, by Newton's method from 0; F is the
    standard normal distribution (Thurstone Case V, the default) or the logistic. The likelihood ignores a common
    shift, so only the prior makes the sum zero. The deviations are from Laplace's method, within the plane sum q = 0.

    Raises:
        ValueError: M is not a preference matrix.
        ArithmeticError: Newton's method does not converge.
    """
    m = _checked(matrix)
    flat = m.reshape(-1, *m.shape[-2:])
    parts = [_newton(flat[k : k + _CHUNK], link) for k in range(0, len(flat), _CHUNK)]
    if not parts:
        return np.empty(m.shape[:-1]), np.empty(m.shape[:-1])
    scores, deviations = (np.concatenate(columns).reshape(m.shape[:-1]) for columns in zip(*parts, strict=True))
    return scores, deviations


def score_tests(anchors: ArrayLike, p: ArrayLike, link: Link = "phi") -> tuple[Floats, Floats]:
    """Raw scores and deviations [N] of test videos from M of the anchors [A, A] and P(test beats anchor) [N, A]."""
    beats = np.asarray(p, dtype=np.float64)
    raw, deviation = np.empty(len(beats)), np.empty(len(beats))
    for k in range(0, len(beats), _CHUNK):
        part = slice(k, k + _CHUNK)
        scores, deviations = solve_map(with_tests(anchors, beats[part]), link)
        raw[part], deviation[part] = scores[:, -1], deviations[:, -1]
    return raw, deviation


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
    raw, _ = solve_map(anchors, link)
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


def _checked(matrix: ArrayLike) -> Floats:
    m = np.asarray(matrix, dtype=np.float64)
    if m.ndim < 2 or m.shape[-1] != m.shape[-2]:
        raise ValueError(f"a preference matrix is square, not {m.shape}")
    if not ((m >= 0) & (m <= 1)).all() or not np.allclose(m + np.swapaxes(m, -1, -2), 1.0, rtol=0, atol=1e-6):
        raise ValueError("a preference matrix holds probabilities with M[i, j] + M[j, i] = 1")
    return m


def _slopes(d: Floats, link: Link) -> tuple[Floats, Floats]:
    """First derivative and negated second derivative of log F at d."""
    if link == "logistic":
        rate = expit(-d)
        return rate, rate * (1.0 - rate)
    rate = np.exp(-0.5 * d * d - 0.5 * np.log(2.0 * np.pi) - log_ndtr(d))
    return rate, rate * (d + rate)


def _objective(m: Floats, q: Floats, link: Link) -> Floats:
    d = q[:, :, None] - q[:, None, :]
    log_f = log_ndtr(d) if link == "phi" else -np.logaddexp(0.0, -d)
    return np.asarray((m * log_f).sum(axis=(1, 2)) - 0.5 * (q * q).sum(axis=1), dtype=np.float64)


def _derivatives(m: Floats, q: Floats, link: Link) -> tuple[Floats, Floats]:
    """Gradient [N, K] and negated Hessian [N, K, K] of the objective."""
    rate, bend = _slopes(q[:, :, None] - q[:, None, :], link)
    pull, weight = m * rate, m * bend
    weight = weight + np.swapaxes(weight, 1, 2)
    curvature = -weight
    diagonal = np.arange(q.shape[1])
    curvature[:, diagonal, diagonal] += 1.0 + weight.sum(axis=2)
    return pull.sum(axis=2) - pull.sum(axis=1) - q, curvature


def _newton(m: Floats, link: Link, tolerance: float = 1e-11, limit: int = 100) -> tuple[Floats, Floats]:
    if link not in ("phi", "logistic"):
        raise ValueError(f"unknown link {link!r}: use 'phi' or 'logistic'")
    q: Floats = np.zeros(m.shape[:-1])
    value = _objective(m, q, link)
    for _ in range(limit):
        gradient, curvature = _derivatives(m, q, link)
        if np.abs(gradient).max() < tolerance:
            covariance = np.asarray(np.linalg.inv(curvature))
            # The common shift has the prior's variance 1/K and no information; the constraint removes it.
            inside = np.diagonal(covariance, axis1=1, axis2=2) - 1.0 / m.shape[-1]
            return q, np.sqrt(np.maximum(inside, 0.0))
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        length = np.ones(len(q))
        trial = _objective(m, q + step, link)
        while (worse := trial < value - 1e-9).any():  # halve the step if the full one overshoots
            length[worse] *= 0.5
            trial = _objective(m, q + length[:, None] * step, link)
        q, value = q + length[:, None] * step, trial
    raise ArithmeticError(f"the scores did not converge in {limit} Newton steps")
