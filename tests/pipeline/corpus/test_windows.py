from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from probed_files import broken, probed

from actors.media.rows import parse_recipe
from pipeline.corpus.members import HELDOUT, TRAIN
from pipeline.corpus.rules import PRISTINE
from pipeline.corpus.windows import windows, windows_of
from pipeline.run_folder.records import VIDEOS
from pipeline.settings.config import CorpusConfig

MILLISECOND = 0.001  # starts are rounded to it


def sampling(window_s, count=1):
    return CorpusConfig(window_s=window_s, windows_per_clip=count)


@pytest.mark.parametrize("duration", [0.0, 0.5, 2.0])
def test_a_file_of_no_more_than_a_window_is_taken_whole(duration):
    assert list(windows(duration, sampling(2.0, 3))) == [(0.0, 0.0)]


def test_window_zero_is_the_whole_file():
    assert list(windows(100.0, sampling(0.0, 3))) == [(0.0, 0.0)]


def test_windows_stand_evenly_with_equal_gaps():
    assert list(windows(10.0, sampling(2.0, 2))) == [(2.0, 2.0), (6.0, 2.0)]
    assert list(windows(5.0, sampling(2.0, 9))) == [(0.333, 2.0), (2.667, 2.0)]


@given(st.floats(0, 1e5), st.floats(0.1, 60), st.integers(1, 12))
@example(6.0, 2.0, 3)
@example(2.0000001, 2.0, 3)
def test_windows_lie_inside_the_file_and_do_not_overlap(duration, length, count):
    found = list(windows(duration, sampling(length, count)))
    if duration <= length:
        assert found == [(0.0, 0.0)]
        return
    assert 1 <= len(found) <= count
    assert len(found) == count or len(found) == int(duration // length), "no more than fit, and no fewer"
    assert {size for _, size in found} == {length}
    starts = [start for start, _ in found]
    assert starts[0] >= 0
    assert starts[-1] + length <= duration + MILLISECOND
    assert all(b - a >= length - MILLISECOND for a, b in pairwise(starts))


@pytest.fixture
def config(configured):
    """Two windows of two seconds, two degraded copies, a quarter held out."""
    return configured("corpus.windows_per_clip=2", "corpus.degraded_copies=2")


def test_windows_copies_and_what_cannot_be_used_are_rows_of_one_table(config):
    rows = windows_of([*(probed(f"f{k}", f"c{k}") for k in range(8)), broken("bad")], config)
    VIDEOS.table(rows)
    assert len({row["video_id"] for row in rows}) == len(rows)
    good = [row for row in rows if row["status"] == "ok"]
    assert Counter(row["split"] for row in good) == {TRAIN: 6 * 2 * 3, HELDOUT: 2 * 2}
    contents = {split: {row["content_id"] for row in good if row["split"] == split} for split in (TRAIN, HELDOUT)}
    assert not contents[TRAIN] & contents[HELDOUT], "no content is on both sides"
    (bad,) = [row for row in rows if row["status"] != "ok"]
    assert (bad["video_id"], bad["error_kind"], bad["width"], bad["recipe"]) == ("id-bad", "decode", None, "")


def test_copies_follow_their_window_into_its_round(config):
    rows = [row for row in windows_of([probed(f"f{k}", f"c{k}") for k in range(12)], config) if row["split"] == TRAIN]
    groups = {}
    for row in rows:
        groups.setdefault((row["uri"], row["start_s"]), []).append(row)
    for group in groups.values():
        assert [row["copy"] for row in group] == [0, 1, 2]
        assert len({row["round"] for row in group}) == 1
        assert parse_recipe(group[0]["recipe"]) == [PRISTINE]
        assert all(PRISTINE not in parse_recipe(row["recipe"]) for row in group[1:])
    assert Counter(row["round"] for row in rows if row["copy"] == 0) == {1: 10, 2: 5, 3: 3}


def test_held_out_windows_enter_no_round_and_are_not_degraded(config):
    rows = [row for row in windows_of([probed(f"f{k}", f"c{k}") for k in range(8)], config) if row["split"] == HELDOUT]
    assert {(row["round"], row["copy"]) for row in rows} == {(0, 0)}
    assert {row["recipe"] for row in rows} == {'[["pristine",0,0]]'}


def test_ids_name_contents_not_places(config):
    here = windows_of([probed(f"f{k}", f"c{k}") for k in range(6)], config)
    moved = windows_of([probed(f"g{k}", f"c{k}") for k in reversed(range(6))], config)
    assert {row["video_id"] for row in here} == {row["video_id"] for row in moved}
