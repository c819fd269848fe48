"""The pass over a file's packets: times, key frames, tracks, colours, limits."""

from __future__ import annotations

import re

import numbered as clips
import numpy as np
import pytest

from actors.distortions.apply import apply
from actors.distortions.table import PRISTINE
from actors.folder import HeaderReader
from actors.media import packets
from actors.media import scan as module
from actors.media.decode import Decoder
from actors.media.outcome import Failure
from actors.media.scan import scan


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scans")


@pytest.fixture(autouse=True)
def forget():
    module._MEMORY.clear()


def test_the_times_of_a_plain_film(folder):
    facts = scan(clips.kind(folder, "h264.mp4"))
    np.testing.assert_allclose(facts.timeline.times, np.arange(60) / 10, atol=1e-4)
    assert (facts.keys[0], facts.container, facts.track, facts.is_plain, facts.is_whole) == (0.0, "mov", 0, True, True)
    assert (facts.length_s, facts.fps, facts.jumps, facts.leads, facts.is_turned) == (6.0, 10.0, False, False, False)


def test_a_file_is_read_once_until_it_changes(folder, monkeypatch):
    path = folder / "again.mp4"
    path.write_bytes(clips.kind(folder, "h264.mp4").read_bytes())
    first = scan(path)
    assert scan(path) is first
    path.write_bytes(clips.kind(folder, "mpeg4.mp4").read_bytes())
    assert scan(path).header.codec == "mpeg4"


def test_pictures_before_their_key_frame_are_noticed(folder):
    assert scan(clips.kind(folder, "mpeg2.mkv")).leads
    assert not scan(clips.kind(folder, "h264.mkv")).leads


def test_colours_are_those_of_the_first_picture(folder):
    tags = "setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"
    path = clips.write(folder / "tags.mkv", range(3), 10, "-c:v", "ffv1", "-pix_fmt", "yuv420p10le", filters=tags)
    picture = scan(path).picture
    assert picture is not None
    colours = (picture.colour_range, picture.colour_space, picture.primaries, picture.transfer)
    assert colours == ("tv", "bt2020nc", "bt2020", "smpte2084")


def test_interlaced_pictures_are_marked(folder):
    path = clips.write(
        folder / "fields.ts", range(20), 25, *clips.X264, "-x264-params", "tff=1", filters="setfield=tff"
    )
    picture = scan(path).picture
    assert picture is not None
    assert picture.is_interlaced


def test_a_cropped_film_has_the_size_of_what_is_shown(folder):
    source = clips.write(folder / "wide.mp4", range(60), 10, *clips.X264, filters="pad=96:48:16:0")
    crop = "h264_metadata=crop_left=16:crop_right=16"
    path = folder / "cropped.mkv"
    clips.run("-i", source, "-c", "copy", "-bsf:v", crop, path)
    facts = scan(path)
    assert (facts.header.width, facts.header.height) == (64, 48)


@pytest.mark.parametrize("limit", ["packets", "seconds"])
def test_a_file_too_long_to_be_read_is_known_as_far_as_it_was(limit, folder, monkeypatch):
    if limit == "packets":
        monkeypatch.setattr(packets, "MOST_PACKETS", 35)
    else:
        monkeypatch.setattr(packets, "MOST_SECONDS", -1.0)
    facts = scan(clips.kind(folder, "h264.mkv"))
    assert not facts.is_whole
    assert not facts.is_exact_in_decord
    assert facts.length_s == pytest.approx(6.0, abs=0.05), "the rest is the header's word"
    np.testing.assert_allclose(np.diff(facts.timeline.times), 0.1, atol=1e-6)


def test_what_lies_beyond_the_limit_is_still_decoded(folder, monkeypatch):
    from actors.media.decode import Decoder
    from actors.media.views import SampleSpec

    monkeypatch.setattr(packets, "MOST_PACKETS", 35)
    with Decoder(timeout_s=60) as decoder:
        sample = decoder.decode(clips.kind(folder, "h264.mkv"), 4.0, 1.0, SampleSpec(motion_frames=99))
    assert clips.numbers_of(sample) == list(range(40, 50))


def test_broken_files_are_named_as_by_the_probe(broken_files):
    for name, path in broken_files.items():
        with pytest.raises(Failure) as caught:
            scan(path)
        assert caught.value.kind == name.split(".")[0], name


def test_a_film_that_no_decoder_knows_is_left_to_who_decodes_it(folder, make):
    data = clips.kind(folder, "mjpeg.mov").read_bytes()
    path = folder / "unknown.mov"
    path.write_bytes(data.replace(b"jpeg", b"zzzz"))
    with pytest.raises(Failure) as caught:
        scan(path)
    assert caught.value.kind == "decode"


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


def test_a_download_that_stopped_says_where_it_ends_on_every_path(partial, tmp_path):
    ends = r"its pictures end at 1\.\d+ s, its header says 4 s"
    assert re.fullmatch(ends, scan(partial).shortfall)
    row = HeaderReader()({"uri": str(partial)})
    assert (row["status"], row["note"]) == ("ok", scan(partial).shortfall)
    with pytest.raises(Failure, match=f"no frame at 3 s: {ends}; copy it again") as caught:
        apply(PRISTINE, 0, partial, 3.0, 1.0, tmp_path / "x.mkv", 0)
    assert caught.value.kind == "decode"
    with Decoder() as decoder, pytest.raises(Failure, match=f"no frame at 3 s: {ends}"):
        decoder.decode(partial, 3.0, 1.0)
    apply(PRISTINE, 0, partial, 0.0, 1.0, tmp_path / "x.mkv", 0)


def test_a_window_beyond_a_whole_file_asks_for_another(clip, tmp_path):
    assert scan(clip).shortfall == ""
    with pytest.raises(Failure, match="no frame at 90 s; check start_s and duration_s"):
        apply(PRISTINE, 0, clip, 90.0, 1.0, tmp_path / "x.mkv", 0)
