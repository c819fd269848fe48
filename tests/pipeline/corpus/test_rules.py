from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.distortions.table import DISTORTIONS, suite
from actors.media.rows import parse_recipe
from pipeline.corpus.rules import PRISTINE, degradation, heldout_contents, pool_recipe, pool_rounds, short_id, shuffled

NAMES = st.lists(st.text("abcdefgh0123", min_size=1, max_size=6), max_size=40, unique=True)


@given(NAMES.filter(lambda names: len(names) >= 3), st.floats(0.01, 0.99), st.integers(0, 99), st.randoms())
def test_some_contents_are_held_out_and_some_are_left(names, share, seed, random):
    chosen = heldout_contents(names, share, seed)
    assert chosen < set(names)
    assert 1 <= len(chosen) <= len(names) - 2, "training needs two contents to make a pair"
    mixed = [*names, *names[:2]]
    random.shuffle(mixed)
    assert heldout_contents(mixed, share, seed) == chosen, "neither the order nor repetition changes the choice"


def test_too_few_contents_are_never_held_out():
    assert [heldout_contents(names, 0.9, 0) for names in ([], ["a"], ["a", "b"])] == [set(), set(), set()]


def test_the_seed_chooses_the_contents_that_are_held_out():
    names = [f"v{k}" for k in range(40)]
    assert len({frozenset(heldout_contents(names, 0.25, seed)) for seed in range(8)}) == 8
    assert len(heldout_contents(names, 0.25, 0)) == 10


@given(NAMES, st.integers(0, 99), st.randoms())
def test_rounds_take_the_published_shares(names, seed, random):
    rounds = pool_rounds(names, seed)
    counts = Counter(rounds.values())
    assert set(rounds) == set(names)
    assert set(counts) <= {1, 2, 3}
    for number, share in ((1, 4 / 7), (2, 2 / 7), (3, 1 / 7)):
        assert abs(counts[number] - share * len(names)) <= 1
    random.shuffle(names)
    assert pool_rounds(names, seed) == rounds


def test_seven_windows_enter_as_four_two_and_one():
    assert Counter(pool_rounds([f"v{k}" for k in range(7)], 3).values()) == {1: 4, 2: 2, 3: 1}


@settings(max_examples=60)
@given(st.text("abc", min_size=1, max_size=4), st.integers(1, 4), st.integers(0, 999))
def test_degradations_are_valid_chains_of_training_simulators(video, copy, seed):
    recipe = degradation(video, copy, seed)
    training = {row.name for row in suite("train")}
    names = [name for name, _, _ in recipe]
    assert len(names) == len(set(names)) in (1, 2)
    assert set(names) <= training
    assert all(1 <= level <= len(DISTORTIONS[name].levels) and 0 <= own < 2**31 for name, level, own in recipe)
    coded = [DISTORTIONS[name].family == "streaming" for name in names]
    assert coded == sorted(coded), "a codec comes after what happened to the frames"
    assert degradation(video, copy, seed) == recipe
    assert parse_recipe(pool_recipe(video, copy, seed)) == recipe


def test_degradations_differ_by_video_copy_and_seed_and_use_every_simulator():
    recipes = [degradation(f"v{k}", copy, seed) for k in range(40) for copy in (1, 2) for seed in (0, 1)]
    assert len({str(recipe) for recipe in recipes}) == len(recipes)
    assert {name for recipe in recipes for name, _, _ in recipe} == {row.name for row in suite("train")}
    assert Counter(map(len, recipes))[2] in range(50, 111)


def test_the_window_itself_is_only_brought_into_the_common_form():
    assert parse_recipe(pool_recipe("v", 0, 5)) == [PRISTINE]


def test_ids_depend_on_every_part_and_on_their_borders():
    parts = [("a", 1), ("a", 2), ("a1",), ("b", 1), ("a", "1", ""), ("a", 1.0)]
    assert len({short_id(*part) for part in parts}) == len(parts)
    assert short_id("a", 1) == short_id("a", "1")
    assert len(short_id("\udcff.mp4")) == 16, "a name that is no UTF-8 still has an id"


@given(NAMES, st.integers(0, 9))
def test_shuffling_is_a_permutation_that_forgets_the_order_it_was_given(names, seed):
    order = shuffled(names, seed, "purpose")
    assert sorted(order) == sorted(names)
    assert shuffled(names[::-1], seed, "purpose") == order
    kept = [name for name in order if name != order[0]] if order else []
    assert shuffled(kept, seed, "purpose") == kept, "a video that leaves does not move the others"
