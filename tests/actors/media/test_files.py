"""Files that are whole or absent, and disks that are full."""

from __future__ import annotations

import errno
import tempfile

import pytest

from actors.distortions import apply as copies
from actors.media.files import atomic, room_in
from actors.media.outcome import Failure, no_space
from actors.media.rows import check_storage, failed, fresh
from actors.media.window import EncodeOptions
from actors.sample import Synthesise


def _write_half(path, error):
    with atomic(path) as partial:
        partial.write_bytes(b"half")
        raise error


def test_a_file_is_whole_or_absent(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _write_half(tmp_path / "a", KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []
    with atomic(tmp_path / "a") as partial:
        partial.write_bytes(b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"


@pytest.mark.parametrize("error", [
    OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Quota"), Failure("storage", "No space left on device"),
])  # fmt: skip
def test_a_full_disk_names_its_folder(error, tmp_path):
    with pytest.raises(Failure) as caught, room_in(tmp_path):
        _write_half(tmp_path / "a", error)
    assert caught.value.kind == "storage"
    assert caught.value.message == f"no space left in {tmp_path}; free some and run the same command again"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), Failure("decode", "broken")])
def test_other_errors_stay_what_they_are(error, tmp_path):
    with pytest.raises(type(error)) as caught, room_in(tmp_path):
        raise error
    assert caught.value is error


def test_a_row_that_finds_no_room_stops_the_work_and_is_not_recorded_as_bad(clip, tmp_path, monkeypatch):
    def full(*_given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(copies, "_write", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    row = {
        "video_id": "a",
        "uri": str(clip),
        "start_s": 0.0,
        "duration_s": 0.5,
        "recipe": '[["h264",1,3]]',
        "still": False,
    }
    done = Synthesise(EncodeOptions())(row)
    assert (done["status"], done["error_kind"]) == ("failed", "storage")
    with pytest.raises(Failure, match=f"no space left in {tmp_path}"):
        check_storage([fresh(row), done])
    check_storage([fresh(row), failed(row, "decode", "broken")])
    assert str(no_space("here")) == "storage: no space left in here; free some and run the same command again"
