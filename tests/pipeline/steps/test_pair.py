from collections import Counter

import numpy as np
import pytest

from actors.compare import Comparer
from cluster.in_process import InProcess
from pipeline.console import UserError
from pipeline.corpus.members import copies as usable_copies
from pipeline.look.observe import feature_table
from pipeline.method.pairs import Copy
from pipeline.run_folder.records import FEATURES, MINED, PAIRS
from pipeline.run_folder.store import append_shard, read_table
from pipeline.steps.pair import pair, severity_row, student_quality
from pipeline.student.folder import Anchors, write_anchors
from trainers.levels import LEVELS

SETTINGS = (
    "pairs.homogeneous=[6]",
    "pairs.synthetic=[{spatial: 4, temporal: 2, streaming: 3}]",
    "pairs.max_uses=3",
    "pairs.decisive=false",
    "pairs.relabel=all",
)
MINED_ROW = {"defender": "niqe", "attacker": "student", "level": 0, "attacker_gap": 5.0, "defender_gap": 0.1}


@pytest.fixture
def run(tables, copies):
    """Five videos of round 1, whose quality rises with their number, two of round 2, and copies of three families."""
    tables.videos([{"video_id": f"v{k}"} for k in range(5)] + [{"video_id": f"w{k}", "round": 2} for k in range(2)])
    tables.ensemble({**{f"v{k}": (10.0 * k, 4.0) for k in range(5)}, "w0": (12.0, 4.0), "w1": (45.0, 4.0)})
    rows = [
        *copies("v0", "resize", "spatial", (1, 2, 3, 4)),
        *copies("v1", "jitter", "temporal", (1, 2, 3)),
        *copies("v2", "h264", "streaming", (1, 2, 4)),
    ]
    tables.distorted(1, rows)
    return tables


def pairs_of(run, number=1):
    return read_table(run.layout.pairs(number), PAIRS).to_pylist()


@pytest.mark.parametrize(
    ("first", "second", "label"),
    [(1, 2, "worse"), (2, 1, "better"), (1, 3, "inferior"), (5, 1, "superior"), (0, 1, "worse"), (2, 0, "superior")],
)
def test_severity_says_how_the_second_compares_with_the_first(first, second, label):
    row = severity_row(Copy("a", "s", "h264", first), Copy("b", "s", "h264", second), "synthetic", 2)
    assert row["label"] == label
    assert (row["first"], row["second"], row["origin"], row["round"]) == ("a", "b", "synthetic", 2)
    assert (row["distortion"], row["level_first"], row["level_second"]) == ("h264", first, second)
    assert (row["delta"], row["sigma"], row["teacher"]) == (None, None, None)
    assert set(row) == set(PAIRS.schema.names)


def test_the_first_round_has_random_and_severity_pairs(run, configured):
    summary = pair(run.run(configured(*SETTINGS)), 1)
    rows = pairs_of(run)
    assert Counter(row["distortion"] for row in rows) == {None: 6, "resize": 4, "jitter": 2, "h264": 3}
    assert summary == {"rows": 15, "what": "6 ensemble, 9 synthetic"}
    assert len({row["pair_id"] for row in rows}) == 15
    for row in rows:
        if row["origin"] == "ensemble":
            gap = 10.0 * (int(row["second"][1]) - int(row["first"][1]))
            assert row["delta"] == gap
            assert row["sigma"] == pytest.approx(8**0.5)
            assert row["label"] == ("superior" if gap > 0 else "inferior"), "ten points are more than two sigma"
            assert row["distortion"] is None
        else:
            assert row["first"].rsplit("-", 1)[0] == row["second"].rsplit("-", 1)[0], "one source, one distortion"
            better = row["level_second"] < row["level_first"]
            assert LEVELS.index(row["label"]) > 2 if better else LEVELS.index(row["label"]) < 2


def test_random_pairs_take_only_videos_of_their_round_that_have_a_score(run, configured):
    run.ensemble({f"v{k}": (1.0 * k, 1.0) for k in (0, 1, 3)})
    pair(run.run(configured(*SETTINGS)), 1)
    random = [row for row in pairs_of(run) if row["origin"] == "ensemble"]
    assert {frozenset((row["first"], row["second"])) for row in random} == {
        frozenset(pair) for pair in (("v0", "v1"), ("v0", "v3"), ("v1", "v3"))
    }


