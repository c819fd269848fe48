"""Feature blocks of the lite student: each one function from a video's views to a vector of known length.

`key` is uint8 [S, 2, H, W, 3] (RGB at native size), `luma` is uint8 [N, h, w] (consecutive frames, N = 1 for stills).

The spatial blocks are *log deviations of order 8*: how far each channel of a frozen ImageNet network departs from its
mean where the picture is strongest. Distortions scale deviations, so in the logarithm a distortion is a shift that is
nearly the same for all contents; channel means follow the content instead. The high order listens to the strongest edges:
nearly every picture has some, while the share of smooth areas, which rules the standard deviation (order 2), is content.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from trainers.student.lite.efficientnet import SMALLEST_SIDE, EfficientNetLite0, channels_of, normalise
from trainers.student.lite.freeze import freeze
from trainers.student.lite.options import BlockName

LAYERS: tuple[int | str, ...] = ("stem", *range(4))  # down to 1/8 of the size; deeper blocks see objects, not quality
ORDER = 8  # of the deviation: 2 follows the content, the maximum is one pixel's word
TILE = (270, 480)  # pixels, short and long side of the largest piece given to the network at once
DEVIATION_FLOOR = 0.01


@dataclass(frozen=True)
class Views:
    """What the blocks look at: the frozen network and the two views of one video with its frame rate."""

    network: EfficientNetLite0
    key: np.ndarray
    luma: np.ndarray
    fps: float


@dataclass(frozen=True)
class FeatureBlock:
    """A named part of the feature vector: the lengths of its groups (such as layers) and the function that computes it.

    The head gives every group the same weight, whatever its length, times `weight`. A `coarse` block tells what all others
    owe to the content (`trainers.student.lite.content`).
    """

    name: BlockName
    groups: tuple[int, ...]
    compute: Callable[[Views], np.ndarray]
    weight: float = 1.0
    coarse: bool = False

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


def _padded(image: np.ndarray) -> np.ndarray:
    """Reflect the border of an image [H, W, 3] up to the smallest side that the network can take."""
    lacking = [max(0, SMALLEST_SIDE - side) for side in image.shape[:2]]
    if not any(lacking):
        return image
    return np.pad(image, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode="symmetric")


@torch.inference_mode()
def log_deviations(
    network: EfficientNetLite0,
    images: list[np.ndarray],
    layers: Sequence[int | str] = LAYERS,
    orders: Sequence[float] = (ORDER,),
) -> np.ndarray:
    """log((mean of |x - mean|^order)^(1/order) + 0.01) of every channel of the layers, means over all pixels of all images.

    An infinite order is the largest departure. Returns float32 [orders, sum of the channels of the layers].
    """
    pieces = [
        network(normalise(torch.from_numpy(np.require(_padded(image), requirements=["C", "W"]))[None]), layers)
        for image in images
    ]
    parts = []
    for maps in zip(*pieces, strict=True):
        flat = torch.cat([activation[0].flatten(1) for activation in maps], dim=1).double()
        departure = flat - flat.mean(dim=1, keepdim=True)
        parts.append(torch.stack([torch.log(_deviation(departure, order) + DEVIATION_FLOOR) for order in orders]))
    return torch.cat(parts, dim=1).float().numpy()


def _deviation(departure: torch.Tensor, order: float) -> torch.Tensor:
    """(mean of |x|^order)^(1/order) of each row of departures x [C, N], for an even order or infinity."""
    if math.isinf(order):
        return departure.abs().amax(dim=1)
    return departure.pow(order).mean(dim=1).pow(1 / order)


def _detail(factor: int, every_frame: bool) -> Callable[[Views], np.ndarray]:
    def compute(views: Views) -> np.ndarray:
        frames = views.key[:, 0] if every_frame else views.key[len(views.key) // 2, :1]
        pieces = [piece for frame in frames for piece in tiles(shrunk(frame, factor))]
        (deviations,) = log_deviations(views.network, pieces)
        return np.asarray(deviations)

    return compute


def _freeze(views: Views) -> np.ndarray:
    return freeze(views.luma)


_LAYER_SIZES = tuple(channels_of(layer) for layer in LAYERS)

BLOCKS: tuple[FeatureBlock, ...] = (
    FeatureBlock("native", _LAYER_SIZES, _detail(1, every_frame=False)),
    FeatureBlock("half", _LAYER_SIZES, _detail(2, every_frame=True)),
    FeatureBlock("quarter", _LAYER_SIZES, _detail(4, every_frame=True), coarse=True),
    # one group of sixteen that sees time: with weight 1 it is learnt too slowly beside those that see space
    FeatureBlock("freeze", (3,), _freeze, weight=2.0),
)
