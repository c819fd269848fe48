import numpy as np
import pytest

from pipeline.method.stretches import worst_stretches


def test_a_dip_is_found_with_the_neighbours_that_belong_to_it():
    scores = [70, 71, 70, 60, 42, 44, 69, 70, 71, 55, 70]
    assert worst_stretches(scores) == [(4, 6), (9, 10)]
    assert worst_stretches(scores, most=1) == [(4, 6)]


def test_a_dip_beside_a_dip_is_one_of_its_own_if_the_curve_rises_between_them():
    assert worst_stretches([70, 70, 71, 40, 60, 45, 70, 71, 70, 70]) == [(3, 4), (5, 6)]


@pytest.mark.parametrize("scores", [[50.0] * 9, [50.0, 50.4, 49.8, 50.1], [40.0], [], [np.nan, np.nan, 3.0]])
def test_a_level_curve_has_no_stretch(scores):
    assert worst_stretches(scores) == []


def test_a_curve_that_always_sways_has_no_stretch():
    assert worst_stretches(60 + 8 * np.sin(np.arange(60))) == []


def test_a_point_without_a_score_ends_a_stretch():
    scores = [70, 70, 71, 40, np.nan, 41, 70, 71, 70, 70]
    assert worst_stretches(scores) == [(3, 4), (5, 6)]


def test_the_order_is_by_depth_and_not_by_time():
    scores = np.full(40, 80.0) + 0.1 * np.arange(40)
    scores[5], scores[20], scores[30], scores[35] = 60, 30, 50, 40
    assert worst_stretches(scores) == [(20, 21), (35, 36), (30, 31)]
