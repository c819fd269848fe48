"""A window behind the end of a file says where the file ends."""

from __future__ import annotations

import pytest

from actors.distortions.apply import apply
from actors.distortions.table import PRISTINE
from actors.media import ffmpeg
from actors.media.extent import no_frame
from actors.media.outcome import Failure


@pytest.fixture(scope="module")
def partial(make):
    """A download of 4 s that stopped early: a Matroska file cut in the middle of its bytes."""
    whole = make(
        "whole.mkv", "-f", "lavfi", "-i", "testsrc2=s=256x144:r=25:d=4",
        "-c:v", "libx264", "-g", "25", "-bf", "0", "-cluster_time_limit", "200",
    )  # fmt: skip
    content = whole.read_bytes()
    path = whole.with_name("partial.mkv")
    path.write_bytes(content[: len(content) * 45 // 100])
    return path


def test_a_download_that_stopped_says_where_it_ends(partial, tmp_path):
    assert ffmpeg.probe(partial).duration_s == 4
    with pytest.raises(
        Failure, match=r"no frame at 3 s: it ends at 1\.\d+ s, its header says 4 s; copy it again"
    ) as caught:
        apply(PRISTINE, 0, partial, 3.0, 1.0, tmp_path / "x.mkv", 0)
    assert caught.value.kind == "decode"
    apply(PRISTINE, 0, partial, 0.0, 1.0, tmp_path / "x.mkv", 0)


def test_a_window_beyond_a_whole_file_asks_for_another(clip):
    assert "check start_s and duration_s" in no_frame(str(clip), 90.0).message
    assert "check start_s" in no_frame("gone.mp4", 1.0).message
