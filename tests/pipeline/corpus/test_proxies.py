from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.distortions.table import DISTORTIONS
from actors.media.rows import parse_recipe
from pipeline.corpus.proxies import by_distortion, count, figures, items, plan, planned, sources, spread
from pipeline.settings.sections import SEEN, UNSEEN

WINDOW = {"video_id": "w", "uri": "w.mp4", "start_s": 1.0, "duration_s": 2.0}


@given(st.integers(1, 9), st.integers(1, 12))
def test_levels_are_spread_from_the_first_to_the_last(levels, number):
    chosen_levels = spread(levels, number)
    assert chosen_levels == sorted(set(chosen_levels))
    assert len(chosen_levels) == min(levels, number)
    assert chosen_levels[0] == 1
    assert chosen_levels[-1] == (levels if number > 1 else 1)
    gaps = np.diff(chosen_levels)
    assert gaps.size == 0 or np.ptp(gaps) <= 1, "evenly"


@pytest.mark.parametrize(("levels", "number", "expected"), [(5, 2, [1, 5]), (5, 3, [1, 3, 5]), (4, 3, [1, 3, 4])])
def test_spreads_of_small_tables(levels, number, expected):
    assert spread(levels, number) == expected


def test_sources_are_usable_held_out_windows_with_few_of_each_content(tables, configured):
    held = {"split": "heldout", "round": 0}
    tables.videos(
        [
            {"video_id": "train"},
            *({"video_id": f"a{k}", "content_id": "a", **held} for k in range(5)),
            {"video_id": "b0", "content_id": "b", **held},
            {"video_id": "broken", **held, "status": "failed", "error_kind": "decode", "error": "x"},
        ]
    )

    def chosen(seed):
        return sources(configured("benchmark.windows_per_clip=2", f"seed={seed}"), tables.layout)

    assert Counter(row["content_id"] for row in chosen(0)) == {"a": 2, "b": 1}
    assert chosen(0) == chosen(0)
    assert len({str(chosen(seed)) for seed in range(6)}) > 1, "the seed chooses the windows"


@pytest.mark.parametrize(("suite", "types"), [("seen", SEEN), ("unseen", UNSEEN)])
def test_every_type_of_a_suite_comes_at_its_levels_for_every_window(configured, suite, types):
    config = configured("benchmark.levels=2")
    rows = plan(config, [WINDOW, {**WINDOW, "video_id": "x"}], suite)
    assert Counter(row["distortion"] for row in rows) == dict.fromkeys(types, 4)
    assert len({row["video_id"] for row in rows}) == len(rows)
    for row in rows:
        ((name, level, _),) = parse_recipe(row["recipe"])
        assert (name, level) == (row["distortion"], row["level"])
        assert level in (1, len(DISTORTIONS[name].levels))
        assert (row["start_s"], row["duration_s"], row["still"]) == (1.0, 2.0, False)
    assert plan(config, [WINDOW], suite) == [row for row in rows if row["source_id"] == "w"]


def test_both_suites_use_different_types():
    assert not set(SEEN) & set(UNSEEN)


def test_items_are_the_copies_that_have_a_label(tables):
    broken = {"status": "failed", "error_kind": "encode", "error": "x"}
    tables.benchmark("seen", [{"video_id": "b", "mos": 50.0}, {"video_id": "a", "mos": 90.0}, {"video_id": "c"}])
    assert [row["video_id"] for row in items(tables.layout, "seen")] == ["a", "b"]
    tables.benchmark("unseen", [{"video_id": "b", "mos": 50.0, **broken}])
    assert items(tables.layout, "unseen") == []


def test_a_benchmark_of_a_version_with_one_label_is_read(tables):
    tables.benchmark("seen", [{"video_id": "a", "mos": 90.0, "vmaf_v1": 80.0}])
    path = tables.layout.benchmark("seen")
    pq.write_table(pq.read_table(path).drop_columns(["vmaf_v1", "vmaf_v1_note"]), path)
    (row,) = items(tables.layout, "seen")
    assert (row["mos"], row["vmaf_v1"]) == (90.0, None)


