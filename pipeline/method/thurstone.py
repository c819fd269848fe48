"""Thurstone's model of paired comparisons: qualities q with a standard normal prior, P(i beats j) = F(q_i - q_j).

F is the standard normal distribution ("phi", Thurstone Case V, as in CVPR 2026, equation 35) or the logistic. A preference
matrix M states one comparison of every two items, M[i, j] = P(i beats j), so the log posterior of q is
sum_ij M_ij log F(q_i - q_j) - sum_i q_i^2 / 2 up to a constant. It is concave, and only the prior sees a common shift.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx, expit

Floats = NDArray[np.float64]
Link = Literal["phi", "logistic"]

_CHUNK = 4096  # matrices at once: the arrays [36, chunk] of a Newton step stay in a processor's cache


def solve_map(matrix: ArrayLike, link: Link = "phi", counts: ArrayLike | None = None) -> Floats:
    """Maximum-a-posteriori qualities `[..., K]` from preference matrices `[..., K, K]`, by Newton's method from 0.

    The optimum has sum q = 0, as the published constraint asks, because the likelihood ignores a common shift.

    Args:
        matrix: M.
        link: F.
        counts: How often two items were compared `[..., K, K]`, symmetric; once each without it.

    Raises:
        ValueError: M is not a preference matrix.
        ArithmeticError: Newton's method does not converge.
    """
    if link not in ("phi", "logistic"):
        raise ValueError(f"unknown link {link!r}: use 'phi' or 'logistic'")
    m = checked(matrix)
    items = m.shape[-1]
    first, second = _pairs(items)
    wins = m.reshape(-1, items, items)[:, first, second]
    often = None if counts is None else _counts(counts, m)[:, first, second]
    q = np.empty((len(wins), items))
    for k in range(0, len(wins), _CHUNK):
        times = None if often is None else often[k : k + _CHUNK].T
        q[k : k + _CHUNK] = _newton(np.ascontiguousarray(wins[k : k + _CHUNK].T), items, link, times).T
    return q.reshape(m.shape[:-1])


def _counts(counts: ArrayLike, matrix: Floats) -> Floats:
    times = np.asarray(counts, np.float64)
    if times.shape != matrix.shape or not (times >= 0).all() or (times != np.swapaxes(times, -1, -2)).any():
        raise ValueError(f"counts of comparisons are {matrix.shape} numbers, symmetric, none below zero")
    return times.reshape(-1, *times.shape[-2:])


def curvature(matrix: ArrayLike, qualities: ArrayLike) -> Floats:
    """Negated Hessian `[K, K]` of the log posterior of one matrix `[K, K]` at qualities `[K]`, normal link."""
    m, q = checked(matrix), np.asarray(qualities, dtype=np.float64)
    items = len(q)
    first, second = _pairs(items)
    _, _, bend = _terms((q[first] - q[second])[:, None], m[first, second][:, None], "phi")
    return _curvature(bend, _incidence(items))[:, :, 0]


def checked(matrix: ArrayLike) -> Floats:
    """The matrix as float64 `[..., K, K]`.

    Raises:
        ValueError: It is not square, or does not hold probabilities with M[i, j] + M[j, i] = 1.
    """
    m = np.asarray(matrix, dtype=np.float64)
    if m.ndim < 2 or m.shape[-1] != m.shape[-2]:
        raise ValueError(f"a preference matrix is square, not {m.shape}")
    if not ((m >= 0) & (m <= 1)).all() or not np.allclose(m + np.swapaxes(m, -1, -2), 1.0, rtol=0, atol=1e-6):
        raise ValueError("a preference matrix holds probabilities with M[i, j] + M[j, i] = 1")
    return m


def checked_wins(p: ArrayLike, anchors: int) -> Floats:
    """P(test beats anchor) as float64 `[N, anchors]`.

    Raises:
        ValueError: These are no probabilities for so many anchors.
    """
    wins = np.asarray(p, dtype=np.float64)
    if wins.ndim != 2 or wins.shape[1] != anchors:
        raise ValueError(f"{anchors} anchors need probabilities [N, {anchors}], not {wins.shape}")
    if not ((wins >= 0) & (wins <= 1)).all():
        raise ValueError("a preference is not a probability between 0 and 1")
    return wins


def _pairs(items: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first, second = zip(*combinations(range(items), 2), strict=True)
    return np.array(first), np.array(second)


def _incidence(items: int) -> Floats:
    """`[pairs, items]`: 1 for the first and -1 for the second of a pair, so that incidence @ q are the differences."""
    first, second = _pairs(items)
    rows = np.arange(len(first))
    incidence = np.zeros((len(first), items))
    incidence[rows, first], incidence[rows, second] = 1.0, -1.0
    return incidence


def _terms(d: Floats, wins: Floats, link: Link) -> tuple[Floats, Floats, Floats]:
    """wins log F(d) + (1 - wins) log F(-d), its derivative, and its negated second derivative.

    All come from one special function of |d|, which never underflows. Who is ahead is expected to win.
    """
    ahead, size = d >= 0, np.abs(d)
    expected = np.where(ahead, wins, 1.0 - wins)
    upset = 1.0 - expected
    if link == "logistic":
        small, large = expit(-size), expit(size)
        log_large = -np.log1p(np.exp(-size))
        log_small = log_large - size
        bend = small * large
    else:
        scaled, bell = erfcx(size / np.sqrt(2.0)), np.exp(-0.5 * size * size)
        tail = 0.5 * scaled * bell
        log_large, log_small = np.log1p(-tail), np.log(0.5 * scaled) - 0.5 * size * size
        small, large = bell / (np.sqrt(2.0 * np.pi) * (1.0 - tail)), np.sqrt(2.0 / np.pi) / scaled
        bend = expected * small * (size + small) + upset * large * (large - size)
    pull = np.where(ahead, 1.0, -1.0) * (expected * small - upset * large)
    return expected * log_large + upset * log_small, pull, bend


def _curvature(bend: Floats, incidence: Floats) -> Floats:
    """I + D' diag(bend) D `[K, K, N]` for bends `[pairs, N]`: the prior and the comparisons."""
    pairs, items = incidence.shape
    squares = (incidence[:, :, None] * incidence[:, None, :]).reshape(pairs, -1)
    return (squares.T @ bend + np.eye(items).reshape(-1, 1)).reshape(items, items, -1)


