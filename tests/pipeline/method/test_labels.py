"""The five labels: the published inequalities, their orientation, and severity."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.method.labels import ensemble_labels, level_labels, severity_labels

INFERIOR, WORSE, SIMILAR, BETTER, SUPERIOR = range(5)
scores = st.floats(0, 100)
variances = st.floats(0, 400)


@pytest.mark.parametrize(
    ("delta", "label"),
    [
        (-10.001, INFERIOR),
        (-10.0, INFERIOR),
        (-9.999, WORSE),
        (-5.0, WORSE),
        (-4.999, SIMILAR),
        (0.0, SIMILAR),
        (5.0, SIMILAR),
        (5.001, BETTER),
        (10.0, BETTER),
        (10.001, SUPERIOR),
    ],
)
def test_exact_inequalities(delta, label):
    labels, deltas, sigmas = ensemble_labels([0.0], [9.0], [delta], [16.0])
    assert labels.tolist() == [label]
    assert deltas.tolist() == [delta]
    assert sigmas.tolist() == [5.0]


def test_a_better_second_video_is_superior():
    labels, _, _ = ensemble_labels([20.0, 80.0], [1.0, 1.0], [80.0, 20.0], [1.0, 1.0])
    assert labels.tolist() == [SUPERIOR, INFERIOR]


def test_the_floor_keeps_identical_videos_similar():
    labels, _, sigma = ensemble_labels(50.0, 0.0, 50.0, 0.0, floor=0.5)
    assert labels.tolist() == SIMILAR
    assert sigma == 0.5


@given(scores, variances, scores, variances)
def test_labels_are_antisymmetric_away_from_the_boundaries(mean_first, var_first, mean_second, var_second):
    labels, delta, sigma = ensemble_labels(mean_first, var_first, mean_second, var_second)
    assume(all(abs(delta) != k * sigma for k in (1, 2)))
    swapped, _, _ = ensemble_labels(mean_second, var_second, mean_first, var_first)
    assert int(labels) + int(swapped) == 4


@given(scores, variances, scores, variances)
def test_labels_follow_the_table(mean_first, var_first, mean_second, var_second):
    labels, delta, sigma = ensemble_labels(mean_first, var_first, mean_second, var_second)
    holds = [
        delta <= -2 * sigma,
        -2 * sigma < delta <= -sigma,
        -sigma < delta <= sigma,
        sigma < delta <= 2 * sigma,
        delta > 2 * sigma,
    ]
    assert [bool(h) for h in holds] == [k == int(labels) for k in range(5)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.nan, 1.0, 2.0, 1.0), "finite"),
        ((1.0, np.inf, 2.0, 1.0), "finite"),
        ((1.0, -1.0, 2.0, 1.0), "negative"),
        ((1.0, 1.0, 2.0, 1.0, 0.0), "floor"),
    ],
)
def test_ensemble_labels_reject(arguments, message):
    with pytest.raises(ValueError, match=message):
        ensemble_labels(*arguments)


def test_severity_labels_of_all_gaps():
    labels = severity_labels([1, 1, 1, 2, 3, 5, 0], [2, 3, 5, 1, 1, 1, 1])
    assert labels.tolist() == [WORSE, INFERIOR, INFERIOR, BETTER, SUPERIOR, SUPERIOR, WORSE]


@given(st.integers(0, 5), st.integers(0, 5))
def test_severity_is_antisymmetric_and_never_similar(first, second):
    assume(first != second)
    label = int(severity_labels(first, second))
    assert label + int(severity_labels(second, first)) == 4
    assert label != SIMILAR


def test_equal_levels_are_refused():
    with pytest.raises(ValueError, match="same level"):
        severity_labels([1, 2], [2, 2])


@pytest.mark.parametrize(
    ("first", "second", "label"),
    [(5, 95, 4), (95, 5, 0), (5, 25, 3), (25, 5, 1), (21, 39, 2), (30, 100, 4), (0, 19.9, 2)],
)
def test_one_teacher_compares_by_the_levels_of_its_range(first, second, label):
    labels, delta = level_labels([first], [second], 0, 100)
    assert labels.tolist() == [label]
    assert delta.tolist() == [second - first]


def test_scores_beyond_the_range_belong_to_the_level_at_its_end():
    assert level_labels([-50, 100], [5, 150], 0, 100)[0].tolist() == [2, 2]


@pytest.mark.parametrize(("first", "low", "high"), [(float("nan"), 0, 1), (0.5, 1, 1), (0.5, float("nan"), 1)])
def test_levels_need_finite_scores_and_a_range(first, low, high):
    with pytest.raises(ValueError, match=r"finite|empty"):
        level_labels([first], [0.5], low, high)
