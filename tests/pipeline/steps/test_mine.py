from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.compare import Comparer
from actors.gmad import select_pairs
from actors.mine import Game, Miner
from actors.teachers import load_teacher
from cluster.in_process import InProcess
from pipeline.look.observe import feature_table
from pipeline.method.hardness import loss
from pipeline.method.labels import ensemble_labels
from pipeline.method.pairs import presented
from pipeline.opinions import calibrated
from pipeline.run_folder.records import FEATURES, MINED, PREFERENCES, SCORES
from pipeline.run_folder.store import append_shard, read_table
from pipeline.steps import mine as step
from pipeline.student.folder import Anchors, write_anchors

TEACHERS = ("artefact", "sharpness")
LEVELS = 4


class Judge:
    """A student whose features are (source, level): right about `a`, blind to `b`, backwards about `c`."""

    def __init__(self, student, anchors):
        self.student = student

    def pairs(self, first, second):
        factor = np.array([1, 0, -1])[first[:, 0].astype(int)]
        says = 2 + np.clip(first[:, 1] - second[:, 1], -2, 2) * factor
        surety = 1 + np.abs(first[:, 1] - second[:, 1])
        return -surety[:, None] * (np.arange(5) - says[:, None]) ** 2


class Judged(InProcess):
    """An engine whose student is `Judge`."""

    def calls(self, kind, *how):
        return super().calls(Judge if kind is Comparer else kind, *how)


@pytest.fixture
def run(tables, copies):
    """Sixteen new videos and two old ones, two teachers, a student, and copies of three sources for round 2."""

    tables.engine = Judged()
    anchors = Anchors(np.zeros((5, 2), np.float32), np.full((5, 5), 0.5), np.arange(5.0), tuple("abcde"), 5.0)
    write_anchors(tables.layout.student(1), anchors)
    names = [f"n{k:02d}" for k in range(16)]
    tables.videos([{"video_id": name, "round": 2} for name in names] + [{"video_id": f"o{k}"} for k in range(2)])
    quality = np.arange(18.0)
    noise = np.random.default_rng(0)
    for teacher in TEACHERS:
        rising = load_teacher(teacher).higher_is_better
        values = quality + 6 * noise.normal(size=18)
        scores = dict(zip([*names, "o0", "o1"], values if rising else -values, strict=True))
        write_scores(tables, teacher, scores)
    tables.student_scores(1, dict(zip([*names, "o0", "o1"], noise.permutation(18) / 9 - 1, strict=True)))
    made = []
    for place, source in enumerate("abc"):
        made += copies(source, "resize", "spatial", range(1, LEVELS + 1))
        made += copies(source, "jitter", "temporal", (1, 2, 3))
        rows = [
            {"video_id": row["video_id"], "features": np.array([place, row["level"]], np.float32).tobytes()}
            for row in made
            if row["source_id"] == source
        ]
        append_shard(tables.layout.features_of("distorted-2"), feature_table(rows), FEATURES)
    tables.distorted(2, made)
    return tables


def write_scores(tables, teacher, scores):
    digest = load_teacher(teacher).digest()
    rows = [
        {
            "video_id": video,
            "teacher": teacher,
            "digest": digest,
            "score": score,
            "status": "ok" if score is not None else "failed",
            "error_kind": None,
            "error": None,
        }
        for video, score in scores.items()
    ]
    append_shard(tables.layout.scores(teacher), SCORES.table(rows), SCORES)


@pytest.fixture
def settings(configured):
    """A configuration with the two teachers."""

    def build(*others):
        names = f"teachers.names=[{', '.join(TEACHERS)}]"
        return configured(names, "mining.missed={spatial: 5, temporal: 99, streaming: 9}", *others)

    return build


def mined(run, config, origin):
    step.mine(run.run(config), 1)
    return [row for row in read_table(run.layout.mined(1), MINED).to_pylist() if row["origin"] == origin]


def test_games_are_played_by_every_teacher_in_both_roles_over_the_new_videos(run, settings):
    rows = mined(run, settings("mining.pairs=4", "mining.levels=3"), "gmad")
    roles = {(row["defender"], row["attacker"]) for row in rows}
    assert roles == {pair for name in TEACHERS for pair in ((name, "student"), ("student", name))}
    assert all(row["first"].startswith("n") and row["second"].startswith("n") for row in rows), "round 1 is learnt"
    assert all(row["attacker_gap"] > 0 and 0 <= row["level"] < 3 for row in rows)
    assert 8 < len(rows) <= 16


def test_no_unordered_pair_is_mined_twice(run, settings):
    rows = mined(run, settings("mining.pairs=40", "mining.levels=1"), "gmad")
    keys = {frozenset((row["first"], row["second"])) for row in rows}
    assert len(keys) == len(rows) > 16