@pytest.fixture
def copies_with_labels():
    """Four copies each of three sources; VMAF falls by 20 per level, and the sources differ by little."""
    return [
        {"source_id": source, "distortion": "h264" if level < 4 else "vp9", "mos": 100.0 - 20.0 * level - number}
        for number, source in enumerate("xyz")
        for level in (1, 2, 3, 4)
    ]


def test_a_perfect_predictor_has_perfect_figures(copies_with_labels):
    labels = np.array([row["mos"] for row in copies_with_labels])
    result = figures(labels / 7 - 3, copies_with_labels)
    assert result["srcc"] == pytest.approx(1)
    assert result["within"] == pytest.approx(1)
    assert result["pair_accuracy"] == 1
    assert result["plcc"] > 0.99
    backwards = figures(-labels, copies_with_labels)
    assert (backwards["srcc"], backwards["pair_accuracy"]) == (pytest.approx(-1), 0)


def test_a_predictor_of_the_source_alone_is_seen_through(copies_with_labels):
    scores = np.array([ord(row["source_id"]) for row in copies_with_labels], np.float64)
    result = figures(scores, copies_with_labels)
    assert result["within"] == 0
    assert result["pair_accuracy"] == 0.5


def test_labels_that_are_almost_equal_are_no_pair():
    rows = [{"source_id": "x", "mos": mos} for mos in (50.0, 52.0, 80.0)]
    assert figures(np.array([2.0, 1.0, 3.0]), rows)["pair_accuracy"] == 1, "2 points of VMAF count as equal"


def test_the_second_label_has_figures_of_its_own_on_the_copies_that_have_it(copies_with_labels):
    first = np.array([row["mos"] for row in copies_with_labels])
    assert "srcc_v1" not in figures(first, copies_with_labels), "a run of a version before it"
    rows = [{**row, "vmaf_v1": None if row["source_id"] == "z" else 100.0 - row["mos"]} for row in copies_with_labels]
    found = figures(first, rows)
    assert found["count_v1"] == 8
    assert (found["srcc"], found["srcc_v1"]) == (pytest.approx(1), pytest.approx(-1))
    assert (found["pair_accuracy"], found["pair_accuracy_v1"]) == (1, 0)


def test_a_constant_teacher_has_no_figures(copies_with_labels):
    none = {"srcc": None, "plcc": None, "within": None, "pair_accuracy": None}
    assert figures(np.full(12, 3.5), copies_with_labels) == none
    assert figures(np.full(12, np.nan), copies_with_labels) == none
    assert figures(np.zeros(0), []) == none


def test_missing_scores_are_left_out(copies_with_labels):
    scores = np.array([row["mos"] for row in copies_with_labels])
    scores[3] = np.nan
    assert figures(scores, copies_with_labels)["srcc"] == pytest.approx(1)


def test_each_distortion_with_enough_copies_has_its_own_figure(copies_with_labels):
    labels = np.array([row["mos"] for row in copies_with_labels])
    assert by_distortion(labels, copies_with_labels) == {"h264": pytest.approx(1), "vp9": pytest.approx(1)}
    scores = np.where([row["distortion"] == "vp9" for row in copies_with_labels], 1.0, labels)
    assert list(by_distortion(scores, copies_with_labels)) == ["h264"], "constant scores have no rank order"


def test_copies_are_counted_without_making_them(tables, configured):
    tables.videos([{"video_id": f"h{k}", "split": "heldout", "round": 0} for k in range(3)])
    config = configured("benchmark.levels=2", "benchmark.seen=[h264, resize]", "benchmark.unseen=[mjpeg]")
    assert count(config, tables.layout) == len(planned(config, tables.layout)) == 3 * 3 * 2
