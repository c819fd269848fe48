"""The two decode paths and the copies show the same pictures of every container, codec and window, by their numbers."""

from __future__ import annotations

import math

import numbered as clips
import pytest

from actors.distortions.apply import apply
from actors.distortions.table import PRISTINE
from actors.media.decode import Decoder
from actors.media.decode_child import key_positions
from actors.media.scan import scan
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions

SPEC = SampleSpec(key_frames=3, motion_frames=70)
# decord may read these: what is not here goes to FFmpeg's pipe whatever the file says
IN_DECORD = {
    "h264.mp4", "h264.mkv", "h264.mov", "h264.flv", "h264.nut", "one_key.mp4", "open_gop.mkv", "hevc_closed.mp4",
    "vp8.webm", "vp9.webm", "vp9.mp4", "vp9.ivf", "av1.mp4", "av1.ivf", "mpeg4.avi", "mpeg4.mp4", "mjpeg.avi", "mjpeg.mov",
    "prores.mov", "ffv1.mkv", "wmv2.wmv", "flv1.flv", "a.gif", "a.y4m", "h264.avi",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """The decoder, and one whose child dies at once, so that FFmpeg reads everything."""
    dead = tmp_path_factory.mktemp("child") / "dead.py"
    dead.write_text("import os\nos._exit(139)\n")
    with Decoder(timeout_s=60) as usual, Decoder(timeout_s=60, child=dead) as by_pipe:
        yield usual, by_pipe


def windows_of(rate):
    """The whole file, its beginning, two windows inside, and one that begins between two pictures."""
    whole = [(0.0, 0.0), (0.0, 20 / rate), (20 / rate, 20 / rate), (40 / rate, 10 / rate)]
    return [*whole, (round(6.4 / rate, 3), 4 / rate)]


def shown_in(start_s, duration_s, rate):
    """The numbers of the pictures that begin in a window of sixty."""
    first = math.ceil(start_s * rate - 0.02)
    end = math.ceil((start_s + duration_s) * rate - 0.02) if duration_s else 60
    return list(range(first, min(end, 60)))


@pytest.mark.parametrize("name", clips.KINDS)
def test_both_paths_show_the_pictures_of_the_window(name, folder, paths):
    path, rate = clips.kind(folder, name), clips.KINDS[name][0]
    for start_s, duration_s in windows_of(rate):
        wanted = shown_in(start_s, duration_s, rate)
        pairs = [[wanted[at], wanted[min(at + 1, len(wanted) - 1)]] for at in key_positions(len(wanted), 3)]
        for decoder in paths:
            sample = decoder.decode(path, start_s, duration_s, SPEC)
            assert clips.numbers_of(sample) == wanted, (start_s, duration_s)
            assert [[clips.number_of(frame) for frame in pair] for pair in sample.key] == pairs, (start_s, duration_s)
            assert sample.fps == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("name", clips.KINDS)
def test_a_copy_shows_the_pictures_of_the_window(name, folder, paths, tmp_path):
    path, rate = clips.kind(folder, name), clips.KINDS[name][0]
    for start_s, duration_s in windows_of(rate)[1:]:
        copy = tmp_path / f"{start_s}.mkv"
        apply(PRISTINE, 0, path, start_s, duration_s, copy, 0, options=EncodeOptions())
        assert clips.numbers_of(paths[1].decode(copy, spec=SPEC)) == shown_in(start_s, duration_s, rate), start_s


@pytest.mark.parametrize("name", clips.KINDS)
def test_decord_reads_what_it_reads_rightly_and_nothing_else(name, folder):
    facts = scan(clips.kind(folder, name))
    assert facts.is_exact_in_decord == (name in IN_DECORD)
    assert (facts.timeline.spacing, len(facts.timeline.times)) == ("constant", 60)
    assert facts.fps == pytest.approx(clips.KINDS[name][0], rel=0.01)
    assert facts.length_s == pytest.approx(60 / clips.KINDS[name][0], rel=0.02)
