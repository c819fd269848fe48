"""Feature blocks of the lite student: each one function from a video's views to a vector of known length. No torch is loaded.

`key` is uint8 [S, 2, H, W, 3] (RGB at native size), `luma` is uint8 [N, h, w] (consecutive frames, N = 1 for stills).

The block `degradation` is what a network that was trained to see degradations makes of key frames and of what changes up to the
frame after them (`trainers.student.lite.degradation`). The block `naturalness` is how far the statistics of key frames are from
those of pristine photographs (`trainers.student.lite.naturalness`).

The blocks of detail are *log deviations of order 8*: how far each channel of a frozen ImageNet network departs from its
mean where the picture is strongest. Distortions scale deviations, so in the logarithm a distortion is a shift that is
nearly the same for all contents; channel means follow the content instead. The high order listens to the strongest edges:
nearly every picture has some, while the share of smooth areas, which rules the standard deviation (order 2), is content.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from trainers.student.lite.degradation import REDUCTION, WIDTHS, Degradation
from trainers.student.lite.freeze import freeze
from trainers.student.lite.naturalness import Naturalness
from trainers.student.lite.network import Network
from trainers.student.lite.options import BlockName
from trainers.student.lite.pyramid import CHANNELS, SMALLEST_SIDE
from trainers.student.lite.shake import shake

ORDER = 8  # of the deviation: 2 follows the content, the maximum is one pixel's word
TILE = (270, 480)  # pixels, short and long side of the largest piece given to the network at once
DEVIATION_FLOOR = 0.01


@dataclass(frozen=True)
class Views:
    """What the blocks look at: the two views of one video with its frame rate, and the frozen models that they need."""

    key: np.ndarray
    luma: np.ndarray
    fps: float
    pyramid: Network | None = None
    degradation: Degradation | None = None
    naturalness: Naturalness | None = None


@dataclass(frozen=True)
class FeatureBlock:
    """A named part of the feature vector: the lengths of its groups (such as layers) and the function that computes it.

    The head gives every group the same weight, whatever its length, times `weight`. A `coarse` block tells what all others
    owe to the content (`trainers.student.lite.content`). `model` is the field of `Views` that it needs.
    """

    name: BlockName
    groups: tuple[int, ...]
    compute: Callable[[Views], np.ndarray]
    weight: float = 1.0
    coarse: bool = False
    model: Literal["pyramid", "degradation", "naturalness"] | None = None

    @property
    def size(self) -> int:
        """Length of the block's vector."""
        return sum(self.groups)


def tiles(frame: np.ndarray) -> list[np.ndarray]:
    """The frame [H, W, 3] in at most 2 x 2 pieces of at most TILE (turned for portrait): the centres of its halves.

    At native resolution; what does not fit is left out, so that time and memory are bounded for every frame size.
    """
    height, width = frame.shape[:2]
    most = TILE if width >= height else TILE[::-1]
    rows, columns = (1 + int(size > limit) for size, limit in zip((height, width), most, strict=True))
    return [
        frame[top : top + tall, left : left + wide]
        for top, tall in _centres(height, most[0], rows)
        for left, wide in _centres(width, most[1], columns)
    ]


