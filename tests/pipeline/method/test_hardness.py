import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.method.hardness import disagreement, hardest, log_softmax, loss, low_confidence

LOGITS = np.log([[0.1, 0.2, 0.4, 0.2, 0.1], [0.0001, 0.0001, 0.0001, 0.0001, 0.9996], [0.2] * 5])


def test_log_softmax_does_not_overflow():
    assert np.exp(log_softmax([[1e4, 0.0], [-1e4, -1e4]])) == pytest.approx(np.array([[1, 0], [0.5, 0.5]]))


def test_the_loss_is_the_cross_entropy_with_the_weak_label():
    assert loss(LOGITS, [0, 4, 3]) == pytest.approx(-np.log([0.1, 0.9996, 0.2]))


def test_confidence_is_the_probability_of_the_best_answer():
    assert low_confidence(LOGITS) == pytest.approx([0.6, 0.0004, 0.8])


def test_teachers_disagree_by_the_spread_of_the_differences_that_they_see():
    first = np.array([[10.0, 20, 30], [0, 0, 0], [1, np.nan, np.nan], [1, np.nan, 5]])
    second = np.array([[15.0, 25, 35], [3, -3, 0], [2, 4, np.nan], [2, 4, 9]])
    spread = disagreement(first, second)
    assert spread[0] == pytest.approx(0), "all see five points, whatever their level is"
    assert spread[1] == pytest.approx(np.std([3, -3, 0]))
    assert np.isnan(spread[2]), "one opinion does not disagree with itself"
    assert spread[3] == pytest.approx(np.std([1, 4]))


PAIRS = [("a", "b"), ("a", "c"), ("d", "e"), ("b", "c")]


def test_the_hardest_come_first_and_ties_go_to_the_smaller_ids():
    assert hardest([1.0, 3, 2, 3], PAIRS, 3) == [1, 3, 2]
    assert hardest([np.nan, 0, np.nan, -1], PAIRS, 4) == [1, 3, 0, 2]


def test_no_video_is_chosen_more_often_than_allowed_while_other_pairs_are_left():
    assert hardest([4.0, 3, 1, 2], PAIRS, 2, most_uses=1) == [0, 2]
    assert hardest([4.0, 3, 1, 2], PAIRS, 3, most_uses=1) == [0, 2, 1], "the number counts more than the limit"


def test_hardness_of_another_number_of_pairs_is_refused():
    with pytest.raises(ValueError, match="of 4 pairs"):
        hardest([1.0], PAIRS, 1)


@given(
    st.lists(st.floats(allow_infinity=False) | st.just(float("nan")), max_size=30),
    st.integers(0, 40),
    st.integers(1, 4),
)
def test_as_many_pairs_as_asked_each_once(values, count, most_uses):
    pairs = [(f"v{k % 7}", f"w{k}") for k in range(len(values))]
    chosen = hardest(values, pairs, count, most_uses)
    assert len(chosen) == len(set(chosen)) == min(count, len(values))
