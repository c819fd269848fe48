"""Distorted copies on disk: table, severity, alignment, determinism, refusals."""

from __future__ import annotations

import ffmpeg as graph
import numpy as np
import pytest

from actors.distortions import packet_loss
from actors.distortions import table as distortions
from actors.distortions.apply import apply
from actors.distortions.table import DISTORTIONS, PRISTINE
from actors.media import ffmpeg
from actors.media.decode import Decoder
from actors.media.outcome import Failure
from actors.media.scan import scan
from actors.media.vmaf import vmaf
from actors.media.window import EncodeOptions

OPTIONS = EncodeOptions(x265_preset="ultrafast")


@pytest.fixture(scope="module")
def reference(clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "reference.mkv"
    apply(PRISTINE, 0, clip, 0.1, 0.8, path, 0, options=OPTIONS)
    return path


def _frames(path):
    header = ffmpeg.probe(path)
    node = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24")
    return np.stack(list(ffmpeg.read_frames(node, header.width, header.height, timeout_s=60)))


def test_the_training_suite_is_the_papers():
    expected = {
        "resize": (2, 3, 4, 8, 16),
        "gaussian_blur": (0.1, 0.5, 1, 2, 5),
        "gaussian_noise": (0.001, 0.002, 0.003, 0.005, 0.01),
        "darken": (0.05, 0.1, 0.2, 0.4, 0.8),
        "brighten": (0.1, 0.2, 0.4, 0.7, 1.1),
        "h264": (24, 36, 48, 63),
        "h265": (36, 40, 44, 48),
    }
    train = {row.name: row for row in distortions.suite("train")}
    assert {name: train[name].levels for name in expected} == expected
    assert {row.family for row in train.values()} == {"spatial", "temporal", "streaming"}
    assert [len(train[name].levels) for name in ("jitter", "stutter")] == [3, 3]
    unseen = {row.name for row in distortions.suite("unseen")}
    assert not unseen & set(train)
    extra = {row.name for row in distortions.suite("extra")}
    assert len(unseen) + len(train) + len(extra) == len(DISTORTIONS)
    assert unseen == {"vp9", "av1", "mpeg2", "mjpeg", "denoise", "noise_h264", "frame_drop"}, "what no preset trains on"


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_decoders_agree_on_the_frames_of_every_codec(suffix, clip, tmp_path):
    with Decoder() as decoder:
        for row in DISTORTIONS.values():
            if row.family == "streaming":
                path = tmp_path / f"{row.name}.{suffix}"
                apply(row.name, 2, clip, 0.1, 0.8, path, 3, options=OPTIONS)
                assert decoder.decode(path).luma.shape[0] == _frames(path).shape[0] == 12, row.name


def test_level_zero_is_the_window_without_loss(clip, reference):
    node = graph.output(ffmpeg.source(clip, 0.1, 0.8)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24")
    np.testing.assert_array_equal(_frames(reference), list(ffmpeg.read_frames(node, 176, 144, timeout_s=60)))
    header = ffmpeg.probe(reference)
    assert (header.width, header.height, header.fps, header.pix_fmt) == (176, 144, 15.0, "yuv420p")


@pytest.mark.parametrize("name", [row.name for row in DISTORTIONS.values() if row.family == "streaming"])
def test_streaming_severity_is_monotone_and_aligned(name, clip, reference, tmp_path):
    quality = []
    for level in range(1, len(DISTORTIONS[name].levels) + 1):
        path = tmp_path / f"{level}.mp4"
        apply(name, level, clip, 0.1, 0.8, path, 3, options=OPTIONS)
        quality.append(vmaf(reference, path))  # refuses unequal sizes and frame counts
    assert quality == sorted(quality, reverse=True)
    assert quality[0] > quality[-1] + 4


@pytest.mark.parametrize("name", [row.name for row in DISTORTIONS.values() if row.family != "streaming"])
def test_frame_functions_keep_size_and_count(name, clip, reference, tmp_path):
    path = tmp_path / "copy.mkv"
    apply(name, len(DISTORTIONS[name].levels), clip, 0.1, 0.8, path, 3, options=OPTIONS)
    before, after = _frames(reference), _frames(path)
    assert before.shape == after.shape
    assert np.abs(before.astype(int) - after).mean() > 1


def test_temporal_severity_is_monotone_over_seeds(clip, reference, tmp_path):
    means = []
    for level in (1, 3):
        scores = []
        for seed in range(3):
            path = tmp_path / "copy.mkv"
            apply("stutter", level, clip, 0.1, 0.8, path, seed, options=OPTIONS)
            scores.append(vmaf(reference, path))
        means.append(np.mean(scores))
    assert means[0] > means[1] + 5


@pytest.mark.parametrize("name", ["gaussian_noise", "noise_h264", "av1", "vp9", "jitter", "packet_loss"])
def test_equal_seeds_give_equal_bytes(name, clip, tmp_path):
    paths = [tmp_path / f"{at}.mkv" for at in range(2)]
    for path in paths:
        apply(name, 2, clip, 0.0, 0.6, path, 11, options=OPTIONS)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_lost_slices_are_nested_and_every_picture_keeps_one():
    header, intra, inter = b"\x00\x00\x01\x67head", 0x65, 0x41
    units = [header]
    for picture in range(40):
        for part in range(4):
            kind = intra if picture == 0 else inter
            first = 0x80 if part == 0 else 0x40
            units.append(b"\x00\x00\x01" + bytes([kind, first, picture + 2, part + 2]))
    stream = b"".join(units)
    slices = [set(packet_loss.lose(stream, share, 5).split(b"\x00\x00\x01")[1:]) for share in (0.0, 0.1, 0.4, 1.0)]
    assert packet_loss.lose(stream, 0.0, 5) == stream
    assert slices[0] > slices[1] > slices[2] > slices[3]
    assert header[3:] in slices[3]
    assert sorted(unit[2] for unit in slices[3] if len(unit) == 4) == sorted([2] * 4 + list(range(3, 42)))
    lost = len(slices[0]) - len(slices[2])
    assert 0.3 < lost / 156 < 0.5


def test_limits_apply_to_the_reference_and_to_copies(clip, tmp_path):
    options = EncodeOptions(max_short_side=101, max_fps=8.0)
    reference, copy = tmp_path / "r.mp4", tmp_path / "c.mp4"
    apply(PRISTINE, 0, clip, 0.0, 1.0, reference, 0, options=options)
    apply("h264", 1, clip, 0.0, 1.0, copy, 0, options=options)
    headers = [ffmpeg.probe(path) for path in (reference, copy)]
    assert {(header.width, header.height, header.fps) for header in headers} == {(122, 100, 7.5)}
    assert _frames(reference).shape[0] == _frames(copy).shape[0] == 8


def test_unusual_sources_are_normalised(odd_files, tmp_path):
    for name, source in odd_files.items():
        reference, copy = tmp_path / f"{name}.r.mkv", tmp_path / f"{name}.c.mkv"
        apply(PRISTINE, 0, source, 0.0, 0.5, reference, 0, options=OPTIONS)
        apply("gaussian_blur", 1, source, 0.0, 0.5, copy, 0, options=OPTIONS)
        header = ffmpeg.probe(reference)
        assert header.pix_fmt == "yuv420p"
        assert (header.width, header.height) == {"rotated": (144, 176), "odd_444": (174, 142)}.get(name, (176, 144))
        before, after = _frames(reference), _frames(copy)
        assert before.shape == after.shape, name
        # A blur of 0.1 px is none: the trip through RGB may soften colour edges but must shift nothing.
        assert abs((before.astype(int) - after).mean()) < 0.2, name
        assert np.abs(before.astype(int) - after).mean() < 2, name


def test_a_variable_rate_is_shown_with_its_pauses(numbered, make, tmp_path):
    pause = "setpts=if(lt(N\\,10)\\,N\\,N+10)/10/TB"  # frame 9 stays for 1.1 s
    source = make("pause.mp4", "-i", str(numbered), "-vf", pause, "-fps_mode", "vfr", "-c:v", "libx264", "-qp", "0")
    header = ffmpeg.probe(source)
    assert (round(header.fps, 1), header.tick_rate) == (7.5, 10)
    assert [scan(path).timeline.spacing for path in (numbered, source)] == ["constant", "held"]
    for max_fps, step in ((None, 1), (5.0, 2)):
        path = tmp_path / f"{step}.mkv"
        apply(PRISTINE, 0, source, 0.0, 0.0, path, 0, options=EncodeOptions(max_fps=max_fps))
        levels = [round(float(frame.mean()) / 8) for frame in _frames(path)]
        expected = [*range(10), *[9] * 10, *range(10, 30)][::step]
        assert len(levels) == pytest.approx(len(expected), abs=1)
        assert all(abs(one - other) <= step - 1 for one, other in zip(levels, expected, strict=False)), levels


def test_stills_are_the_middle_frame(numbered, tmp_path):
    pristine, dark = tmp_path / "p.png", tmp_path / "d.png"
    apply(PRISTINE, 0, numbered, 1.0, 1.0, pristine, 0, still=True)
    apply("brighten", 5, numbered, 1.0, 1.0, dark, 0, still=True)
    assert ffmpeg.probe(pristine).is_still
    assert round(float(_frames(pristine).mean()) / 8) == 15
    assert _frames(dark).mean() > _frames(pristine).mean() + 30
    assert _frames(dark).shape == (1, 48, 64, 3)


@pytest.mark.parametrize(
    ("name", "level", "still"), [("nothing", 1, False), ("h264", 5, False), ("resize", -1, False), ("jitter", 1, True)]
)
def test_senseless_requests_are_refused(name, level, still, clip, tmp_path):
    with pytest.raises(Failure) as caught:
        apply(name, level, clip, 0.0, 1.0, tmp_path / "x.mkv", 0, still=still)
    assert caught.value.kind == "usage"


@pytest.mark.parametrize("name", ["h264", "resize"])
def test_a_failure_leaves_no_file(name, clip, broken_files, tmp_path):
    for source, start in (
        (broken_files["decode.truncated.mp4"], 0.0),
        (broken_files["no_video.mp4"], 0.0),
        (clip, 90.0),
    ):
        with pytest.raises(Failure):
            apply(name, 1, source, start, 1.0, tmp_path / "x.mkv", 0)
        assert list(tmp_path.iterdir()) == []


def test_a_time_out_is_a_failure_and_leaves_no_file(clip, tmp_path):
    with pytest.raises(Failure) as caught:
        apply("h265", 1, clip, 0.0, 1.0, tmp_path / "x.mkv", 0, options=EncodeOptions(timeout_s=0.001))
    assert caught.value.kind == "timeout"
    assert list(tmp_path.iterdir()) == []


def test_a_copy_replaces_an_older_file_at_once(clip, tmp_path):
    path = tmp_path / "x.mkv"
    path.write_bytes(b"old")
    with pytest.raises(Failure):
        apply("h264", 1, clip, 90.0, 1.0, path, 0)
    assert path.read_bytes() == b"old"
    apply("h264", 1, clip, 0.0, 0.5, path, 0)
    assert ffmpeg.probe(path).codec == "h264"
