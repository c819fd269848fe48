"""A higher level is a worse picture, on real clips (`tests/data/clips`): every level of every type, as a run makes it."""

from __future__ import annotations

from pathlib import Path

import ffmpeg as graph
import numpy as np
import pytest

from actors.distortions.apply import apply
from actors.distortions.table import DISTORTIONS, PRISTINE
from actors.media import ffmpeg
from actors.media.vmaf import vmaf
from actors.media.window import EncodeOptions

CLIPS = sorted((Path(__file__).parents[2] / "data" / "clips").glob("*.mp4"))
SECONDS = 0.8
OPTIONS = EncodeOptions(x265_preset="ultrafast")
# VMAF looks at luma and rewards contrast: to these it says nothing reliable, so only PSNR is asked.
NOT_SEEN_BY_VMAF = {"darken", "brighten", "oversharpen", "colour_shift", "banding"}
SLACK_DB, SLACK_VMAF = 0.1, 0.5


@pytest.fixture(scope="module", params=CLIPS, ids=lambda path: path.stem)
def reference(request, tmp_path_factory):
    """A clip and its undistorted window."""
    path = tmp_path_factory.mktemp("reference") / "reference.mkv"
    apply(PRISTINE, 0, request.param, 0.0, SECONDS, path, 0, options=OPTIONS)
    return request.param, path


def _frames(path):
    header = ffmpeg.probe(path)
    node = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24", fps_mode="passthrough")
    return np.stack(list(ffmpeg.read_frames(node, header.width, header.height, timeout_s=60))).astype(np.float32)


def test_there_are_real_clips():
    assert len(CLIPS) == 3


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_higher_level_is_measured_worse(name, reference, tmp_path):
    source, undistorted = reference
    plain, copy = _frames(undistorted), tmp_path / "copy.mkv"
    decibels, quality = [], []
    for level in range(1, len(DISTORTIONS[name].levels) + 1):
        apply(name, level, source, 0.0, SECONDS, copy, 7, options=OPTIONS)
        error = float(np.mean((_frames(copy) - plain) ** 2))  # refuses unequal sizes and frame counts
        decibels.append(10 * np.log10(255**2 / max(error, 1e-6)))
        if name not in NOT_SEEN_BY_VMAF:
            quality.append(vmaf(undistorted, copy))
    assert all(np.diff(decibels) <= SLACK_DB), decibels
    assert decibels[0] > decibels[-1] + 2, decibels
    assert all(np.diff(quality) <= SLACK_VMAF), quality
    assert not quality or quality[0] > quality[-1] + 4, quality


def _qualities(name, source, folder):
    """VMAF of every level, at a short side of 270 pixels."""
    options = EncodeOptions(max_short_side=270)
    undistorted, copy = folder / "undistorted.mkv", folder / "copy.mkv"
    apply(PRISTINE, 0, source, 0.0, SECONDS, undistorted, 0, options=options)
    quality = []
    for level in range(1, len(DISTORTIONS[name].levels) + 1):
        apply(name, level, source, 0.0, SECONDS, copy, 3, options=options)
        quality.append(vmaf(undistorted, copy))
    return quality


def test_vmaf_follows_darkening_or_not_and_may_rise_with_sharpening_by_content(tmp_path):
    flower, pale = CLIPS[0], tmp_path / "pale.mkv"
    node = ffmpeg.source(flower)["V:0"].filter("lutyuv", y="150+val*85/255").filter("format", "yuv420p")
    ffmpeg.run(ffmpeg.arguments(ffmpeg.target(node, pale, ffmpeg.lossless(1), "matroska")), timeout_s=60)
    plain, lifted = _qualities("darken", flower, tmp_path), _qualities("darken", pale, tmp_path)
    assert plain[0] > 88
    assert plain[-1] < 15
    assert lifted[-1] > lifted[0] + 2, "darkening a pale picture adds contrast, which the model rewards"
    sharpened = _qualities("oversharpen", pale, tmp_path)
    assert sharpened[-1] > sharpened[0] + 2, "the stronger, the better, says the model"