def test_decisive_pairs_are_those_whose_teachers_differ_by_more_than_two_deviations(run, configured):
    run.ensemble({f"v{k}": (10.0 * k, 200.0) for k in range(5)})  # sigma 20 for every pair
    pair(run.run(configured(*SETTINGS, "pairs.homogeneous=[10]", "pairs.max_uses=5")), 1)
    assert "similar" in {row["label"] for row in pairs_of(run) if row["origin"] == "ensemble"}
    pair(run.run(configured(*SETTINGS, "pairs.homogeneous=[10]", "pairs.decisive=true")), 1)
    assert not [row for row in pairs_of(run) if row["origin"] == "ensemble"], "four steps of ten are not more than 40"
    run.ensemble({f"v{k}": (10.0 * k, 100.0) for k in range(5)})  # sigma 14.1
    pair(run.run(configured(*SETTINGS, "pairs.homogeneous=[10]", "pairs.decisive=true")), 1)
    decisive = [row for row in pairs_of(run) if row["origin"] == "ensemble"]
    assert {frozenset((row["first"], row["second"])) for row in decisive} == {
        frozenset(pair) for pair in (("v0", "v3"), ("v0", "v4"), ("v1", "v4"))
    }
    assert {row["label"] for row in decisive} <= {"superior", "inferior"}


def test_copies_that_failed_make_no_pair(run, copies, configured):
    rows = copies("v0", "resize", "spatial", (1, 2, 3))
    rows[1] |= {"status": "failed", "error_kind": "encode", "error": "no"}
    run.distorted(1, rows)
    assert [row["level"] for row in usable_copies(run.layout, 1)] == [1, 3]
    pair(run.run(configured(*SETTINGS)), 1)
    (only,) = [row for row in pairs_of(run) if row["origin"] == "synthetic"]
    assert {only["level_first"], only["level_second"]} == {1, 3}


def test_the_same_seed_gives_the_same_pairs_and_another_gives_others(run, configured):
    results = []
    for seed in (1, 1, 2):
        pair(run.run(configured(*SETTINGS, f"seed={seed}")), 1)
        results.append(pairs_of(run))
    assert results[0] == results[1] != results[2]


@pytest.fixture
def second(run, copies, configured):
    """The run at the beginning of round 2: its student reverses the teachers' order of w0 and w1."""
    pair(run.run(configured(*SETTINGS)), 1)
    raw = {f"v{k}": 0.2 * k - 0.5 for k in range(5)} | {"w0": 0.3, "w1": -0.5}
    run.student_scores(1, raw)
    run.distorted(2, copies("w0", "h265", "streaming", (1, 2, 4)))
    run.write(
        run.layout.mined(1),
        MINED,
        [
            {"first": "w0", "second": "w1", "origin": "gmad", **MINED_ROW},
            {"first": "v4", "second": "w0", "origin": "gmad", **MINED_ROW, "defender": "student", "attacker": "piqe"},
            {"first": "w0-h265-4", "second": "w0-h265-1", "origin": "missed"},
            {"first": "w0-h265-1", "second": "w0-h265-4", "origin": "missed"},
        ],
    )
    return run


def test_later_rounds_train_on_the_union_with_each_unordered_pair_once(second, configured):
    summary = pair(second.run(configured(*SETTINGS)), 2)
    rows = pairs_of(second, 2)
    keys = [frozenset((row["first"], row["second"])) for row in rows]
    assert len(set(keys)) == len(keys) == 15 + 3
    assert set(keys) >= {frozenset((row["first"], row["second"])) for row in pairs_of(second, 1)}
    assert summary["what"] == "6 ensemble, 2 gmad, 1 missed, 9 synthetic"
    assert Counter(row["round"] for row in rows) == {1: 15, 2: 3}


