import numpy as np
import pytest

from pipeline.method.paired import over_runs, summary


def test_the_interval_of_one_run_is_that_of_its_sources():
    values = np.random.default_rng(1).normal(0.3, 0.1, 1000)
    found = summary([0.3], [values])
    low, high = np.quantile(values, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)
    assert found.spread is None
    assert found.holds_zero is False


def test_runs_that_differ_widen_the_interval_although_each_of_them_is_sure():
    sure = [np.full(1000, value) for value in (-0.2, 0.1, 0.4)]
    found = summary([-0.2, 0.1, 0.4], sure)
    assert found.mean == pytest.approx(0.1)
    assert found.spread == pytest.approx(0.3)
    assert found.low < -0.1
    assert found.high > 0.3
    assert found.holds_zero


def test_more_runs_that_agree_narrow_it():
    random = np.random.default_rng(0)

    def width(runs):
        found = summary([0.1] * runs, [random.normal(0.1, 0.1, 1000) for _ in range(runs)])
        return found.high - found.low

    assert width(9) < 0.6 * width(1)


def test_a_run_that_is_drawn_twice_has_two_draws_of_its_sources():
    values = np.random.default_rng(0).normal(size=4000)
    assert over_runs([values, values], 0).std() == pytest.approx(values.std() / np.sqrt(2), rel=0.05)


def test_the_same_seed_gives_the_same_interval():
    values = [np.random.default_rng(k).normal(size=1000) for k in range(3)]
    assert summary([0, 0, 0], values) == summary([0, 0, 0], values)


def test_an_undefined_measure_has_no_interval_and_nothing_to_hold():
    found = summary([0.1, 0.2], [np.full(1000, np.nan), np.full(1000, 0.2)])
    assert (found.low, found.high, found.holds_zero) == (None, None, None)
    assert summary([0.1], []).low is None


def test_no_runs_are_no_summary():
    with pytest.raises(ValueError, match="at least one run"):
        summary([], [])
