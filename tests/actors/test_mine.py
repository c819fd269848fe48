import numpy as np

from actors.mine import Game, Miner


def as_rows(pairs):
    """high, low, level, gap of the attacker and of the defender, pair by pair."""
    columns = (pairs.high, pairs.low, pairs.level, pairs.gap, pairs.defender_gap)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_game_finds_what_the_defender_calls_equal_and_the_attacker_does_not():
    flat, steep = np.array([50.0, 50.0, 50.0, 90.0, 10.0]), np.array([20.0, 80.0, 55.0, 50.0, 50.0])
    miner = Miner(list("abcde"), {"weak": flat, "student": steep})
    pairs = miner.play(Game("weak", "student"), count=3, levels=5, max_uses=2)
    assert as_rows(pairs) == [(1, 0, 2, 60.0, 0.0)]
    back = miner.play(Game("student", "weak"), count=3, levels=5, max_uses=2)
    assert as_rows(back) == [(3, 4, 2, 80.0, 0.0)]


def test_a_video_that_a_player_did_not_score_takes_no_part():
    miner = Miner(list("abc"), {"x": np.array([1.0, np.nan, 1.0]), "y": np.array([0.0, 9.0, 5.0])})
    assert [row[:2] for row in as_rows(miner.play(Game("x", "y"), 9, 1, 9))] == [(2, 0)]


def test_a_game_does_not_depend_on_the_order_of_the_pool():
    rng = np.random.default_rng(5)
    ids = [f"v{k:02d}" for k in range(30)]
    scores = {"x": rng.normal(size=30), "y": np.round(rng.normal(size=30), 1)}
    order = rng.permutation(30)
    mixed = Miner([ids[k] for k in order], {name: values[order] for name, values in scores.items()})
    game = (Game("x", "y"), 8, 4, 2)
    named = [(ids[high], ids[low], level) for high, low, level, *_ in as_rows(Miner(ids, scores).play(*game))]
    again = [(ids[order[high]], ids[order[low]], level) for high, low, level, *_ in as_rows(mixed.play(*game))]
    assert again == named
    assert len(named) == 8
