"""The maximum-a-posteriori qualities of Thurstone's model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_ndtr
from scipy.stats import norm

from pipeline.method import thurstone
from pipeline.method.scale import score_tests, with_tests
from pipeline.method.thurstone import curvature, solve_map

seeds = st.integers(0, 2**32 - 1)
ANCHORS = norm.cdf(np.subtract.outer([-1.2, -0.6, 0.0, 0.6, 1.2], [-1.2, -0.6, 0.0, 0.6, 1.2]))


def _random_matrix(seed, size=6, sharpness=4.0):
    upper = np.triu(1 / (1 + np.exp(-np.random.default_rng(seed).normal(0, sharpness, (size, size)))), 1)
    return upper + np.tril(1 - upper.T, -1) + 0.5 * np.eye(size)


def _loss(m, q):
    return -(m * log_ndtr(q[:, None] - q[None, :])).sum() + 0.5 * (q**2).sum()


@settings(deadline=None, max_examples=50)
@given(seeds, st.floats(0.1, 20), st.sampled_from(["phi", "logistic"]))
def test_map_gradient_vanishes_and_qualities_sum_to_zero(seed, sharpness, link):
    m = _random_matrix(seed, sharpness=sharpness)
    q = solve_map(m, link)
    d = q[:, None] - q[None, :]
    rate = np.exp(norm.logpdf(d) - norm.logcdf(d)) if link == "phi" else 1 / (1 + np.exp(d))
    np.testing.assert_allclose((m * rate).sum(1) - (m * rate).sum(0) - q, 0, atol=1e-10)
    assert abs(q.sum()) < 1e-9


def test_map_maximises_the_published_objective():
    m = _random_matrix(11)
    best = minimize(lambda q: _loss(m, q), np.zeros(6), options={"gtol": 1e-9})
    np.testing.assert_allclose(solve_map(m), best.x, atol=1e-5)


def test_curvature_is_the_negated_hessian():
    m = _random_matrix(5, size=3)
    q, h, eye = solve_map(m), 1e-4, np.eye(3)
    hessian = [
        [
            (
                _loss(m, q + h * (a + b))
                - _loss(m, q + h * (a - b))
                - _loss(m, q + h * (b - a))
                + _loss(m, q - h * (a + b))
            )
            / (4 * h * h)
            for a in eye
        ]
        for b in eye
    ]
    np.testing.assert_allclose(curvature(m, q), hessian, atol=1e-5)


def test_the_terms_of_a_pair_keep_their_digits_in_both_tails():
    d = np.array([-30.0, -8.0, -1e-3, 0.0, 1e-3, 8.0, 30.0])
    value, pull, bend = thurstone._terms(d, np.ones(7), "phi")
    rate = np.exp(norm.logpdf(d) - norm.logcdf(d))
    np.testing.assert_allclose(value, log_ndtr(d), rtol=1e-12)
    np.testing.assert_allclose(pull, rate, rtol=1e-12)
    np.testing.assert_allclose(bend, rate * (d + rate), rtol=1e-9)


def test_map_of_many_is_the_map_of_each(monkeypatch):
    monkeypatch.setattr(thurstone, "_CHUNK", 7)
    beats = np.random.default_rng(0).uniform(size=(30, 5))
    raw = score_tests(ANCHORS, beats)
    for k in (0, 6, 7, 29):
        assert raw[k] == pytest.approx(solve_map(with_tests(ANCHORS, beats[k : k + 1])[0])[-1], abs=1e-10)
    nested = solve_map(with_tests(ANCHORS, beats).reshape(5, 6, 6, 6))
    np.testing.assert_allclose(nested[..., -1].ravel(), raw, atol=1e-10)
    assert solve_map(np.empty((0, 6, 6))).shape == (0, 6)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.full((2, 3), 0.5), "square"),
        (np.array([[0.5, 0.9], [0.9, 0.5]]), "= 1"),
        (np.array([[0.5, 1.2], [-0.2, 0.5]]), "probabilities"),
        (np.array([[0.5, np.nan], [np.nan, 0.5]]), "probabilities"),
    ],
)
def test_map_rejects_what_is_no_preference_matrix(matrix, message):
    with pytest.raises(ValueError, match=message):
        solve_map(matrix)


def test_an_unknown_link_and_a_search_without_end_are_told():
    with pytest.raises(ValueError, match="unknown link"):
        solve_map(ANCHORS, "probit")
    with pytest.raises(ArithmeticError, match="0 Newton steps"):
        thurstone._newton(np.full((1, 1), 0.9), 2, "phi", limit=0)


def test_newton_halves_steps_that_overshoot(monkeypatch):
    solved = thurstone._solved
    calls = []

    def overshooting(a, b):
        calls.append(1)
        return solved(a, b) * (8 if len(calls) < 4 else 1)

    m = _random_matrix(3)
    expected = solve_map(m)
    monkeypatch.setattr(thurstone, "_solved", overshooting)
    np.testing.assert_allclose(solve_map(m), expected, atol=1e-9)
    assert len(calls) > 4
