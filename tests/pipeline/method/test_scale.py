"""From logits to scores: probabilities, the MAP estimate, the anchor scale, the choice of anchors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_kit import official_output, official_solve
from scipy.stats import norm, spearmanr

from pipeline.method.scale import (
    anchor_matrix,
    anchor_pairs,
    fit_anchor_scale,
    preference,
    score_tests,
    select_anchors,
    solve_map,
    with_tests,
)

logits = st.lists(st.floats(-30, 30), min_size=5, max_size=5)
seeds = st.integers(0, 2**32 - 1)


def _random_matrix(seed, size=6, sharpness=4.0):
    upper = np.triu(1 / (1 + np.exp(-np.random.default_rng(seed).normal(0, sharpness, (size, size)))), 1)
    return upper + np.tril(1 - upper.T, -1) + 0.5 * np.eye(size)


def _thurstone(qualities):
    q = np.asarray(qualities, dtype=float)
    return norm.cdf(q[:, None] - q[None, :])


ANCHOR_QUALITIES = np.array([-1.2, -0.6, 0.0, 0.6, 1.2])


def test_preference_weights_and_temperature():
    sure = 60 * np.eye(5)
    np.testing.assert_allclose(preference(sure), [0, 0.25, 0.5, 0.75, 1], atol=1e-12)
    np.testing.assert_allclose(preference(np.zeros((2, 3, 5)), 5.0), np.full((2, 3), 0.5))
    assert preference([0, 0, 0, 0, 5.0], 5.0) < preference([0, 0, 0, 0, 5.0], 1.0)
    np.testing.assert_allclose(preference([[0, 1, 2, 3, 4.0]], 2.0), preference([[0, 0.5, 1, 1.5, 2.0]]))


@given(logits, st.floats(0.1, 100))
def test_preference_is_a_probability_and_antisymmetric_in_the_levels(values, temperature):
    p = preference(values, temperature)
    assert 0 <= p <= 1
    np.testing.assert_allclose(p + preference(values[::-1], temperature), 1, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "temperature", "message"),
    [
        ([1.0, 2.0], 1.0, "five logits"),
        (3.0, 1.0, "five logits"),
        ([1.0, 2.0, np.nan, 0.0, 0.0], 1.0, "non-finite"),
        ([0.0] * 5, 0.0, "temperature"),
    ],
)
def test_preference_rejects(values, temperature, message):
    with pytest.raises(ValueError, match=message):
        preference(values, temperature)


@settings(deadline=None)
@given(st.lists(logits, min_size=10, max_size=10), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_matrices_and_their_transposes_sum_to_one(anchor_logits, beats):
    m = with_tests(anchor_matrix(anchor_logits), [beats])[0]
    np.testing.assert_allclose(m + m.T, 1, atol=1e-12)
    np.testing.assert_array_equal(np.diagonal(m), 0.5)
    np.testing.assert_allclose(m[5, :5], beats)


@pytest.mark.parametrize("count", [2, 3, 4, 6, 9])
def test_any_number_of_anchors_has_a_matrix_a_scale_and_scores(count):
    qualities = np.linspace(-1.0, 1.0, count)
    pairs = anchor_pairs(count)
    assert len(set(pairs)) == count * (count - 1) // 2
    wins = norm.cdf([qualities[second] - qualities[first] for first, second in pairs])
    # "superior" with probability p and "inferior" else: the second wins with probability p
    sure = np.log(np.stack([1 - wins, *[np.full(len(wins), 1e-300)] * 3, wins], axis=-1))
    matrix = anchor_matrix(sure)
    np.testing.assert_allclose(matrix, _thurstone(qualities), atol=1e-9)
    line = fit_anchor_scale(matrix, 50 + 20 * qualities)
    assert line.kind == "anchors"
    raw = score_tests(matrix, norm.cdf(np.array([[-2.0], [0.0], [2.0]]) - qualities))
    assert raw[0] < raw[1] < raw[2]


def test_the_second_anchor_of_a_pair_wins_with_superior():
    all_superior = np.tile([0, 0, 0, 0, 60.0], (10, 1))
    np.testing.assert_allclose(anchor_matrix(all_superior), np.tri(5, k=-1) + 0.5 * np.eye(5), atol=1e-12)
    with pytest.raises(ValueError, match=r"every two of them .* not \(9,\)"):
        anchor_matrix(np.zeros((9, 5)))


def test_no_tests_give_no_scores():
    assert score_tests(_thurstone(ANCHOR_QUALITIES), np.empty((0, 5))).shape == (0,)


def test_scores_order_videos_within_and_beyond_the_anchors():
    truth = np.linspace(-4, 4, 41)
    beats = norm.cdf(truth[:, None] - ANCHOR_QUALITIES)
    raw = score_tests(_thurstone(ANCHOR_QUALITIES), beats)
    assert (np.diff(raw) > 0).all()
    assert spearmanr(score_tests(_thurstone(ANCHOR_QUALITIES), beats, "logistic"), truth).statistic == 1


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(0, 4), st.floats(0.01, 0.3))
def test_a_higher_preference_never_lowers_the_score(seed, anchor, more):
    beats = np.random.default_rng(seed).uniform(0, 0.7, 5)
    higher = beats.copy()
    higher[anchor] += more
    raw = score_tests(_thurstone(ANCHOR_QUALITIES), [beats, higher])
    assert raw[1] > raw[0]


def test_wrong_arguments_are_explained():
    anchors = _thurstone(ANCHOR_QUALITIES)
    with pytest.raises(ValueError, match=r"5 anchors need probabilities"):
        with_tests(anchors, np.full((1, 4), 0.5))
    with pytest.raises(ValueError, match="not a probability"):
        with_tests(anchors, [[0.1, 0.2, np.nan, 0.4, 0.5]])


def test_anchor_scale_is_the_least_squares_line_without_clipping():
    known = [39.56, 50.23, 60.62, 69.43, 78.03]
    m = _thurstone(ANCHOR_QUALITIES)
    fitted = fit_anchor_scale(m, known)
    assert fitted.kind == "anchors"
    np.testing.assert_allclose([fitted.slope, fitted.intercept], np.polyfit(solve_map(m), known, 1))
    low, high = fitted(score_tests(m, [np.zeros(5), np.ones(5)]))
    assert low < 39.56
    assert high > 78.03
    assert fitted.deviation(0.5) == pytest.approx(fitted.slope * 0.5)


@pytest.mark.parametrize("qualities", [-ANCHOR_QUALITIES, np.zeros(5)])
def test_anchor_scale_of_a_student_that_does_not_order_its_anchors_still_rises(qualities):
    fitted = fit_anchor_scale(_thurstone(qualities), [10, 30, 50, 70, 90])
    assert fitted.kind == "spread"
    assert fitted.slope == pytest.approx(np.std([10, 30, 50, 70, 90]))
    assert fitted(0.0) == pytest.approx(50)


@pytest.mark.parametrize(
    ("known", "message"), [([1, 2, 3], "finite score"), ([1, 2, 3, 4, np.nan], "finite"), ([5] * 5, "same score")]
)
def test_anchor_scale_rejects(known, message):
    with pytest.raises(ValueError, match=message):
        fit_anchor_scale(_thurstone(ANCHOR_QUALITIES), known)


def test_released_solver_saturates_beyond_the_anchors_and_the_map_scores_do_not():
    anchors = _thurstone(2 * ANCHOR_QUALITIES)
    beats = norm.cdf(np.array([[3.0], [3.5]]) - 2 * ANCHOR_QUALITIES)
    released = official_solve(with_tests(anchors, beats), np.zeros(6), steps=2000)
    np.testing.assert_allclose(official_output(released), [100, 100])
    np.testing.assert_allclose(released, solve_map(with_tests(anchors, beats), "logistic"), atol=1e-5)
    raw = score_tests(anchors, beats)
    assert raw[1] > raw[0]


def test_anchors_are_the_most_agreed_videos_of_five_intervals():
    mean = np.arange(0, 101, 1.0)
    variance = np.full(101, 9.0)
    for k, index in enumerate((8, 32, 51, 66, 94)):
        variance[index] = 1.0 + k
    variance[[0, 20, 41]] = 0.1  # great agreement, but at the edge of an interval
    assert select_anchors(mean, variance) == [8, 32, 51, 66, 94]


def test_anchor_ties_go_to_the_centre_then_to_the_smaller_id():
    mean = np.array([0.0, 9, 11, 30, 50, 70, 90, 100])
    ids = np.array(["h", "g", "f", "e", "d", "c", "b", "a"])
    assert select_anchors(mean, np.ones(8), ids) == [2, 3, 4, 5, 6]
    order = np.array([3, 1, 7, 0, 5, 2, 6, 4])
    assert [order[k] for k in select_anchors(mean[order], np.ones(8), ids[order])] == [2, 3, 4, 5, 6]


def test_an_empty_interval_takes_the_nearest_video_left():
    mean = np.array([0.0, 2, 8, 48, 50, 52, 98, 100, np.nan])
    variance = np.r_[np.ones(8), 0.0]
    anchors = select_anchors(mean, variance)
    assert anchors == sorted(set(anchors))
    assert len(anchors) == 5
    assert {2, 4, 3, 5} <= set(anchors)  # 3 and 5 fill the empty intervals around 30 and 70


def test_anchors_of_equal_means_and_of_too_few_videos():
    assert sorted(select_anchors(np.full(6, 3.0), np.arange(6.0))) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="5 anchors need"):
        select_anchors([1.0, 2, 3, 4, np.nan], np.ones(5))
    with pytest.raises(ValueError, match="equal length"):
        select_anchors(np.ones(6), np.ones(5))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 100), min_size=5, max_size=40), seeds)
def test_anchors_are_distinct_and_rise(means, seed):
    mean = np.array(means)
    chosen = select_anchors(mean, np.random.default_rng(seed).uniform(0, 10, mean.size))
    assert len(set(chosen)) == 5
    assert (np.diff(mean[chosen]) >= 0).all()