def test_a_video_that_one_teacher_alone_scored_makes_no_pair(run, settings):
    write_scores(run, TEACHERS[0], {"n00": None})
    rows = mined(run, settings("mining.pairs=40", "mining.levels=1"), "gmad")
    videos = {video for row in rows for video in (row["first"], row["second"])}
    assert "n00" not in videos, "it has no mean over the teachers, so the pair would get no label"
    assert "n01" in videos


def test_a_video_that_the_student_did_not_judge_makes_no_pair(run, settings):
    run.student_scores(1, {f"n{k:02d}": k / 9 - 1 for k in range(1, 16)})
    rows = mined(run, settings("mining.pairs=40", "mining.levels=1"), "gmad")
    assert "n00" not in {video for row in rows for video in (row["first"], row["second"])}


def one_by_one(ids, opinions, names, settings, seed):
    """The pairs of all games as `games` first chose them: game by game, each pair alone, ties broken by the names."""
    rows = {}
    for game in (game for name in names for game in ((name, "student"), ("student", name))):
        defender, attacker = (opinions[player] for player in game)
        chosen = select_pairs(defender, attacker, np.array(ids), *settings)
        for high, low, level, gap in zip(chosen.high, chosen.low, chosen.level, chosen.gap, strict=True):
            first, second = presented((ids[high], ids[low]), seed)
            facts = ("gmad", *game, int(level), float(gap), float(abs(defender[high] - defender[low])))
            rows.setdefault(frozenset((int(high), int(low))), (first, second, *facts))
    return sorted(rows.values())


@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.integers(0, 12), st.integers(1, 6), st.integers(1, 4))
def test_all_games_together_choose_what_each_would_choose_alone(seed, size, count, levels, max_uses):
    random = np.random.default_rng(seed)
    ids = sorted(f"v{k}" for k in random.permutation(200)[:size].tolist())
    names = ["a", "b", "c"][: random.integers(1, 4)]
    # whole numbers from a short range: most scores are tied, and many pairs are those of several games
    opinions = {name: random.integers(0, random.integers(1, 9), size).astype(float) for name in [*names, "student"]}
    games = [Game(*game) for name in names for game in ((name, "student"), ("student", name))]
    miner = Miner(np.arange(size) + 7, opinions)
    table = step._table(ids, games, [miner.play(game, count, levels, max_uses) for game in games], 3)
    assert table.schema.equals(MINED.schema)
    rows = sorted(tuple(row.values()) for row in table.to_pylist())
    assert rows == one_by_one(ids, opinions, names, (count, levels, max_uses), 3)


def test_missed_pairs_are_those_that_the_student_gets_wrong(run, settings):
    rows = mined(run, settings(), "missed")
    temporal = [row for row in rows if "jitter" in row["first"]]
    sources = {video.split("-")[0] for row in temporal for video in (row["first"], row["second"])}
    assert sources == {"b", "c"}, "it is right about a"
    assert len(temporal) == 2 * 3, "three pairs of three levels for each of both sources"
    for row in rows:
        assert row["first"].rsplit("-", 1)[0] == row["second"].rsplit("-", 1)[0]
        assert (row["defender"], row["attacker"], row["level"]) == (None, None, None)


def test_what_the_student_says_of_a_missed_pair_is_kept(run, settings):
    rows = mined(run, settings(), "missed")
    answers = {
        (row["first"], row["second"]): row for row in read_table(run.layout.mined_answers(1), PREFERENCES).to_pylist()
    }
    assert set(answers) == {(row["first"], row["second"]) for row in rows}
    for (first, second), row in answers.items():
        shares = np.array([row[level] for level in ("inferior", "worse", "similar", "better", "superior")])
        gap = int(first[-1]) - int(second[-1])
        assert shares.sum() == pytest.approx(1)
        assert shares.argmax() == (2 if first[0] == "b" else 2 - np.clip(gap, -2, 2)), "blind to b, backwards about c"


def test_the_surest_mistakes_come_first_and_no_more_than_asked(run, settings):
    rows = [row for row in mined(run, settings(), "missed") if "resize" in row["first"]]
    assert len(rows) == 5
    counts = Counter((row["first"][0], abs(int(row["first"][-1]) - int(row["second"][-1]))) for row in rows)
    # Sure and backwards is worst, then sure and undecided; of the two equal ones at the end one is left out.
    assert counts == {("c", 3): 1, ("c", 2): 2, ("b", 3): 1, ("b", 2): 1}


def test_mining_depends_on_the_seed_only_in_the_order_of_presentation(run, settings):
    results = [mined(run, settings(f"seed={seed}"), "gmad") for seed in (0, 0, 1)]
    assert results[0] == results[1] != results[2]
    assert len({frozenset(frozenset((row["first"], row["second"])) for row in rows) for rows in results}) == 1


def test_no_new_videos_give_no_games(run, settings):
    run.videos([{"video_id": f"n{k:02d}"} for k in range(16)])
    assert mined(run, settings(), "gmad") == []


