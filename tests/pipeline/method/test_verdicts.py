import numpy as np
import pytest

from pipeline.method.resampling import draws, interval
from pipeline.method.verdicts import nearest, pair_means, verdicts

HUMAN = [10.0, 20.0, 22.0, 40.0, 40.0]


@pytest.mark.parametrize(
    ("high", "low", "order", "attacker", "defender"),
    [
        (3, 0, 1, True, False),  # far apart, as the attacker says
        (0, 3, 0, False, False),  # far apart the other way: both are wrong
        (2, 1, 1, False, True),  # the right order, but too near to tell
        (1, 2, 0, False, True),
        (3, 4, 0.5, False, True),
        (2, 0, 1, True, False),
    ],
)
def test_the_attacker_the_defender_or_neither_is_right(high, low, order, attacker, defender):
    found = verdicts([high], [low], HUMAN, 5.0)
    assert (found.order[0], found.attacker[0], found.defender[0]) == (order, attacker, defender)
    assert found.gap[0] == HUMAN[high] - HUMAN[low]


def test_a_gap_of_just_the_tolerance_is_the_defenders():
    found = verdicts([1, 0], [0, 1], HUMAN, 10.0)
    assert found.defender.tolist() == [True, True]
    assert not found.attacker.any()


@pytest.mark.parametrize(("human", "tolerance", "fault"), [([1, np.nan], 1, "human score"), ([1, 2], -1, "negative")])
def test_what_gives_no_verdict_is_refused(human, tolerance, fault):
    with pytest.raises(ValueError, match=fault):
        verdicts([0], [1], human, tolerance)


def test_every_wanted_number_gets_the_nearest_of_its_own():
    offered = [0.0, 1.0, 2.0, 3.0, 10.0]
    assert nearest([2.1, 9.0], offered).tolist() == [2, 4]
    # two that want the same place: the larger takes it, the other the next one
    assert nearest([2.9, 3.1], offered).tolist() == [2, 3]


def test_no_offered_number_is_given_twice():
    offered = np.random.default_rng(0).normal(size=60)
    chosen = nearest(np.full(60, 5.0), offered)
    assert sorted(chosen.tolist()) == list(range(60))


def test_more_wanted_than_offered_numbers_are_refused():
    with pytest.raises(ValueError, match="2 numbers are wanted, and 1 offered"):
        nearest([1, 2], [1])


def test_drawing_every_video_once_gives_the_plain_mean():
    assert pair_means([1, 0, 1], [0, 1, 2], [1, 2, 3], np.arange(4)[None]).tolist() == [pytest.approx(2 / 3)]


def test_a_pair_counts_as_often_as_both_of_its_videos():
    # video 1 twice, video 3 never: the first pair counts 2 times 1, the second 2 times 1, the third not at all
    assert pair_means([1, 0, 5], [0, 1, 2], [1, 2, 3], np.array([[0, 1, 1, 2]])).tolist() == [0.5]


def test_a_draw_without_a_pair_has_no_mean():
    assert np.isnan(pair_means([1.0], [0], [1], np.array([[0, 0]]))).all()


def test_intervals_over_videos_hold_the_truth_where_intervals_over_pairs_do_not():
    """Each video brings its own part of the value, and stands in many pairs."""
    held = {"videos": 0, "pairs": 0}
    rng = np.random.default_rng(0)
    for trial in range(100):
        own = rng.normal(size=40)
        first, second = np.triu_indices(40, k=1)
        values = own[first] + own[second] + rng.normal(size=first.size)
        low, high = interval(pair_means(values, first, second, draws(40, trial, 200)))
        held["videos"] += low <= 0 <= high
        low, high = interval(values[rng.integers(values.size, size=(200, values.size))].mean(axis=1))
        held["pairs"] += low <= 0 <= high
    assert held["videos"] >= 88
    assert held["pairs"] < 60
