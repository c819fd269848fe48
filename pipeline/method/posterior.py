"""What the comparisons with the anchors leave open: the exact posterior of a test video's quality, not its mode alone.

The A anchors and the test video have qualities q with the posterior of `pipeline.method.thurstone` in the plane sum q = 0.
Write x for the test video's quality and a_i = b_i - x / A for the anchors'; then sum b = 0, and

* the prior is exp(-(c x^2 + |b|^2) / 2) with c = (A + 1) / A, so x and b are independent a priori;
* the anchors' comparisons with each other depend on b alone, the video's on c x - b_i.

So the density of x is exp(-c x^2 / 2) E_b[prod_i Phi(c x - b_i)^p_i Phi(b_i - c x)^(1 - p_i)], where b follows the posterior of
the anchors alone: one measure of A - 1 dimensions for all videos (Gauss-Hermite nodes around its mode, each weighted by the
ratio of densities), and one line for each video (the trapezoid rule, which converges geometrically for a smooth density).
The logarithm of E_b is a cumulant generating function of the preferences p, so a polynomial in p replaces it where there
are many videos. `tests/pipeline/method/test_posterior.py` compares all this with sampling in all dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, logsumexp, ndtri, sici

from pipeline.method.thurstone import Floats, checked, checked_wins, curvature, solve_map

MASS = 0.68  # of an interval from low to high, with equal tails

_RULE = 6  # Gauss-Hermite nodes in each direction
_NODES = 7000  # of the product rule; beyond, fewer in each direction, then a Sobol sequence
_REACH = 6.0  # prior deviations on both sides of zero
_STEP = 0.6  # of the grid, in units of the least deviation that the comparisons could leave
_DEGREE = 5  # of the polynomial
_AT_ONCE = 1 << 21  # numbers in the largest temporary array


@dataclass(frozen=True, eq=False)
class Posterior:
    """Moments and central interval of the posterior of N videos, raw units, each `[N]`.

    Attributes:
        mean: Its mean. The reported score is the mode (`scale.score_tests`), as published.
        std: Its standard deviation.
        low: Lower end of the central interval that holds `MASS` of it.
        high: Upper end.
    """

    mean: Floats
    std: Floats
    low: Floats
    high: Floats


class AnchorPosterior:
    """The posterior of any test video, given the anchors' preference matrix `[A, A]`.

    Attributes:
        grid: Qualities `[T]` with equal steps at which densities are taken; one grid serves every video.

    Raises:
        ValueError: The matrix is no preference matrix.
    """

    def __init__(self, matrix: ArrayLike) -> None:
        m = checked(matrix)
        anchors = len(m)
        ratio = (anchors + 1) / anchors
        # a comparison adds at most ratio^2 to the prior's precision: log Phi bends by less than one
        step = _STEP / sqrt(ratio + anchors * ratio**2)
        count = int(np.ceil(_REACH / sqrt(ratio) / step))
        self.grid: Floats = step * np.arange(-count, count + 1, dtype=np.float64)
        nodes, log_weights = _anchor_nodes(m)
        d = (ratio * self.grid[:, None, None] - nodes).reshape(-1, anchors)  # [T S, A]
        loses = log_ndtr(-d)
        self._gain = np.ascontiguousarray((log_ndtr(d) - loses).T)
        self._loses = np.ascontiguousarray(loses.T)
        self._weights = np.tile(log_weights, len(self.grid))
        self._base = loses.sum(axis=1) + self._weights
        self._prior = -0.5 * ratio * self.grid**2

    def __call__(self, p: ArrayLike, counts: ArrayLike | None = None) -> Posterior:
        """The posterior from P(test beats anchor) `[N, A]`.

        Args:
            p: Probabilities; what stands where nothing was compared does not matter.
            counts: How often each anchor was compared `[N, A]`; once each without it.

        Raises:
            ValueError: These are no probabilities for these anchors, or no counts.
        """
        beats = checked_wins(p, len(self._gain))
        if counts is None:
            return _summary(self.grid, self._log_density(beats))
        times = np.asarray(counts, np.float64)
        if times.shape != beats.shape or not (times >= 0).all():
            raise ValueError(f"counts of comparisons are {beats.shape} numbers, none below zero")
        return _summary(self.grid, self._counted(beats, times))

    def _log_density(self, p: Floats) -> Floats:
        """`[N, T]`, up to a constant for each video: node by node for few videos, by the polynomial for many."""
        anchors = p.shape[1]
        samples = 2 * comb(anchors + _DEGREE, anchors)
        if len(p) <= 4 * samples:
            return self._summed(p)
        from scipy.stats import qmc  # a second of imports, which the scores of a few videos do not need

        # denser towards the faces of the cube, as for Chebyshev's nodes
        points = 0.5 - 0.5 * np.cos(np.pi * qmc.Halton(anchors, scramble=False).random(samples))
        coefficients = np.linalg.lstsq(_monomials(points), self._summed(points), rcond=None)[0]
        return np.concatenate([_monomials(p[k : k + 4096]) @ coefficients for k in range(0, len(p), 4096)])

    def _summed(self, p: Floats) -> Floats:
        result = np.empty((len(p), len(self.grid)))
        rows = max(1, _AT_ONCE // len(self._base))
        for k in range(0, len(p), rows):
            result[k : k + rows] = self._over_nodes(p[k : k + rows] @ self._gain + self._base)
        return result

    def _counted(self, p: Floats, times: Floats) -> Floats:
        """As `_summed` where anchors were compared more than once, or not at all."""
        parts = [
            self._over_nodes((one * often) @ self._gain + often @ self._loses + self._weights)
            for one, often in zip(p[:, None], times[:, None], strict=True)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(self.grid)))

    def _over_nodes(self, terms: Floats) -> Floats:
        """Log densities `[N, T]` from the logarithms at every quality and node `[N, T S]`, which are overwritten."""
        terms = terms.reshape(len(terms), len(self.grid), -1)
        largest = terms.max(axis=2, keepdims=True)
        terms -= largest
        return np.asarray(np.log(np.exp(terms, out=terms).sum(axis=2)) + largest[:, :, 0] + self._prior)


def _anchor_nodes(matrix: Floats) -> tuple[Floats, Floats]:
    """Nodes b `[S, A]` and log weights `[S]` that stand for the posterior of the anchors alone, in the plane sum b = 0."""
    anchors = len(matrix)
    mode = solve_map(matrix)
    plane = np.linalg.svd(np.ones((1, anchors)))[2][1:].T  # an orthonormal basis
    spread = plane @ np.linalg.cholesky(np.linalg.inv(plane.T @ curvature(matrix, mode) @ plane))
    normal, log_weights = _normal_nodes(anchors - 1)
    nodes = mode + normal @ spread.T
    d = nodes[:, :, None] - nodes[:, None, :]
    log_density = (matrix * log_ndtr(d)).sum(axis=(1, 2)) - 0.5 * (nodes**2).sum(axis=1)
    log_weights = log_weights + log_density + 0.5 * (normal**2).sum(axis=1)
    return nodes, log_weights - logsumexp(log_weights)


def _normal_nodes(dimensions: int) -> tuple[Floats, Floats]:
    """Nodes `[S, D]` and log weights `[S]` for a standard normal distribution."""
    each = min(_RULE, int(_NODES ** (1 / dimensions) + 1e-9))
    if each < 3:
        from scipy.stats import qmc  # as above

        half = ndtri(qmc.Sobol(dimensions, rng=0).random_base2(11))
        return np.concatenate([half, -half]), np.zeros(2 * len(half))
    line, weights = np.polynomial.hermite_e.hermegauss(each)
    nodes = np.stack(np.meshgrid(*[line] * dimensions, indexing="ij"), axis=-1).reshape(-1, dimensions)
    logs = np.stack(np.meshgrid(*[np.log(weights)] * dimensions, indexing="ij"), axis=-1).reshape(-1, dimensions)
    return nodes, logs.sum(axis=1)


def _monomials(p: Floats) -> Floats:
    """All products of at most `_DEGREE` of the centred preferences `[N, A]`, `[N, monomials]`."""
    u = 2.0 * p.T - 1.0
    known: dict[tuple[int, ...], NDArray[np.float64]] = {(): np.ones(len(p))}
    for degree in range(1, _DEGREE + 1):
        for chosen in combinations_with_replacement(range(len(u)), degree):
            known[chosen] = known[chosen[:-1]] * u[chosen[-1]]
    return np.stack(list(known.values()), axis=1)


def _summary(grid: Floats, log_density: Floats) -> Posterior:
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    density /= density.sum(axis=1, keepdims=True)
    mean = density @ grid
    # the grid is wide enough for E[x^2] - mean^2 to lose no more than three digits
    std = np.sqrt(np.maximum(density @ grid**2 - mean**2, 0.0))
    step = grid[1] - grid[0]
    # a smooth density is the sum of its samples times sinc, whose integral is the sine integral
    below = 0.5 + sici(np.pi * (grid[None, :] - grid[:, None]) / step)[0] / np.pi
    cumulated = density @ below
    low, high = (_quantile(grid, density / step, cumulated, tail) for tail in ((1 - MASS) / 2, (1 + MASS) / 2))
    return Posterior(mean, std, low, high)


def _quantile(grid: Floats, density: Floats, cumulated: Floats, level: float) -> Floats:
    """Where the cumulated density `[N, T]` reaches a level: Newton's method on the cubic through values and slopes."""
    rows = np.arange(len(density))
    right = np.clip((cumulated < level).sum(axis=1), 1, len(grid) - 1)
    step = grid[1] - grid[0]
    below, above = cumulated[rows, right - 1], cumulated[rows, right]
    rise, first, last = above - below, density[rows, right - 1] * step, density[rows, right] * step
    # value = below + first t + second t^2 + third t^3 for t from 0 to 1
    second, third = 3 * rise - 2 * first - last, first + last - 2 * rise
    t = (level - below) / rise
    for _ in range(4):
        error = below + t * (first + t * (second + t * third)) - level
        t = np.clip(t - error / (first + t * (2 * second + 3 * t * third)), 0.0, 1.0)
    return np.asarray(grid[right - 1] + step * t, dtype=np.float64)
