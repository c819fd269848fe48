"""Natural clips for the teachers' tests: photographs from scikit-image's wheel, panned over time."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from actors.media.views import Sample

Frames = np.ndarray
HEIGHT, WIDTH = 288, 384


def photograph(name):
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    image = cv2.imread(str(Path(spec.submodule_search_locations[0]) / "data" / name), cv2.IMREAD_COLOR_RGB)
    assert image is not None, name
    return image


def pan(image, count=24):
    """A slow pan of 1 pixel a frame over a photograph, with a little sensor noise: uint8 [N, H, W, 3]."""
    image = cv2.copyMakeBorder(image, 0, 0, 0, max(0, WIDTH + count - image.shape[1]), cv2.BORDER_REFLECT_101)
    frames = np.stack([image[:HEIGHT, x : x + WIDTH] for x in range(count)]).astype(np.float64)
    noise = np.random.default_rng(7).normal(0, 1, frames.shape)
    return (frames + noise).round().clip(0, 255).astype(np.uint8)


def sample_of(frames, key_frames=2, fps=30.0):
    """The sample that a decoder would make of frames [N, H, W, 3]."""
    count, height, width = frames.shape[:3]
    centres = [int((index + 0.5) * count / key_frames) for index in range(key_frames)]
    key = np.stack([np.stack([frames[i], frames[min(i + 1, count - 1)]]) for i in centres])
    ratio = min(1.0, 144 / min(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    luma = [cv2.resize(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA) for f in frames]
    return Sample(key, np.stack(luma).reshape(count, size[1], size[0]), fps)


@pytest.fixture(scope="session")
def make_sample():
    return sample_of


@pytest.fixture(scope="session", params=["motorcycle_right.png", "chelsea.png", "coffee.png"])
def clip(request):
    return pan(photograph(request.param))
