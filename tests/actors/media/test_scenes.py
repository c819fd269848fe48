"""Demonstration clips: deterministic, different from each other, different in quality."""

from __future__ import annotations

import numpy as np
import pytest
from processors import all_units, fewest_units, output
from scipy.ndimage import map_coordinates

from actors.media import ffmpeg, scenes
from actors.media.decode import Decoder
from actors.media.outcome import Failure
from actors.media.views import SampleSpec


def test_equal_arguments_give_equal_bytes(tmp_path):
    names = ("a.mp4", "b.mp4", "c.mp4")
    for name, seed in zip(names, (1, 1, 2), strict=True):
        scenes.make_clip(5, seed, tmp_path / name, 96, 64, 0.4, 10.0)
    first, second, third = ((tmp_path / name).read_bytes() for name in names)
    assert first == second
    assert first != third


RENDER = """
import hashlib, pathlib, sys
from actors.media.scenes import make_clip
for index in range(8):
    path = pathlib.Path(sys.argv[1]) / f"{index}.mp4"
    make_clip(index, 0, path, 96, 64, 0.4, 10.0)
    print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


def test_every_vector_unit_gives_the_same_bytes(tmp_path):
    digests = []
    for name, environment in (("all", all_units()), ("fewest", fewest_units())):
        (tmp_path / name).mkdir()
        digests.append(output("-c", RENDER, tmp_path / name, environment=environment).split())
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == 8


def test_an_identity_follows_from_everything_that_is_drawn_from_and_from_nothing_else(monkeypatch):
    drawn_from = {"index": 3, "seed": 1, "width": 96, "height": 64, "seconds": 2.0, "fps": 10.0}
    identity = scenes.clip_id(**drawn_from)
    assert scenes.clip_id(**{**drawn_from, "seconds": 2, "fps": 10}) == identity
    others = {scenes.clip_id(**{**drawn_from, name: value + 2}) for name, value in drawn_from.items()}
    monkeypatch.setattr(scenes, "VERSION", scenes.VERSION + 1)
    others.add(scenes.clip_id(**drawn_from))
    assert len(others | {identity}) == len(drawn_from) + 2


def test_the_camera_samples_between_pixels_and_sees_the_reflection_beyond_the_edge():
    canvas = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    across, down = (0.9, -0.2, -7.3), (0.15, 1.1, 4.6)
    picture = scenes._sampled(canvas, across, down, 64, 48)
    y, x = np.mgrid[:48, :64]
    places = [down[0] * x + down[1] * y + down[2], across[0] * x + across[1] * y + across[2]]
    assert min(place.min() for place in places) < -1
    assert places[0].max() > 41
    for colour in range(3):
        expected = map_coordinates(canvas[..., colour].astype(float), places, order=1, mode="mirror")
        assert np.abs(picture[..., colour] - expected).max() < 2.5, "places are told apart to 1/256 pixel"


def test_twenty_four_indices_give_twenty_four_different_clips(tmp_path):
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


def test_size_rate_and_length_are_as_asked(tmp_path):
    scenes.make_clip(3, 0, tmp_path / "x.mp4", 128, 96, 0.5, 24.0)
    header = ffmpeg.probe(tmp_path / "x.mp4")
    assert (header.width, header.height, header.fps) == (128, 96, 24.0)
    assert header.duration_s == pytest.approx(0.5, abs=0.02)


def test_odd_sizes_are_refused(tmp_path):
    with pytest.raises(Failure) as caught:
        scenes.make_clip(0, 0, tmp_path / "x.mp4", 97, 64, 0.4, 10.0)
    assert caught.value.kind == "usage"
    assert list(tmp_path.iterdir()) == []
