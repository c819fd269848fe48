"""gMAD selection: the constraint, the limit of uses, the shares of the levels, determinism."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.gmad import select_pairs


def _pool(seed, size):
    rng = np.random.default_rng(seed)
    return rng.normal(50, 15, size), rng.normal(0, 1, size), np.array([f"v{k:05d}" for k in range(size)])


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 2**32 - 1), st.integers(0, 80), st.integers(0, 200), st.integers(1, 12), st.integers(1, 6))
def test_selected_pairs_keep_the_constraint(seed, size, count, levels, max_uses):
    defender, attacker, ids = _pool(seed, size)
    chosen = select_pairs(defender, attacker, ids, count, levels, max_uses)
    assert len(chosen.high) == len(chosen.low) == len(chosen.level) == len(chosen.gap) <= count
    if not len(chosen.gap):
        return
    width = np.ptp(defender) / levels
    assert (np.abs(defender[chosen.high] - defender[chosen.low]) <= width * (1 + 1e-9)).all()
    np.testing.assert_array_equal(chosen.gap, attacker[chosen.high] - attacker[chosen.low])
    assert (chosen.gap > 0).all()
    assert max(Counter([*chosen.high.tolist(), *chosen.low.tolist()]).values()) <= max_uses
    assert len({frozenset(p) for p in zip(chosen.high.tolist(), chosen.low.tolist(), strict=True)}) == len(chosen.gap)
    lower_edge = defender.min() + chosen.level * width
    assert (defender[chosen.high] >= lower_edge - 1e-9).all()
    assert (defender[chosen.low] <= lower_edge + width + 1e-9).all()


def test_the_most_extreme_videos_of_a_level_meet_first():
    attacker = np.array([3.0, 9.0, 1.0, 7.0, 5.0])
    chosen = select_pairs(np.zeros(5), attacker, np.arange(5), count=2)
    assert list(zip(chosen.high, chosen.low, strict=True)) == [(1, 2), (3, 0)]
    assert chosen.gap.tolist() == [8.0, 4.0]
    assert chosen.level.tolist() == [0, 0]


def test_later_passes_shift_the_lower_half():
    attacker = np.array([1.0, 2.0, 3.0, 4.0])
    chosen = select_pairs(np.zeros(4), attacker, np.arange(4), count=99, max_uses=2)
    assert list(zip(chosen.high, chosen.low, strict=True)) == [(3, 0), (2, 1), (3, 1), (2, 0)]
    assert len(select_pairs(np.zeros(4), attacker, np.arange(4), count=99, max_uses=9).gap) == 4


def test_both_roles_use_the_same_function():
    teacher, student, ids = _pool(3, 300)
    attack, defend = select_pairs(teacher, student, ids, 40), select_pairs(student, teacher, ids, 40)
    assert (np.abs(teacher[attack.high] - teacher[attack.low]) <= np.ptp(teacher) / 10 + 1e-9).all()
    assert (np.abs(student[defend.high] - student[defend.low]) <= np.ptp(student) / 10 + 1e-9).all()


def test_levels_share_evenly_and_small_ones_pass_their_share_on():
    defender = np.r_[np.full(40, 0.05), np.full(40, 0.55), [0.95, 0.96], [0.25], np.linspace(0, 1, 2)]
    attacker = np.random.default_rng(0).normal(size=defender.size)
    chosen = select_pairs(defender, attacker, np.arange(defender.size), count=31, max_uses=1)
    counts = Counter(chosen.level.tolist())
    assert counts[9] == 1  # three videos, one pair
    assert counts[0] == counts[5] == 15
    assert set(counts) == {0, 5, 9}


def test_ties_and_row_order_do_not_change_the_choice():
    rng = np.random.default_rng(1)
    defender, attacker = rng.integers(0, 5, 60).astype(float), rng.integers(0, 4, 60).astype(float)
    ids = np.array([f"v{k:02d}" for k in range(60)])
    order = rng.permutation(60)
    here = select_pairs(defender, attacker, ids, 20)
    there = select_pairs(defender[order], attacker[order], ids[order], 20)
    assert ids[here.high].tolist() == ids[order][there.high].tolist()
    assert ids[here.low].tolist() == ids[order][there.low].tolist()


def test_no_disagreement_gives_no_pair():
    assert len(select_pairs(np.arange(6.0), np.full(6, 2.0), np.arange(6), 10, levels=1).gap) == 0
    assert len(select_pairs([], [], [], 10).gap) == 0
    assert len(select_pairs([1.0], [1.0], ["a"], 10).gap) == 0


def test_videos_without_a_score_are_passed_over():
    defender, attacker = np.array([0.0, 0.0, np.nan, 0.0]), np.array([1.0, 2.0, 99.0, np.inf])
    chosen = select_pairs(defender, attacker, np.arange(4), 10)
    assert list(zip(chosen.high, chosen.low, strict=True)) == [(1, 0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [1.0], ["a", "b"], 1), "equal length"),
        (([1.0, 2.0], [1.0, 2.0], ["a", "a"], 1), "occurs twice"),
        (([1.0, 2.0], [1.0, 2.0], ["a", "b"], -1), "must be"),
        (([1.0, 2.0], [1.0, 2.0], ["a", "b"], 1, 0), "must be"),
        (([1.0, 2.0], [1.0, 2.0], ["a", "b"], 1, 10, 0), "must be"),
    ],
)
def test_wrong_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        select_pairs(*arguments)
