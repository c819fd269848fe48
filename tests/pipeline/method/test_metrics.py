"""Measures of agreement, checked against SciPy, against hand-made cases and against the published tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.method.metrics import (
    MetricError,
    agreement,
    krcc,
    pairwise_accuracy,
    plcc,
    rmse,
    srcc,
    weighted_overall,
    within_source_srcc,
)

# CVPR 2026, main results: SRCC per benchmark and the printed overall value.
IN_DOMAIN = (7182, 3573, 1200, 585, 1020)
OUT_OF_DOMAIN = (600, 357, 480, 1200, 2926)
TABLE = [
    ("DOVER", IN_DOMAIN, (0.878, 0.782, 0.874, 0.817, 0.771), 0.842),
    ("Q-Align", IN_DOMAIN, (0.886, 0.761, 0.876, 0.783, 0.834), 0.844),
    ("II", IN_DOMAIN, (0.883, 0.804, 0.883, 0.799, 0.843), 0.856),
    ("V", IN_DOMAIN, (0.886, 0.803, 0.898, 0.810, 0.858), 0.860),
    ("VI", IN_DOMAIN, (0.893, 0.807, 0.902, 0.818, 0.852), 0.865),
    ("VI plcc", IN_DOMAIN, (0.889, 0.837, 0.901, 0.846, 0.858), 0.872),
    ("DOVER", OUT_OF_DOMAIN, (0.647, 0.694, 0.360, 0.368, 0.559), 0.519),
    ("II", OUT_OF_DOMAIN, (0.688, 0.769, 0.456, 0.455, 0.649), 0.602),
    ("IV", OUT_OF_DOMAIN, (0.708, 0.796, 0.523, 0.579, 0.713), 0.672),
    ("VI", OUT_OF_DOMAIN, (0.723, 0.799, 0.683, 0.698, 0.772), 0.745),
    ("VI plcc", OUT_OF_DOMAIN, (0.776, 0.828, 0.749, 0.758, 0.807), 0.789),
]


def _sample(seed=0, size=200):
    rng = np.random.default_rng(seed)
    labels = rng.uniform(0, 100, size)
    return 1 / (1 + np.exp(-(labels - 40) / 8)) + rng.normal(0, 0.03, size), labels


def test_measures_agree_with_scipy():
    scores, labels = _sample()
    labels = np.round(labels)  # ties
    result = agreement(scores, labels)
    assert result.srcc == pytest.approx(stats.spearmanr(scores, labels).statistic)
    assert result.plcc == pytest.approx(stats.pearsonr(scores, labels).statistic)
    assert result.krcc == pytest.approx(stats.kendalltau(scores, labels).statistic)
    assert (result.count, result.dropped) == (200, 0)
    assert (srcc(scores, labels), plcc(scores, labels), krcc(scores, labels)) == (
        result.srcc,
        result.plcc,
        result.krcc,
    )


def test_the_logistic_mapping_helps_saturating_scores():
    labels, scores = _sample()  # labels saturate with the score
    result = agreement(scores, labels)
    assert result.mapping == "logistic"
    assert result.plcc_mapped > result.plcc + 0.01
    assert result.plcc_mapped == plcc(scores, labels, mapped=True)
    assert result.rmse == pytest.approx(rmse(scores, labels, mapped=True))
    assert result.rmse < np.std(labels)


def _error(predicted, labels):
    return np.sqrt(np.mean((predicted - labels) ** 2))


def test_a_reversed_predictor_keeps_its_sign():
    scores, labels = _sample()
    result = agreement(-scores, labels)
    assert result.srcc < -0.9
    assert result.plcc_mapped == plcc(-scores, labels, mapped=True) == result.plcc < -0.9
    assert result.rmse == pytest.approx(np.std(labels)), "no rising line is nearer to them than their mean"
    assert (result.mapping, result.mapping_reason) == ("linear", "the scores run against the labels")


@pytest.mark.parametrize("noise", [1e-3, 0.05])
def test_a_curve_without_a_second_level_is_mapped_by_the_nearest_logistic(noise):
    # Fits run away to a far level, or are still on the way there when the search ends.
    rng = np.random.default_rng(4)
    scores = rng.uniform(0, 1, 200)
    labels = np.exp(4 * scores) * (1 + noise * rng.normal(size=200))
    result = agreement(scores, labels)
    assert result.mapping == "logistic"
    assert result.rmse < 1.1 * _error(np.exp(4 * scores), labels) + 0.01
    assert result.rmse < 0.4 * _error(np.polyval(np.polyfit(scores, labels, 1), scores), labels)
    assert result.plcc_mapped > result.plcc + 0.05
    assert result.mapping_reason == ""


def test_a_step_is_what_least_squares_say_of_two_groups():
    scores = np.linspace(0, 1, 40)
    result = agreement(scores, np.where(scores > 0.5, 80.0, 20.0))
    assert (result.mapping, result.plcc_mapped) == ("logistic", pytest.approx(1))
    assert result.rmse < 0.01


def test_where_there_is_no_logistic_a_line_of_least_squares_stands_in_and_says_why():
    scores, labels = np.array([1.0, 2.0, 3.0, 4.0, 9.0]), np.array([2.0, 1.0, 4.0, 3.0, 5.0])
    result = agreement(scores, labels)
    assert result.rmse == pytest.approx(_error(np.polyval(np.polyfit(scores, labels, 1), scores), labels))
    assert result.plcc_mapped == pytest.approx(result.plcc)
    assert (result.mapping, result.mapping_reason[:18]) == ("linear", "5 points are fewer")


def test_rows_that_are_not_finite_are_dropped_and_counted():
    scores, labels = _sample()
    clean = agreement(scores, labels)
    holed = agreement(np.r_[scores, np.nan, 1.0, np.inf], np.r_[labels, 1.0, np.nan, 5.0])
    assert (holed.srcc, holed.rmse, holed.dropped) == (clean.srcc, clean.rmse, 3)


def test_rmse_raw():
    assert rmse([1.0, 2.0, np.nan], [1.0, 4.0, 9.0]) == pytest.approx(np.sqrt(2))
    assert rmse([3.0], [3.0]) == 0


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [1.0], "equal length"),
        ([1.0, np.nan], [1.0, 2.0], r"only 1 rows.*\(1 dropped\)"),
        ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0], "all 3 scores are the same"),
        ([1.0, 2.0, 3.0], [4.0, 4.0, 4.0], "all 3 labels are the same"),
    ],
)
@pytest.mark.parametrize("measure", [srcc, plcc, krcc, agreement])
def test_undefined_measures_raise(measure, scores, labels, message):
    with pytest.raises(MetricError, match=message):
        measure(scores, labels)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=40))
def test_rank_measures_ignore_monotone_maps_and_flip_with_the_sign(rows):
    scores, labels = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    if np.ptp(scores) == 0 or np.ptp(labels) == 0:
        with pytest.raises(MetricError):
            srcc(scores, labels)
        return
    for measure in (srcc, krcc):
        value = measure(scores, labels)
        assert -1 <= value <= 1
        assert measure(scores**3 + 7, labels) == pytest.approx(value, abs=1e-12)
        assert measure(-scores, labels) == pytest.approx(-value, abs=1e-12)


def test_within_source_srcc_ignores_small_and_constant_groups():
    groups = ["a"] * 4 + ["b"] * 4 + ["pair"] * 2 + ["flat"] * 3 + ["holed"] * 3
    labels = [1, 2, 3, 4, 10, 20, 30, 40, 1, 2, 5, 5, 5, 1, 2, np.nan]
    scores = [1, 2, 3, 4, 9, 8, 7, 6, 1, 2, 1, 2, 3, 1, 2, 3.0]
    result = within_source_srcc(scores, labels, groups)
    assert (result.value, result.used, result.ignored) == (0.0, 2, 3)


def test_within_source_srcc_is_blind_to_content_and_counts_constant_scores_as_zero():
    groups = np.repeat(["a", "b"], 4)
    result = within_source_srcc([1, 2, 3, 4, 101, 102, 103, 104], [71, 72, 73, 74, 1, 2, 3, 4], groups)
    assert result.value == pytest.approx(1)
    assert within_source_srcc([5, 5, 5, 5, 1, 2, 3, 4], [1, 2, 3, 4, 1, 2, 3, 4], groups).value == pytest.approx(0.5)


def test_within_source_srcc_without_a_usable_group():
    with pytest.raises(MetricError, match="none of 2 groups"):
        within_source_srcc([1, 2, 3], [1, 2, 3], ["a", "a", "b"])
    with pytest.raises(MetricError, match="2 group names for 3 rows"):
        within_source_srcc([1, 2, 3], [1, 2, 3], ["a", "a"])


def test_pairwise_accuracy_of_all_rows():
    result = pairwise_accuracy([1, 2, 3, 3], [1, 2, 4, 3])
    assert (result.value, result.used, result.ignored) == (pytest.approx(5.5 / 6), 6, 0)  # the tie counts half


def test_pairwise_accuracy_within_groups_and_above_a_gap():
    result = pairwise_accuracy([1, 2, 9, 1], [10, 30, 31, 50], ["a", "a", "b", "b"])
    assert (result.value, result.used) == (0.5, 2)
    result = pairwise_accuracy([1, 2, 9, 1], [10, 30, 31, 50], ["a", "a", "b", "b"], min_gap=20)
    assert (result.value, result.used, result.ignored) == (1.0, 1, 1)
    result = pairwise_accuracy([1, np.nan, 3], [1, 2, 3])
    assert (result.value, result.used) == (1.0, 1)
    with pytest.raises(MetricError, match="differ by 90"):
        pairwise_accuracy([1, 2], [10, 30], min_gap=90)


@pytest.mark.parametrize(("name", "counts", "values", "printed"), TABLE, ids=[f"{r[0]}-{r[3]}" for r in TABLE])
def test_weighted_overall_reproduces_the_published_rows(name, counts, values, printed):
    assert weighted_overall(values, counts) == pytest.approx(printed, abs=0.00101)


@pytest.mark.parametrize(
    ("values", "counts", "message"),
    [
        ([], [], "finite value"),
        ([0.5, np.nan], [1, 2], "finite value"),
        ([0.5], [0], "not all zero"),
        ([0.5, 0.4], [3, -1], "negative"),
        ([0.5, 0.4], [3], "equal length"),
    ],
)
def test_weighted_overall_rejects(values, counts, message):
    with pytest.raises(MetricError, match=message):
        weighted_overall(values, counts)
