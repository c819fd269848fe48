"""Sampling of pairs: limits, distinctness, determinism, independence of the input order."""

import random
from collections import Counter
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.method import pairs as module
from pipeline.method.pairs import Copy, deduplicate, pair_id, presented, sample_pairs, synthetic_pairs


def _ids(n):
    return [f"video-{k:05d}" for k in range(n)]


def _copies(sources=4, distortions=("blur", "noise"), levels=range(6)):
    return [Copy(f"{s}-{d}-{i}", f"s{s}", d, i) for s in range(sources) for d in distortions for i in levels]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 40), st.integers(0, 120), st.integers(1, 6), st.integers(0, 1000))
def test_pairs_are_distinct_and_within_the_limit(videos, count, max_uses, seed):
    pairs = sample_pairs(_ids(videos), count, seed, max_uses)
    uses = Counter(video for pair in pairs for video in pair)
    assert len({frozenset(pair) for pair in pairs}) == len(pairs) <= count
    assert all(a != b for a, b in pairs)
    assert max(uses.values(), default=0) <= max_uses
    if len(pairs) < count:  # maximal: the videos with uses left are all paired with each other
        left = [video for video in _ids(videos) if uses[video] < max_uses]
        keys = {frozenset(pair) for pair in pairs}
        assert all(frozenset(pair) in keys for pair in combinations(left, 2))


def test_large_pools_are_drawn_not_listed(monkeypatch):
    monkeypatch.setattr(module, "_ENUMERABLE", 10)
    pairs = sample_pairs(_ids(400), 500, seed=3)
    assert len(pairs) == 500
    assert len({frozenset(pair) for pair in pairs}) == 500
    assert max(Counter(video for pair in pairs for video in pair).values()) <= 5


def test_all_pairs_of_a_small_pool_can_be_taken():
    assert {frozenset(p) for p in sample_pairs(_ids(5), 99, seed=1)} == {frozenset(p) for p in combinations(_ids(5), 2)}


@pytest.mark.parametrize("enumerable", [10, 200_000])
def test_only_accepted_pairs_are_taken_and_all_of_them_if_need_be(monkeypatch, enumerable):
    monkeypatch.setattr(module, "_ENUMERABLE", enumerable)

    def near(first, second):
        assert first < second
        return int(second.removeprefix("video-")) - int(first.removeprefix("video-")) == 1

    pairs = sample_pairs(_ids(60), 1000, seed=2, accept=near)
    assert {frozenset(pair) for pair in pairs} == {frozenset(pair) for pair in pairwise(_ids(60))}
    assert len(pairs) == 59


def test_the_order_of_the_input_does_not_matter_and_the_seed_does():
    shuffled = _ids(60)
    random.Random(0).shuffle(shuffled)
    assert sample_pairs(shuffled + shuffled[:5], 80, seed=7) == sample_pairs(_ids(60), 80, seed=7)
    assert sample_pairs(_ids(60), 80, seed=8) != sample_pairs(_ids(60), 80, seed=7)


def test_presentation_order_is_balanced():
    pairs = sample_pairs(_ids(2000), 4000, seed=5)
    assert 0.46 < sum(a < b for a, b in pairs) / 4000 < 0.54


def test_excluded_pairs_do_not_return():
    ids = _ids(6)
    old = sample_pairs(ids, 8, seed=1)
    new = sample_pairs(ids, 99, seed=2, exclude=[*((b, a) for a, b in old), ("unknown", ids[0])])
    assert not {frozenset(p) for p in old} & {frozenset(p) for p in new}
    assert len(new) == 7


@pytest.mark.parametrize(("count", "max_uses"), [(-1, 5), (3, 0)])
def test_impossible_requests_raise(count, max_uses):
    with pytest.raises(ValueError, match="max_uses"):
        sample_pairs(_ids(4), count, 0, max_uses)


def test_synthetic_pairs_stay_within_source_and_distortion():
    pairs = synthetic_pairs(_copies(), None, seed=0)
    assert len(pairs) == 4 * 2 * 10
    for pair in pairs:
        assert (pair.first.source_id, pair.first.distortion) == (pair.second.source_id, pair.second.distortion)
        assert pair.first.level != pair.second.level
        assert min(pair.first.level, pair.second.level) >= 1
    unordered = {frozenset((pair.first.video_id, pair.second.video_id)) for pair in pairs}
    assert len(unordered) == len(pairs)
    assert {pair.first.level < pair.second.level for pair in pairs} == {True, False}


def test_pristine_copies_take_part_on_request():
    pairs = synthetic_pairs(_copies(), None, seed=0, include_pristine=True)
    assert len(pairs) == 4 * 2 * 15
    assert any(pair.first.level == 0 for pair in pairs)


def test_synthetic_pairs_are_a_seeded_sample_independent_of_order():
    copies = _copies()
    shuffled = copies[:]
    random.Random(1).shuffle(shuffled)
    chosen = synthetic_pairs(copies, 12, seed=4)
    assert len(chosen) == 12
    assert synthetic_pairs(shuffled, 12, seed=4) == chosen
    assert synthetic_pairs(copies, 12, seed=5) != chosen


def test_levels_that_failed_leave_the_remaining_pairs():
    copies = [Copy("x", "s", "blur", 1), Copy("y", "s", "blur", 4), Copy("alone", "s", "noise", 2)]
    (pair,) = synthetic_pairs(copies, 10, seed=0)
    assert {pair.first.video_id, pair.second.video_id} == {"x", "y"}
    assert synthetic_pairs([], 10, seed=0) == []


def test_a_level_that_occurs_twice_is_refused():
    with pytest.raises(ValueError, match="level 2 of blur twice"):
        synthetic_pairs([Copy("x", "s", "blur", 2), Copy("y", "s", "blur", 2)], None, seed=0)


def test_pair_ids_are_stable_and_depend_on_order_and_origin():
    assert pair_id("a", "b", "ensemble") == "ba4df460321c92325b4c"
    names = {
        pair_id(*key) for key in [("a", "b", "gmad"), ("b", "a", "gmad"), ("a", "b", "missed"), ("a b", "", "gmad")]
    }
    assert len(names) == 4


def test_presentation_depends_on_the_pair_not_its_order():
    for a, b in combinations(_ids(8), 2):
        assert presented((a, b), seed=3) == presented((b, a), seed=3)


def test_deduplicate_keeps_the_first_of_unordered_pairs():
    pairs = [("a", "b"), ("b", "a"), ("c", "c"), ("c", "d"), ("a", "b"), ("e", "f")]
    assert deduplicate(pairs) == [0, 3, 5]
    assert deduplicate(pairs, earlier=[("d", "c")]) == [0, 5]