def _centres(size: int, limit: int, parts: int) -> list[tuple[int, int]]:
    """(start, length) of a centred stretch of at most `limit` in each of `parts` equal parts of `size`."""
    bounds = [size * k // parts for k in range(parts + 1)]
    stretches = []
    for low, high in itertools.pairwise(bounds):
        length = min(limit, high - low)
        stretches.append((low + (high - low - length) // 2, length))
    return stretches


def shrunk(frame: np.ndarray, factor: int) -> np.ndarray:
    """The frame reduced by `factor`, each pixel the mean of the pixels it covers."""
    if factor == 1:
        return frame
    size = max(frame.shape[1] // factor, 1), max(frame.shape[0] // factor, 1)
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def padded(image: np.ndarray) -> np.ndarray:
    """Reflect the border of an image [H, W, 3] up to the smallest side that the network can take."""
    lacking = [max(0, SMALLEST_SIDE - side) for side in image.shape[:2]]
    if not any(lacking):
        return image
    return np.pad(image, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode="symmetric")


def log_deviations(pyramid: Network, images: list[np.ndarray]) -> np.ndarray:
    """log((mean of |x - mean|^ORDER)^(1/ORDER) + 0.01) of every channel of every layer, means over all pixels of all images.

    Powers of activations, which are at most some hundreds, fit well into float32; sums over images are in double precision.

    Returns float32 [sum of CHANNELS].
    """
    pieces = [pyramid(padded(image)[None]) for image in images]
    parts = []
    for maps in zip(*pieces, strict=True):
        flat = [activation.reshape(activation.shape[1], -1) for activation in maps]  # [channels, pixels]
        count = sum(pixels.shape[1] for pixels in flat)
        mean = sum(pixels.sum(axis=1).astype(np.float64) for pixels in flat) / count
        powers = sum(_power_of_8(pixels, mean.astype(np.float32)).sum(axis=1).astype(np.float64) for pixels in flat)
        parts.append(np.log((powers / count) ** (1 / ORDER) + DEVIATION_FLOOR))
    return np.concatenate(parts).astype(np.float32)


def _power_of_8(pixels: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(x - mean)^8, in place, by squaring three times: the general power takes sixteen times as long."""
    pixels -= mean[:, None]
    for _ in range(3):
        np.square(pixels, out=pixels)
    return pixels


def _detail(factor: int, every_frame: bool) -> Callable[[Views], np.ndarray]:
    def compute(views: Views) -> np.ndarray:
        frames = _different(views.key[:, 0]) if every_frame else views.key[len(views.key) // 2, :1]
        pieces = [piece for frame in frames for piece in tiles(shrunk(frame, factor))]
        assert views.pyramid is not None
        return log_deviations(views.pyramid, pieces)

    return compute


def _different(frames: np.ndarray) -> np.ndarray:
    """The frames [S, H, W, 3], or one of them where all are the same picture, whose statistics are theirs."""
    return frames[:1] if all(np.array_equal(frame, frames[0]) for frame in frames[1:]) else frames


def _degradation(views: Views) -> np.ndarray:
    """The weighted mean of the network's features over all positions of all key frames, float32 [C]."""
    assert views.degradation is not None
    total, weight = np.zeros(WIDTHS[-1]), 0.0
    for pair in _different(views.key):
        for pieces in zip(*(tiles(frame) for frame in pair), strict=True):
            features = views.degradation.positions(_luma(pieces)).astype(np.float64)
            weights = views.degradation.weights_of(features)
            total += (features * weights).sum(axis=1)
            weight += float(weights.sum())
    return (total / weight).astype(np.float32)


def _luma(pair: Sequence[np.ndarray]) -> np.ndarray:
    """Luma of two RGB pictures [H, W, 3], uint8 [2, H', W'], reflected up to whole positions."""
    luma = np.stack([cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in pair])
    lacking = [-side % REDUCTION for side in luma.shape[1:]]
    return np.pad(luma, ((0, 0), (0, lacking[0]), (0, lacking[1])), mode="symmetric")


def _naturalness(views: Views) -> np.ndarray:
    assert views.naturalness is not None
    said = [views.naturalness.log_distance(frame) for frame in _different(views.key[:, 0])]
    return np.array([np.mean(said)], np.float32)


def _freeze(views: Views) -> np.ndarray:
    return freeze(views.luma)


def _shake(views: Views) -> np.ndarray:
    return shake(views.luma)


BLOCKS: tuple[FeatureBlock, ...] = (
    FeatureBlock("degradation", (WIDTHS[-1],), _degradation, weight=0.75, model="degradation"),
    FeatureBlock("native", CHANNELS, _detail(1, every_frame=False), model="pyramid"),
    FeatureBlock("half", CHANNELS, _detail(2, every_frame=True), model="pyramid"),
    FeatureBlock("quarter", CHANNELS, _detail(4, every_frame=True), coarse=True, model="pyramid"),
    # one group of sixteen that sees time: with weight 1 it is learnt too slowly beside those that see space
    FeatureBlock("freeze", (3,), _freeze, weight=2.0),
    FeatureBlock("shake", (1,), _shake, weight=0.5),
    FeatureBlock("naturalness", (1,), _naturalness, weight=2.0, model="naturalness"),
)
