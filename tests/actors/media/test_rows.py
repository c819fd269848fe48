import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media.outcome import Failure
from actors.media.rows import (
    SAMPLE_COLUMNS,
    attempt,
    empty_sample,
    format_recipe,
    fresh,
    pack,
    parse_recipe,
    unpack,
    without_views,
)
from actors.media.views import Sample

STEPS = st.tuples(st.sampled_from(["resize", "h264", "pristine"]), st.integers(0, 5), st.integers(0, 2**31 - 1))


@given(st.lists(STEPS, max_size=4))
def test_recipes_survive_writing_and_have_one_form(recipe):
    text = format_recipe(recipe)
    assert parse_recipe(text) == recipe
    assert format_recipe([list(step) for step in recipe]) == text
    assert " " not in text
    assert (text == "") == (not recipe)


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(2, 12), st.integers(2, 12), st.integers(0, 99))
def test_a_sample_survives_packing(keys, frames, height, width, seed):
    rng = np.random.default_rng(seed)
    key = rng.integers(0, 256, (keys, 2, height, width, 3), dtype=np.uint8)
    luma = rng.integers(0, 256, (frames, height, width), dtype=np.uint8)
    row = pack(Sample(key, luma, 23.976))
    assert set(row) == set(SAMPLE_COLUMNS)
    again = unpack(row)
    np.testing.assert_array_equal(again.key, key)
    np.testing.assert_array_equal(again.luma, luma)
    assert (again.fps, again.width, again.height) == (23.976, width, height)


def test_a_failed_row_has_the_columns_of_a_good_one():
    good = pack(Sample(np.zeros((1, 2, 4, 4, 3), np.uint8), np.zeros((1, 4, 4), np.uint8), 0.0))
    assert {name: type(value) for name, value in empty_sample().items()} == {name: type(v) for name, v in good.items()}


def test_work_adds_its_columns_to_a_good_row():
    row = attempt(fresh({"video_id": "a"}), lambda: {"size": 3}, {"size": 0})
    assert row == {"video_id": "a", "status": "ok", "error_kind": "", "error": "", "size": 3}


def test_a_failure_becomes_a_status_with_its_reason():
    def work():
        raise Failure("decode", "a.mp4: no frame\ncould be read")

    row = attempt(fresh({"video_id": "a"}), work, {"size": 0})
    assert (row["status"], row["error_kind"], row["size"]) == ("failed", "decode", 0)
    assert row["error"] == "a.mp4: no frame could be read"


def test_a_row_that_failed_earlier_is_not_worked_on_again():
    failed = {"video_id": "a", "status": "failed", "error_kind": "empty", "error": "a.mp4 has no bytes"}
    row = attempt(failed, lambda: pytest.fail("worked on a failed row"), {"size": 0})
    assert row == failed | {"size": 0}


def test_a_defect_of_the_program_is_no_property_of_a_row():
    def work():
        raise AttributeError("no such thing")

    with pytest.raises(AttributeError):
        attempt(fresh({}), work, {})


def test_fresh_forgets_an_old_outcome():
    row = fresh({"status": "failed", "error_kind": "x", "error": "y"})
    assert row == {"status": "ok", "error_kind": "", "error": ""}


def test_views_that_are_no_longer_needed_leave_a_row_and_the_others_stay():
    generator = np.random.default_rng(0)
    shapes = {"a": (2, 3, 4, 3), "b": (1, 5, 5, 3), "c": (3, 2, 2, 3)}
    views = {name: generator.integers(0, 256, shape, np.uint8) for name, shape in shapes.items()}
    row = pack(Sample(views["a"], views["b"][..., 0], 1.0, views))
    left = unpack({**row, **without_views(row, {"b", "unknown"})}).views
    assert list(left) == ["a", "c"]
    assert all((left[name] == views[name]).all() for name in left)
    assert without_views(empty_sample(), {"a"}) == {"views": b"", "views_shapes": "{}"}
