"""VMAF through FFmpeg: known ends of the scale and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.distortions.apply import apply
from actors.distortions.table import PRISTINE
from actors.media.outcome import Failure
from actors.media.vmaf import vmaf
from actors.media.window import EncodeOptions


@pytest.fixture(scope="module")
def copies(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vmaf")
    apply(PRISTINE, 0, clip, 0.0, 0.8, folder / "reference.mkv", 0)
    apply(PRISTINE, 0, clip, 0.0, 0.8, folder / "again.mp4", 0)
    apply(PRISTINE, 0, clip, 0.0, 0.6, folder / "shorter.mkv", 0)
    apply(PRISTINE, 0, clip, 0.0, 0.8, folder / "smaller.mkv", 0, options=EncodeOptions(max_short_side=96))
    apply("gaussian_blur", 5, clip, 0.0, 0.8, folder / "blurred.mp4", 0)
    return folder


def test_a_clip_against_itself_and_against_a_ruin(copies: Path) -> None:
    assert vmaf(copies / "reference.mkv", copies / "again.mp4") > 97
    assert vmaf(copies / "reference.mkv", copies / "blurred.mp4") < 25


@pytest.mark.parametrize("pair", [("reference.mkv", "shorter.mkv"), ("shorter.mkv", "reference.mkv")])
def test_unequal_frame_counts_are_refused(pair: tuple[str, str], copies: Path) -> None:
    with pytest.raises(Failure) as caught:
        vmaf(copies / pair[0], copies / pair[1])
    assert caught.value.kind == "usage"
    assert "frame counts" in caught.value.message


def test_one_file_is_no_pair(copies: Path) -> None:
    with pytest.raises(Failure) as caught:
        vmaf(copies / "reference.mkv", copies / "reference.mkv")
    assert caught.value.kind == "usage"


def test_unequal_sizes_are_refused(copies: Path) -> None:
    with pytest.raises(Failure) as caught:
        vmaf(copies / "reference.mkv", copies / "smaller.mkv")
    assert "frame sizes" in caught.value.message
