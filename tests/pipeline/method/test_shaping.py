"""The choice of a corpus: against brute force, against the integer programme, and against its own bound."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.method import shaping
from pipeline.method.shaping import ShapingError, Target

NAMES = tuple("abcdefghi")


def pool(count, seed=0):
    """Nine correlated indicators of `count` videos."""
    generator = np.random.default_rng(seed)
    weights = np.random.default_rng(9).normal(size=(3, 9))
    return 0.6 * generator.normal(size=(count, 3)) @ weights + generator.normal(size=(count, 9))


def reached(numbers, chosen, goal):
    return shaping.distance(shaping.histogram(numbers[chosen], goal.shape[1]), goal)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("count", "keep"), [(12, 4), (13, 7), (9, 8)])
def test_small_pools_have_the_optimum_of_brute_force(count, keep, seed):
    values = pool(count, seed)[:, : 2 + seed]
    target = shaping.uniform(NAMES[: 2 + seed], values, 3)
    numbers, goal = shaping.bin_numbers(values, target.edges), shaping.goal_counts(target.shares, keep)
    choice = shaping.choose(numbers, goal, keep)
    best = min(reached(numbers, np.array(some), goal) for some in itertools.combinations(range(count), keep))
    assert choice.exact
    assert choice.distance == reached(numbers, choice.videos, goal) == best
    assert choice.bound <= best + 1e-6
    assert len(set(choice.videos.tolist())) == keep


def test_the_relaxation_is_within_two_per_cent_of_the_integer_programme():
    values = pool(2000)
    target = shaping.uniform(NAMES, values, 10)
    numbers, goal = shaping.bin_numbers(values, target.edges), shaping.goal_counts(target.shares, 400)
    exact = shaping.choose(numbers, goal, 400, exact_up_to=2000)
    assert exact.exact
    for chunk in (500, 2000):
        choice = shaping.choose(numbers, goal, 400, chunk=chunk)
        assert len(set(choice.videos.tolist())) == 400
        assert choice.distance == reached(numbers, choice.videos, goal)
        assert choice.bound - 1e-6 <= exact.distance <= choice.distance <= 1.02 * exact.distance
    at_random = np.random.default_rng(0).choice(2000, 400, replace=False)
    assert choice.distance < 0.5 * reached(numbers, at_random, goal)


def test_a_target_that_the_pool_can_give_is_met():
    """Target counts are rounded up, which no choice can reach: the distance equals the bound, with no further error."""
    values, keep = pool(6000), 600
    target = shaping.reference(NAMES, pool(3000, 5) * 0.6, 8)
    numbers, goal = shaping.bin_numbers(values, target.edges), shaping.goal_counts(target.shares, keep)
    excess = int(goal.sum()) - keep * len(NAMES)
    choice = shaping.choose(numbers, goal, keep, chunk=2000)
    assert choice.bound >= excess - 1e-6
    assert choice.distance <= excess + 0.01 * keep * len(NAMES)


def test_the_same_seed_gives_the_same_choice_whatever_the_pool_holds():
    values = pool(1500)
    target = shaping.uniform(NAMES, values, 10)
    numbers, goal = shaping.bin_numbers(values, target.edges), shaping.goal_counts(target.shares, 100)
    first, second, other = (shaping.choose(numbers, goal, 100, seed, chunk=500).videos for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_videos_of_equal_bins_are_counted_not_told_apart():
    numbers = np.repeat(np.array([[0, 0], [1, 1], [0, 1]], np.uint8), [50, 30, 20], axis=0)
    goal = np.array([[10, 10], [4, 16]])
    choice = shaping.choose(numbers, goal, 20)
    assert choice.distance == 0
    assert shaping.histogram(numbers[choice.videos], 2).tolist() == goal.tolist()


def test_everything_is_kept_where_there_is_no_choice():
    values = pool(40)
    target = shaping.uniform(NAMES, values, 4)
    numbers, goal = shaping.bin_numbers(values, target.edges), shaping.goal_counts(target.shares, 40)
    assert shaping.choose(numbers, goal, 40).videos.tolist() == list(range(40))


def test_bins_are_open_to_their_sides_and_closed_below():
    edges = np.array([[0.0, 1.0, 2.0, 3.0]])
    values = np.array([-9.0, 0.0, 0.99, 1.0, 2.5, 3.0, 99.0])[:, None]
    assert shaping.bin_numbers(values, edges)[:, 0].tolist() == [0, 0, 0, 1, 2, 2, 2]


def test_equal_bins_ignore_single_odd_videos_and_survive_a_constant():
    values = np.column_stack([np.r_[np.linspace(0, 1, 999), 1e9], np.full(1000, 7.0)])
    edges = shaping.equal_bins(values, 4)
    assert edges[0, -1] < 2
    assert edges[1].tolist() == [7.0, 7.25, 7.5, 7.75, 8.0]
    shares = shaping.reference(("x", "y"), values, 4).shares
    assert shares.sum(axis=1) == pytest.approx([1, 1])


def test_wanted_counts_are_rounded_up_as_published():
    assert shaping.goal_counts(np.array([[0.1, 0.25, 0.65]]), 10).tolist() == [[1, 3, 7]]
    assert shaping.goal_counts(np.full((1, 10), 0.1), 30).tolist() == [[3] * 10], "a rounding error is no video"


@pytest.mark.parametrize(
    ("edges", "shares", "message"),
    [
        ([[0, 1, 1]], [[0.5, 0.5]], "edges of a do not rise"),
        ([[0, 1, 2]], [[0.5, 0.4]], "shares of a add up to 0.9"),
        ([[0, 1, 2]], [[1.5, -0.5]], "shares of a"),
        ([[0, 1, 2]], [[1.0]], "differ"),
        ([[0, 1, np.nan]], [[0.5, 0.5]], "do not rise"),
    ],
)
def test_a_target_that_is_none_is_refused(edges, shares, message):
    with pytest.raises(ShapingError, match=message):
        Target(("a",), np.array(edges, float), np.array(shares))


def test_a_request_that_cannot_be_met_is_refused():
    numbers = np.zeros((3, 1), np.uint8)
    for keep in (0, 4):
        with pytest.raises(ShapingError, match="cannot be chosen from 3"):
            shaping.choose(numbers, np.array([[keep]]), keep)
    with pytest.raises(ShapingError, match="not finite"):
        shaping.bin_numbers(np.array([[np.nan]]), np.array([[0.0, 1.0]]))
    with pytest.raises(ShapingError, match="300 bins"):
        shaping.bin_numbers(np.zeros((1, 1)), np.arange(301.0)[None])