def test_mined_pairs_name_the_teacher_of_their_game_and_keep_severity_labels(second, configured):
    pair(second.run(configured(*SETTINGS)), 2)
    rows = {(row["first"], row["second"]): row for row in pairs_of(second, 2)}
    assert rows["w0", "w1"]["teacher"] == "niqe"
    assert rows["v4", "w0"]["teacher"] == "piqe"
    (missed,) = [row for row in rows.values() if row["origin"] == "missed"]
    assert missed["label"] == ("superior" if missed["level_first"] == 4 else "inferior")
    assert missed["distortion"] == "h265"


def test_homogeneous_labels_follow_the_students_order_and_severity_labels_stay(second, configured):
    before = {row["pair_id"]: row for row in pairs_of(second, 1)}
    pair(second.run(configured(*SETTINGS, "pairs.student_variance=0.25")), 2)
    rows = pairs_of(second, 2)
    for row in rows:
        if row["origin"] == "synthetic":
            assert row == before[row["pair_id"]]
    (mined,) = [row for row in rows if (row["first"], row["second"]) == ("w0", "w1")]
    assert mined["delta"] < 0, "the teachers call w1 the better one, the student w0"
    assert mined["label"] in ("inferior", "worse")
    assert mined["sigma"] == pytest.approx((0.25 * 8) ** 0.5), "a share of the teachers' variance"
    random = [row for row in rows if row["origin"] == "ensemble"]
    assert all((row["delta"] > 0) == (row["second"] > row["first"]) for row in random)
    assert any(row["delta"] != before[row["pair_id"]]["delta"] for row in random)


def test_only_mined_pairs_are_labelled_anew_where_the_teachers_keep_their_own(second, configured):
    before = {row["pair_id"]: row for row in pairs_of(second, 1)}
    pair(second.run(configured(*SETTINGS)), 2)
    everything = {row["pair_id"]: row for row in pairs_of(second, 2)}
    pair(second.run(configured(*SETTINGS, "pairs.relabel=mined")), 2)
    mined = {row["pair_id"]: row for row in pairs_of(second, 2)}
    assert mined.keys() == everything.keys()
    assert [mined[name] for name in before] == list(before.values())
    assert [row for name, row in mined.items() if name not in before] == [
        row for name, row in everything.items() if name not in before
    ]


def test_mined_pairs_that_are_not_labelled_anew_have_the_label_of_the_teachers(second, configured):
    before = {row["pair_id"]: row for row in pairs_of(second, 1)}
    pair(second.run(configured(*SETTINGS, "pairs.relabel=none")), 2)
    rows = {(row["first"], row["second"]): row for row in pairs_of(second, 2)}
    assert [row for row in rows.values() if row["pair_id"] in before] == list(before.values())
    assert (rows["w0", "w1"]["label"], rows["w0", "w1"]["delta"]) == ("superior", 33.0), (
        "the teachers' means are 12 and 45"
    )
    assert (rows["v4", "w0"]["label"], rows["v4", "w0"]["delta"]) == ("inferior", -28.0)


def test_all_severity_pairs_of_the_new_copies_weigh_as_those_of_round_1(second, configured):
    config = configured(*SETTINGS, "pairs.severity=all")
    assert pair(second.run(config), 2)["what"] == "6 ensemble, 2 gmad, 12 synthetic"
    new = [row for row in pairs_of(second, 2) if row["round"] == 2 and row["origin"] == "synthetic"]
    levels = {frozenset((row["level_first"], row["level_second"])) for row in new}
    assert levels == {frozenset(two) for two in ((1, 2), (1, 4), (2, 4))}, "the misjudged pair is one of them"
    for row in new:
        worse = row["level_second"] > row["level_first"]
        assert LEVELS.index(row["label"]) < 2 if worse else LEVELS.index(row["label"]) > 2


class Biased:
    """A student whose feature is a quality, which prefers the second place where both are near each other."""

    def __init__(self, student, anchors):
        pass

    def pairs(self, first, second):
        says = np.clip(2 + np.round(second[:, 0] - first[:, 0] + 0.6), 0, 4)
        return -((np.arange(5) - says[:, None]) ** 2)


