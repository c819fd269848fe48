import pytest

from actors.distortions.table import FAMILIES
from pipeline.corpus.members import HELDOUT, TRAIN, by_family, copies, pool, usable
from pipeline.method.pairs import Copy


@pytest.fixture
def layout(tables):
    """Four usable videos on both sides, one of them a degraded copy, and one that failed on each side."""
    tables.videos(
        [
            {"video_id": "c", "copy": 1},
            {"video_id": "a"},
            {"video_id": "h2", "split": HELDOUT},
            {"video_id": "h1", "split": HELDOUT},
            {"video_id": "b", "status": "failed", "error_kind": "decode", "error": "b.mp4: no frame"},
            {"video_id": "h0", "split": HELDOUT, "status": "skipped", "error_kind": "duplicate", "error": "as h1"},
        ]
    )
    return tables.layout


def test_usable_rows_are_those_of_their_split_by_id(layout):
    assert usable(layout, TRAIN)["video_id"].to_pylist() == ["a", "c"]
    assert usable(layout, HELDOUT)["video_id"].to_pylist() == ["h1", "h2"]


def test_the_pool_is_the_training_videos_and_their_degraded_copies_and_no_still(layout):
    rows = pool(layout)
    assert [(row["video_id"], row["copy"], row["still"]) for row in rows] == [("a", 0, False), ("c", 1, False)]
    assert {"uri", "start_s", "duration_s", "recipe"} <= set(rows[0]), "the columns of a look"


def test_copies_are_those_of_one_round_that_did_not_fail(tables, copies_of_two_rounds):
    assert [row["video_id"] for row in copies(tables.layout, 1)] == ["s-resize-1", "s-resize-3"]
    assert [row["video_id"] for row in copies(tables.layout, 2)] == ["t-jitter-1"]


@pytest.fixture
def copies_of_two_rounds(tables, copies):
    first, failed, third = copies("s", "resize", "spatial", (1, 2, 3))
    tables.distorted(1, [third, first, {**failed, "status": "failed", "error_kind": "encode", "error": "s.mp4"}])
    tables.distorted(2, copies("t", "jitter", "temporal", (1,)))


def test_every_family_has_its_copies_in_the_order_of_the_table(copies):
    rows = [*copies("s", "h264", "streaming", (2, 1)), *copies("s", "resize", "spatial", (3,))]
    families = by_family(rows)
    assert tuple(families) == FAMILIES
    assert families["streaming"] == [Copy("s-h264-2", "s", "h264", 2), Copy("s-h264-1", "s", "h264", 1)]
    assert families["spatial"] == [Copy("s-resize-3", "s", "resize", 3)]
    assert families["temporal"] == []