def _solved(a: Floats, b: Floats) -> Floats:
    """x of a x = b for symmetric positive definite a `[K, K, N]`, b `[K, N]`, both overwritten.

    Elimination over the whole batch: LAPACK is called once for each matrix, which costs thirty times as much at K = 6.
    """
    size = len(b)
    for k in range(size):
        factor = a[k + 1 :, k] / a[k, k]
        a[k + 1 :, k + 1 :] -= factor[:, None] * a[k, k + 1 :]
        b[k + 1 :] -= factor * b[k]
    for k in reversed(range(size)):
        b[k] = (b[k] - (a[k, k + 1 :] * b[k + 1 :]).sum(axis=0)) / a[k, k]
    return b


def _newton(
    wins: Floats, items: int, link: Link, times: Floats | None = None, tolerance: float = 1e-11, limit: int = 100
) -> Floats:
    """Qualities `[K, N]` from the wins `[pairs, N]` of the first of each pair, which was compared so many times; None: once."""
    incidence = _incidence(items)

    def at(q: Floats) -> tuple[Floats, Floats, Floats]:
        """Objective [N], gradient [K, N] and bends [pairs, N]."""
        value, pull, bend = _terms(incidence @ q, wins, link)
        if times is not None:
            value, pull, bend = times * value, times * pull, times * bend
        return value.sum(axis=0) - 0.5 * (q * q).sum(axis=0), incidence.T @ pull - q, bend

    q: Floats = np.zeros((items, wins.shape[1]))
    value, gradient, bend = at(q)
    for _ in range(limit):
        if np.abs(gradient).max() < tolerance:
            return q
        step = _solved(_curvature(bend, incidence), gradient)
        length = np.ones(wins.shape[1])
        trial, gradient, bend = at(q + step)
        while (worse := trial < value - 1e-9).any():  # halve the step if the full one overshoots
            length[worse] *= 0.5
            trial, gradient, bend = at(q + length * step)
        q, value = q + length * step, trial
    raise ArithmeticError(f"the scores did not converge in {limit} Newton steps")