class Judged(InProcess):
    """An engine whose student is `Biased`."""

    def calls(self, kind, *how):
        return super().calls(Biased if kind is Comparer else kind, *how)


def test_a_student_labels_by_its_own_answer_only_where_both_orders_agree(second, configured):
    second.engine = Judged()
    quality = {"v4": 9.0, "w0": 1.0, "w1": 1.2}
    rows = [
        {"video_id": name, "features": np.array([value, 0], np.float32).tobytes()} for name, value in quality.items()
    ]
    append_shard(second.layout.features_of("pool"), feature_table(rows), FEATURES)
    anchors = Anchors(np.zeros((5, 2), np.float32), np.full((5, 5), 0.5), np.arange(5.0), tuple("abcde"), 5.0)
    write_anchors(second.layout.student(1), anchors)
    pair(second.run(configured(*SETTINGS, "pairs.relabel=mined", "pairs.relabel_by=answer")), 2)
    rows = {(row["first"], row["second"]): row for row in pairs_of(second, 2)}
    assert (rows["v4", "w0"]["label"], rows["v4", "w0"]["delta"]) == ("inferior", None)
    kept = rows["w0", "w1"]
    assert (kept["label"], kept["delta"]) == ("superior", 33.0), (
        "it prefers whichever is second, so the teachers' label stays"
    )
    assert "position bias of the student of stage 1: 50.0% of 2 pairs" in second.stream.getvalue()


def test_one_teacher_alone_labels_pairs_by_its_five_levels(run, configured):
    run.ensemble({f"v{k}": (10.0 * k, 0.0) for k in range(5)})  # levels of eight points
    pair(run.run(configured(*SETTINGS, "pairs.homogeneous=[10]", "pairs.max_uses=5", "teachers.labels=niqe")), 1)
    rows = [row for row in pairs_of(run) if row["origin"] == "ensemble"]
    assert len(rows) == 10
    for row in rows:
        gap = int(row["second"][1]) - int(row["first"][1])
        assert LEVELS.index(row["label"]) == 2 + max(-2, min(2, gap))
        assert (row["delta"], row["sigma"]) == (10.0 * gap, None)


def test_one_teacher_that_rates_all_videos_equal_cannot_label(run, configured):
    run.ensemble({f"v{k}": (10.0, 0.0) for k in range(5)})
    with pytest.raises(UserError, match=r"teacher niqe cannot label pairs: .*it rates all videos equal"):
        pair(run.run(configured(*SETTINGS, "teachers.labels=niqe")), 1)


def test_later_rounds_keep_only_the_pairs_that_the_student_calls_decisive(second, configured):
    pair(second.run(configured(*SETTINGS)), 2)
    all_of_them = {row["pair_id"]: row for row in pairs_of(second, 2)}
    pair(second.run(configured(*SETTINGS, "pairs.decisive=true")), 2)
    decisive = {row["pair_id"]: row for row in pairs_of(second, 2)}
    assert decisive.items() <= all_of_them.items()
    others = [row for name, row in all_of_them.items() if name not in decisive]
    assert others
    assert all(row["origin"] in ("ensemble", "gmad") for row in others)
    assert not {row["label"] for row in others} & {"superior", "inferior"}


def test_student_scores_are_brought_to_the_teachers_scale_in_the_students_order(second):
    teachers = {f"v{k}": (10.0 * k, 1.0 + k) for k in range(5)}
    quality = student_quality(second.layout, 1, {**teachers, "unknown": (1.0, 1.0)}, 0.5)
    assert list(quality) == [f"v{k}" for k in range(5)]
    means = [mean for mean, _ in quality.values()]
    assert means == sorted(means)
    assert means[0] == pytest.approx(0.0, abs=4)
    assert means[-1] == pytest.approx(40.0, abs=4)
    assert [variance for _, variance in quality.values()] == [0.5, 1.0, 1.5, 2.0, 2.5]


def test_a_missing_table_is_named(run, configured):
    run.layout.ensemble.unlink()
    with pytest.raises(UserError, match=r"ensemble\.parquet: there is no such file"):
        pair(run.run(configured(*SETTINGS)), 1)
