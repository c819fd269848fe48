from pathlib import Path

import pytest

from actors.folder import HeaderReader, WindowReader
from actors.media.rows import format_recipe, unpack
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions


@pytest.fixture
def reader():
    """Windows of two key frames, brought to 96 lines."""
    actor = WindowReader(SampleSpec(key_frames=2, motion_frames=4), EncodeOptions(max_short_side=96))
    yield actor
    actor.close()


def window(path, start=0.0, length=0.0):
    row = {"video_id": "a", "uri": str(path), "start_s": start, "duration_s": length, "still": False}
    return row | {"recipe": format_recipe([("pristine", 0, 0)])}


def test_a_header_gives_the_length_and_a_still_has_none(clip, make, tmp_path):
    still = make("still.png", "-i", str(clip), "-frames:v", "1")
    read = HeaderReader()
    rows = [read({"video_id": "a", "uri": str(path)}) for path in (clip, still, tmp_path / "none.mp4")]
    assert [row["status"] for row in rows] == ["ok", "ok", "failed"]
    assert [row["length_s"] for row in rows] == pytest.approx([1.2, 0.0, 0.0])


def test_a_window_is_brought_into_the_form_of_the_run_and_its_file_is_deleted(reader, clip):
    row = reader(window(clip, 0.2, 0.4))
    assert row["status"] == "ok", row["error"]
    sample = unpack(row)
    assert sample.key.shape[:3] == (2, 2, 96)
    assert len(sample.luma) == 4
    assert [path for path in reader.folder.rglob("*") if path.is_file()] == [], "no file is left between two windows"


def test_a_window_that_cannot_be_read_is_a_row_with_its_reason(reader, clip, tmp_path):
    bad, good = reader(window(tmp_path / "none.mp4")), reader(window(clip))
    assert (bad["status"], bad["error_kind"], good["status"]) == ("failed", "missing", "ok")
    assert set(bad) == set(good), "all rows of a block have one schema"


def test_a_closed_reader_leaves_no_folder(reader):
    folder = Path(reader.folder)
    assert folder.is_dir()
    reader.close()
    assert not folder.exists()
    reader.close()
