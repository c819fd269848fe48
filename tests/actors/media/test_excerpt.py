"""FFmpeg's arguments for the pictures of a window; that they bring the right ones is shown in test_two_paths."""

from __future__ import annotations

import ffmpeg as graph
import numbered as clips
import numpy as np
import pytest

from actors.media import ffmpeg
from actors.media.excerpt import _places, excerpt, held
from actors.media.scan import scan
from actors.media.timeline import Cut


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("excerpts")


def words(path, start_s, duration_s):
    """The arguments for a window, in one line."""
    facts = scan(path)
    cut = facts.cut(start_s, duration_s)
    assert cut is not None
    return " ".join(ffmpeg.arguments(graph.output(excerpt(str(path), facts, cut, 10**8, 1).node, "out")))


def test_an_exact_container_is_sought_in(folder):
    call = words(clips.kind(folder, "h264.mp4"), 2.0, 1.0)
    assert "-ss 1.95" in call
    assert "trim" not in call


def test_a_transport_stream_is_sought_earlier_and_trimmed(folder):
    path = clips.kind(folder, "mpeg2.ts")
    call = words(path, 1.6, 0.4)
    sought = float(call.split("-ss ")[1].split()[0])
    assert 0 < sought < scan(path).keys[-2] < 1.6
    assert "trim=" in call


def test_a_raw_stream_is_counted(folder):
    call = words(clips.kind(folder, "h264.h264"), 0.8, 0.8)
    assert "-ss" not in call
    assert "end_frame=40" in call
    assert "start_frame=20" in call


def test_counted_pictures_are_held_by_their_numbers():
    cut = Cut(5, 9, 25.0, np.array([5, 6, 6, 6, 8]), 0.0)
    assert _places(cut) == "(N+((2)*gt(N,1)+(-1)*gt(N,2)))"


def test_hundreds_of_counted_pictures_are_held_each_for_its_own_time(folder, tmp_path):
    path = clips.write(folder / "many.h264", [n % 60 for n in range(240)], 25, *clips.X264)
    facts = scan(path)
    shown = np.repeat(np.arange(240), np.arange(240) % 3 + 1)
    cut = Cut(0, 240, 25.0, shown, 0.0)
    node = held(excerpt(str(path), facts, cut, 10**8, 1), cut)
    ffmpeg.run(
        ffmpeg.arguments(ffmpeg.target(node, tmp_path / "held.mkv", ffmpeg.lossless(1), "matroska")), timeout_s=60
    )
    read = graph.output(ffmpeg.source(tmp_path / "held.mkv")["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24")
    frames = [clips.number_of(frame) for frame in ffmpeg.read_frames(read, clips.WIDTH, clips.HEIGHT, timeout_s=60)]
    assert frames == (shown % 60).tolist()
