"""VMAF through FFmpeg: known ends of the scale and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from actors.distortions.apply import apply
from actors.distortions.table import PRISTINE
from actors.media import ffmpeg
from actors.media import vmaf as vmaf_module
from actors.media.outcome import Failure
from actors.media.vmaf import FIRST, SECOND, labels, vmaf
from actors.media.window import EncodeOptions


@pytest.fixture(scope="module")
def copies(clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vmaf")
    apply(PRISTINE, 0, clip, 0.0, 0.8, folder / "reference.mkv", 0)
    apply(PRISTINE, 0, clip, 0.0, 0.8, folder / "again.mp4", 0)
    apply(PRISTINE, 0, clip, 0.0, 0.6, folder / "shorter.mkv", 0)
    apply(PRISTINE, 0, clip, 0.0, 0.8, folder / "smaller.mkv", 0, options=EncodeOptions(max_short_side=96))
    apply("gaussian_blur", 5, clip, 0.0, 0.8, folder / "blurred.mp4", 0)
    return folder


def test_a_clip_against_itself_and_against_a_ruin(copies):
    assert vmaf(copies / "reference.mkv", copies / "again.mp4") > 97
    assert vmaf(copies / "reference.mkv", copies / "blurred.mp4") < 25


@pytest.mark.parametrize("pair", [("reference.mkv", "shorter.mkv"), ("shorter.mkv", "reference.mkv")])
def test_unequal_frame_counts_are_refused(pair, copies):
    with pytest.raises(Failure) as caught:
        vmaf(copies / pair[0], copies / pair[1])
    assert caught.value.kind == "usage"
    assert "frame counts" in caught.value.message


def test_one_file_is_no_pair(copies):
    with pytest.raises(Failure) as caught:
        vmaf(copies / "reference.mkv", copies / "reference.mkv")
    assert caught.value.kind == "usage"


def test_unequal_sizes_are_refused(copies):
    with pytest.raises(Failure) as caught:
        vmaf(copies / "reference.mkv", copies / "smaller.mkv")
    assert "frame sizes" in caught.value.message


@pytest.fixture(scope="module")
def large(media, make):
    """A colourful clip of 320x320, just large enough for both models, and the same with 40 % of its colours."""
    picture = ("-f", "lavfi", "-i", "testsrc2=size=320x320:rate=10:duration=0.5", "-pix_fmt", "yuv420p", "-qp", "0")
    return make("colour.mkv", *picture), make("pale.mkv", *picture, "-vf", "hue=s=0.4")


def test_both_models_come_from_one_pass_and_only_the_second_sees_that_colours_are_lost(large, monkeypatch):
    assert vmaf_module.has_second(), "asked once for all copies"
    runs = []
    run = ffmpeg.run
    monkeypatch.setattr(ffmpeg, "run", lambda *args, **named: runs.append(args) or run(*args, **named))
    found = labels(*large)
    assert len(runs) == 1
    assert found.first > 95
    assert found.second < found.first - 10
    assert found.note == ""
    assert found.first == vmaf(*large)


@pytest.mark.parametrize(("change", "score"), [("negate", 0.0), ("unsharp=5:5:0.2", 100.0)])
def test_both_models_have_their_score_where_the_scores_are_equal(make, change, score):
    """FFmpeg's log collapses a line that equals the one before."""
    picture = ("-f", "lavfi", "-i", "testsrc2=size=320x320:rate=10:duration=0.6", "-pix_fmt", "yuv420p", "-qp", "0")
    found = labels(make("moving.mkv", *picture), make("moving.mkv", *picture, "-vf", change))
    assert (found.first, found.second) == (score, score)


def test_frames_that_are_too_small_for_the_second_model_have_the_first_and_a_reason(copies):
    found = labels(copies / "reference.mkv", copies / "blurred.mp4")
    assert found.first == vmaf(copies / "reference.mkv", copies / "blurred.mp4")
    assert np.isnan(found.second)
    assert found.note == "frames of 176x144; VMAF v1.0.16 needs at least 320 pixels a side"


def test_the_second_model_is_left_out_where_it_is_not_asked_for(large):
    found = labels(*large, both=False)
    assert found.first == vmaf(*large)
    assert np.isnan(found.second)
    assert found.note == "VMAF v1.0.16 was not asked for"


def test_an_ffmpeg_without_the_second_model_gives_the_first_and_says_so(large, monkeypatch):
    assert vmaf_module.has_second()
    monkeypatch.setattr(vmaf_module, "has_second", lambda: False)
    found = labels(*large)
    assert found.first > 95
    assert np.isnan(found.second)
    assert "has no vmaf_v1.0.16_3d0h" in found.note


def test_a_model_that_is_not_there_is_noticed(monkeypatch):
    monkeypatch.setattr(vmaf_module, "SECOND", vmaf_module.VmafModel("vmaf_v9.9.9", "none", 320))
    assert not vmaf_module.has_second.__wrapped__()


@pytest.mark.parametrize(("size", "fine"), [((320, 320), True), ((320, 318), False), ((318, 640), False)])
def test_the_second_model_wants_larger_frames_than_the_first(size, fine):
    assert (SECOND.refusal(*size) == "") == fine
    assert FIRST.refusal(*size) == ""


def _grey(path, width, height, lift=0):
    """A file of four grey frames."""
    raw = ffmpeg.raw_source(width, height, 10).filter("format", "yuv420p")
    with ffmpeg.FrameWriter(ffmpeg.target(raw, path, ffmpeg.lossless(1), "matroska"), timeout_s=60) as writer:
        for frame in range(4):
            writer.write(np.full((height, width, 3), 40 * frame + lift, np.uint8))
    return path


def test_frames_of_the_smallest_side_have_a_score_and_smaller_ones_are_refused(tmp_path):
    least = FIRST.least_side
    assert 0 <= vmaf(_grey(tmp_path / "a.mkv", least, least), _grey(tmp_path / "b.mkv", least, least, 20)) <= 100
    small = _grey(tmp_path / "c.mkv", least - 2, 40), _grey(tmp_path / "d.mkv", least - 2, 40, 20)
    with pytest.raises(
        Failure, match=r"c\.mkv has frames of 16x40; VMAF v0\.6\.1 needs at least 18 pixels a side"
    ) as caught:
        vmaf(*small)
    assert caught.value.kind == "too_small"
