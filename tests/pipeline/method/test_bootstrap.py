import warnings

import numpy as np
import pytest

from pipeline.method.bootstrap import plcc_interval, srcc_difference, srcc_interval
from pipeline.method.metrics import MetricError, plcc, srcc


@pytest.fixture(scope="module")
def table():
    """Labels, a good model and a weak one, on 300 videos."""
    rng = np.random.default_rng(0)
    labels = rng.normal(size=300)
    return labels, labels + 0.4 * rng.normal(size=300), labels + 2 * rng.normal(size=300)


def test_an_interval_holds_its_figure_and_is_as_wide_as_theory_says(table):
    labels, _, weak = table
    for interval, figure in ((srcc_interval, srcc), (plcc_interval, plcc)):
        ends, value = interval(weak, labels), figure(weak, labels)
        assert ends.low < value < ends.high
        # Fisher's z of a correlation has the deviation 1 / sqrt(N - 3)
        width = (np.arctanh(ends.high) - np.arctanh(ends.low)) * np.sqrt(297) / (2 * 1.96)
        assert 0.8 < width < 1.25


def test_the_same_videos_give_the_same_interval(table):
    labels, good, _ = table
    assert srcc_interval(good, labels) == srcc_interval(good, labels)


def test_a_better_model_is_told_from_a_weaker_one_and_a_model_from_itself_is_not(table):
    labels, good, weak = table
    gap = srcc_difference(good, weak, labels)
    assert gap.value == pytest.approx(srcc(good, labels) - srcc(weak, labels))
    assert 0 < gap.low < gap.value < gap.high
    assert gap.p == pytest.approx(2 / 1001)
    same = srcc_difference(good, 3 * good, labels)
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_a_pair_on_the_same_videos_is_told_apart_better_than_by_two_intervals(table):
    labels, good, _ = table
    nearly = good + 0.15 * np.random.default_rng(1).normal(size=300)
    gap = srcc_difference(good, nearly, labels)
    ends = srcc_interval(good, labels)
    assert gap.high - gap.low < 0.6 * (ends.high - ends.low)


def test_few_videos_have_no_interval():
    with pytest.raises(MetricError, match="needs 10 videos, not 9"):
        srcc_interval(np.arange(9.0), np.arange(9.0))
    with pytest.raises(MetricError, match="the same"):
        srcc_interval(np.ones(20), np.arange(20.0))


@pytest.mark.parametrize("odd_one", ["scores", "labels"])
def test_where_a_third_of_the_draws_are_constant_there_is_no_interval_and_no_warning_of_a_library(odd_one):
    # twelve times 3.1: its mean is not exactly 3.1, so a draw of nothing else seems to have a spread
    odd, other = np.full(12, 3.1), np.arange(12.0) * 7 % 12
    odd[0] = 4.7
    columns = (odd, other) if odd_one == "scores" else (other, odd)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for interval in (srcc_interval, plcc_interval):
            with pytest.raises(MetricError, match=r"in 3\d% of the draws .* no interval"):
                interval(*columns)
        with pytest.raises(MetricError, match="no interval"):
            srcc_difference(columns[0], columns[0][::-1], columns[1])


def test_a_few_constant_draws_are_left_out_without_a_word():
    scores, labels = np.repeat([3.1, 4.7], [17, 3]), np.arange(20.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for interval, figure in ((srcc_interval, srcc), (plcc_interval, plcc)):
            ends = interval(scores, labels)
            assert ends.low < figure(scores, labels) < ends.high
            assert ends.low > 0.1, "a constant draw is no draw without a correlation"