SELECTS = ("random", "loss", "low_confidence", "disagreement")
SMALL = ("mining.pairs=4", "mining.levels=3", "pairs.sigma_floor=0.001")


@pytest.fixture
def answered(run):
    """The run with features of the new videos, whose number is their second one; the student is right about all of them."""
    rows = [{"video_id": f"n{k:02d}", "features": np.array([0, -k], np.float32).tobytes()} for k in range(16)]
    append_shard(run.layout.features_of("pool"), feature_table(rows), FEATURES)
    ensemble = {f"n{k:02d}": (5.0 * k, 4.0 + 90 * (k == 3)) for k in range(16)}
    run.ensemble({**ensemble, "o0": (50.0, 4.0), "o1": (52.0, 4.0)})
    return run


def keys(rows):
    return {frozenset((row["first"], row["second"])) for row in rows}


@pytest.mark.parametrize("select", SELECTS)
def test_another_choice_has_as_many_pairs_of_the_same_new_videos_and_copies(answered, settings, select):
    hard, missed = (mined(answered, settings(*SMALL), origin) for origin in ("gmad", "missed"))
    config = settings(*SMALL, f"mining.select={select}")
    others, copies = (mined(answered, config, origin) for origin in ("gmad", "missed"))
    assert len(others) == len(hard) == len(keys(others))
    assert keys(others) != keys(hard)
    assert all(video.startswith("n") for row in others for video in (row["first"], row["second"]))
    assert all((row["defender"], row["attacker"]) == (None, None) for row in others)
    uses = Counter(video for row in others for video in (row["first"], row["second"]))
    assert max(uses.values()) <= max(Counter(v for row in hard for v in (row["first"], row["second"])).values())
    assert Counter(row["first"].split("-")[1] for row in copies) == Counter(
        row["first"].split("-")[1] for row in missed
    )
    # Teachers do not score copies; and the surest mistakes are those with the highest loss.
    assert (keys(copies) == keys(missed)) == (select in ("disagreement", "loss"))


@pytest.mark.parametrize("select", SELECTS)
@pytest.mark.parametrize("few", [None, 0, 1, 2])
def test_another_choice_of_no_pairs_is_none(answered, settings, select, few):
    if few is not None:  # so few new videos that gMAD finds no pair among them
        rounds = [2] * few + [1] * (16 - few)
        answered.videos([{"video_id": f"n{k:02d}", "round": number} for k, number in enumerate(rounds)])
    pairs = "mining.pairs=0" if few is None else "mining.pairs=4"
    assert mined(answered, settings(pairs, "mining.levels=10"), "gmad") == []
    assert mined(answered, settings(pairs, "mining.levels=10", f"mining.select={select}"), "gmad") == []


def test_random_pairs_depend_on_the_seed_alone(answered, settings):
    chosen = [
        keys(mined(answered, settings(*SMALL, "mining.select=random", f"seed={seed}"), "gmad")) for seed in (0, 0, 1)
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_the_lowest_confidence_is_where_the_student_sees_no_difference_or_little(answered, settings):
    rows = mined(answered, settings(*SMALL, "mining.select=low_confidence"), "gmad")
    gaps = [abs(int(row["first"][1:]) - int(row["second"][1:])) for row in rows]
    assert max(gaps) <= 2, "the judge is surer of wider gaps"


def test_the_highest_loss_is_where_the_student_contradicts_the_teachers(answered, settings):
    config = settings(*SMALL, "mining.select=loss")
    rows = mined(answered, config, "gmad")
    teachers = calibrated(answered.run(config), [*(f"n{k:02d}" for k in range(16)), "o0", "o1"])
    every = {}
    for a, b in combinations(range(16), 2):
        opinions = [np.array([values[k]]) for k in (a, b) for values in (teachers.mean, teachers.variance)]
        logits = Judge(None, None).pairs(np.array([[0, -a]]), np.array([[0, -b]]))
        every[frozenset((f"n{a:02d}", f"n{b:02d}"))] = loss(logits, ensemble_labels(*opinions)[0])[0]
    chosen = [every[key] for key in keys(rows)]
    assert np.mean(chosen) > 1.5 * np.mean(list(every.values()))


def test_teachers_disagree_most_about_the_pairs_that_are_chosen(answered, settings):
    config = settings(*SMALL, "mining.select=disagreement")
    rows = mined(answered, config, "gmad")
    members = [f"n{k:02d}" for k in range(16)] + ["o0", "o1"]
    opinions = calibrated(answered.run(config), members).mapped
    spread = {
        frozenset((members[a], members[b])): np.std(opinions[b] - opinions[a])
        for a in range(16)
        for b in range(a + 1, 16)
    }
    chosen = [spread[key] for key in keys(rows)]
    assert np.mean(chosen) > 1.5 * np.mean(list(spread.values()))
