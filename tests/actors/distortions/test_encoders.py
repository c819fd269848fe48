"""Encoders: sizes that they take, rates that they have, and pictures that do not depend on the machine."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import ffmpeg as graph
import numpy as np
import pytest

from actors.distortions import apply as copies
from actors.distortions.apply import apply
from actors.distortions.maker import Encoding, Setting
from actors.distortions.table import DISTORTIONS, PRISTINE
from actors.media import ffmpeg
from actors.media.outcome import Failure
from actors.media.window import EncodeOptions

OPTIONS = EncodeOptions(x265_preset="ultrafast")
CLIP = Path(__file__).parents[2] / "data" / "clips" / "friday.mp4"


def noise(path, width, height):
    """Six frames of noise."""
    node = ffmpeg.target(
        ffmpeg.raw_source(width, height, 15).filter("format", "yuv420p"), path, ffmpeg.lossless(1), "matroska"
    )
    random = np.random.default_rng(1)
    with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
        for _ in range(6):
            writer.write(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return path


def frames_of(path):
    header = ffmpeg.probe(path)
    node = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24", fps_mode="passthrough")
    return np.stack(list(ffmpeg.read_frames(node, header.width, header.height, timeout_s=60)))


def times_of(path):
    """Presentation time of every frame, seconds."""
    node = graph.output(ffmpeg.source(path)["V:0"].filter("showinfo"), "pipe:1", f="null", fps_mode="passthrough")
    log = ffmpeg.run(ffmpeg.arguments(node), timeout_s=60)
    return [float(time) for time in re.findall(r"pts_time:\s*([\d.]+)", log)]


@pytest.mark.parametrize("name", [row.name for row in DISTORTIONS.values() if row.least_side > 2])
def test_an_encoder_takes_frames_of_its_smallest_side(name, tmp_path):
    side = DISTORTIONS[name].least_side
    for width, height in ((side, side), (4 * side, side), (side, 4 * side)):
        source = noise(tmp_path / "source.mkv", width, height)
        apply(name, 1, source, 0.0, 0.0, tmp_path / "copy.mkv", 3, options=OPTIONS)
        assert frames_of(tmp_path / "copy.mkv").shape == (6, height, width, 3)


@pytest.mark.parametrize("name", ["h265", "av1"])
def test_smaller_frames_are_refused_by_their_size_before_an_encoder_sees_them(name):
    def window(width, height):
        return SimpleNamespace(source="a.mp4", width=width, height=height)

    copies._check_size(DISTORTIONS[name], window(16, 16))
    for size in ((14, 16), (16, 14)):
        with pytest.raises(
            Failure, match=f"a.mp4: its frames are {size[0]}x{size[1]}, and distortion {name} needs at"
        ) as no:
            copies._check_size(DISTORTIONS[name], window(*size))
        assert no.value.kind == "too_small"


@pytest.mark.parametrize("rate", ["15/2", "25/2", "49/2", "1000/33", "25", "30000/1001"])
def test_a_copy_in_mpeg2_has_the_frames_and_the_times_of_its_reference(rate, make, tmp_path):
    source = make(
        f"rate-{rate.replace('/', '-')}.mkv", "-f", "lavfi", "-i", f"testsrc2=s=64x64:r={rate}:d=8", "-c:v", "libx264", "-qp", "0"
    )  # fmt: skip
    reference, copy = tmp_path / "reference.mkv", tmp_path / "copy.mkv"
    apply(PRISTINE, 0, source, 0.0, 0.0, reference, 0, options=OPTIONS)
    apply("mpeg2", 1, source, 0.0, 0.0, copy, 3, options=OPTIONS)
    expected = times_of(reference)
    assert len(expected) > 55
    np.testing.assert_allclose(times_of(copy), expected, atol=0.0015)
    assert ffmpeg.probe(copy).fps == pytest.approx(ffmpeg.probe(reference).fps)
    error = np.abs(frames_of(copy).astype(int) - frames_of(reference)).mean(axis=(1, 2, 3))
    assert error.max() < 8, "every frame is the one of the reference"


def test_the_rate_of_a_window_changes_no_picture_of_mpeg2(tmp_path):
    made = [DISTORTIONS["mpeg2"].make(12, Setting(rate=Fraction(rate))) for rate in ("25", "25/2")]
    assert all(isinstance(one, Encoding) for one in made)
    assert [one.raw for one in made if isinstance(one, Encoding)] == ["", "mpeg2video"]
    pictures = []
    for max_fps in (25.0, 12.5):
        rate = f"setpts=N/{max_fps}/TB"
        source, copy = tmp_path / f"{max_fps}.mkv", tmp_path / "copy.mkv"
        node = (
            ffmpeg.source(noise(tmp_path / "noise.mkv", 64, 48))["V:0"]
            .filter("setpts", rate[7:])
            .filter("fps", fps=max_fps)
        )
        ffmpeg.run(ffmpeg.arguments(ffmpeg.target(node, source, ffmpeg.lossless(1), "matroska")), timeout_s=60)
        apply("mpeg2", 2, source, 0.0, 0.0, copy, 3, options=OPTIONS)
        pictures.append(frames_of(copy))
    np.testing.assert_array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("name", [row.name for row in DISTORTIONS.values() if row.family == "streaming"])
def test_the_number_of_threads_changes_no_picture(name, tmp_path):
    pictures = []
    for threads in (1, 4):
        options = EncodeOptions(x265_preset="ultrafast", threads=threads, max_short_side=270)
        apply(name, 2, CLIP, 0.0, 0.6, tmp_path / "copy.mkv", 3, options=options)
        pictures.append(frames_of(tmp_path / "copy.mkv"))
    np.testing.assert_array_equal(pictures[0], pictures[1])
