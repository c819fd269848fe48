"""Demonstration clips: deterministic, different from each other, different in quality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actors.media import ffmpeg, scenes
from actors.media.decode import Decoder
from actors.media.outcome import Failure
from actors.media.views import SampleSpec


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    names = ("a.mp4", "b.mp4", "c.mp4")
    for name, seed in zip(names, (1, 1, 2), strict=True):
        scenes.make_clip(5, seed, tmp_path / name, 96, 64, 0.4, 10.0)
    first, second, third = ((tmp_path / name).read_bytes() for name in names)
    assert first == second
    assert first != third


def test_twenty_four_indices_give_twenty_four_different_clips(tmp_path: Path) -> None:
    assert len({scenes.describe(index) for index in range(24)}) == 24
    pictures, means = [], []
    with Decoder() as decoder:
        for index in range(24):
            path = tmp_path / f"{index}.mp4"
            scenes.make_clip(index, 0, path, 128, 96, 0.6, 10.0)
            sample = decoder.decode(path, spec=SampleSpec(key_frames=1))
            assert sample.luma.shape == (6, 96, 128)
            assert np.abs(np.diff(sample.luma.astype(int), axis=0)).mean() > 0.3, scenes.describe(
                index
            )  # something moves
            pictures.append(sample.key[0, 0].astype(int))
            means.append(pictures[-1].mean())
    for first in range(24):
        for second in range(first):
            assert np.abs(pictures[first] - pictures[second]).mean() > 5, (first, second)
    dark = [index for index in range(24) if scenes.describe(index).endswith("dark")]
    assert dark
    assert all(means[index] < np.median(means) for index in dark)


def test_size_rate_and_length_are_as_asked(tmp_path: Path) -> None:
    scenes.make_clip(3, 0, tmp_path / "x.mp4", 128, 96, 0.5, 24.0)
    header = ffmpeg.probe(tmp_path / "x.mp4")
    assert (header.width, header.height, header.fps) == (128, 96, 24.0)
    assert header.duration_s == pytest.approx(0.5, abs=0.02)


def test_odd_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        scenes.make_clip(0, 0, tmp_path / "x.mp4", 97, 64, 0.4, 10.0)
    assert caught.value.kind == "usage"
    assert list(tmp_path.iterdir()) == []
