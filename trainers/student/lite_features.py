"""Feature blocks of the lite student: each one function from a video's views to a vector of known length.

`key` is uint8 [S, 2, H, W, 3] (RGB at native size), `luma` is uint8 [N, h, w] (consecutive frames, N = 1 for stills).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainers.student.efficientnet import SMALLEST_SIDE, EfficientNetLite0, channels_of, normalise

NATIVE_LAYERS: tuple[int | str, ...] = ("stem", 0, 2, 4, 10, 15)
GLOBAL_LAYERS: tuple[int | str, ...] = (4, 10, 15)
CROP = 160
GRID = 3
GLOBAL_SHORT_SIDE = 224
LONGEST_GLOBAL_SIDE = 448
REPEAT_THRESHOLD = 0.05  # mean absolute difference, grey levels, under which a frame counts as a repeat


@dataclass(frozen=True)
class Views:
    """What the blocks look at: the frozen network and the two views of one video with its frame rate."""

    network: EfficientNetLite0
    key: np.ndarray
    luma: np.ndarray
    fps: float

    @property
    def is_still(self) -> bool:
        """Whether the video is a single image."""
        return len(self.luma) < 2


@dataclass(frozen=True)
class FeatureBlock:
    """A named part of the feature vector: its length and the function that computes it."""

    name: str
    size: int
    compute: Callable[[Views], np.ndarray]


def _statistics(activations: list[Tensor]) -> Tensor:
    """Mean and standard deviation per channel over images and positions, all layers in a row: [2 * sum C]."""
    parts: list[Tensor] = []
    for activation in activations:
        rows = activation.transpose(0, 1).flatten(1).double()
        parts += [rows.mean(dim=1), rows.std(dim=1, correction=0)]
    return torch.cat(parts)


def _padded(images: np.ndarray) -> np.ndarray:
    """Repeat the border of images [B, H, W, 3] up to the smallest side that the network can take."""
    lacking = [max(0, SMALLEST_SIDE - side) for side in images.shape[1:3]]
    return np.pad(images, ((0, 0), (0, lacking[0]), (0, lacking[1]), (0, 0)), mode="edge")


def native_crops(frame: np.ndarray) -> np.ndarray:
    """A GRID x GRID lattice of crops [G*G, c, c', 3] at native resolution, spread from border to border."""
    height, width = frame.shape[:2]
    crop_h, crop_w = min(CROP, height), min(CROP, width)
    tops = np.linspace(0, height - crop_h, GRID if height > crop_h else 1).round().astype(int)
    lefts = np.linspace(0, width - crop_w, GRID if width > crop_w else 1).round().astype(int)
    return np.stack([frame[top:top + crop_h, left:left + crop_w] for top in tops for left in lefts])


@torch.inference_mode()
def native_detail(views: Views) -> np.ndarray:
    """Channel statistics on native-resolution crops (no resizing, so that compression and noise stay visible)."""
    total = torch.zeros(2 * sum(channels_of(layer) for layer in NATIVE_LAYERS), dtype=torch.float64)
    for pair in views.key:
        images = torch.from_numpy(_padded(native_crops(pair[0])))
        total += _statistics(views.network(normalise(images), NATIVE_LAYERS))
    return (total / len(views.key)).float().numpy()


@torch.inference_mode()
def global_content(views: Views) -> np.ndarray:
    """Channel statistics on the whole frame, short side scaled to 224: content, exposure and composition."""
    total = torch.zeros(2 * sum(channels_of(layer) for layer in GLOBAL_LAYERS), dtype=torch.float64)
    for pair in views.key:
        images = normalise(torch.from_numpy(_padded(pair[:1])))
        height, width = images.shape[2:]
        scale = min(GLOBAL_SHORT_SIDE / min(height, width), LONGEST_GLOBAL_SIDE / max(height, width))
        size = [max(SMALLEST_SIDE, round(height * scale)), max(SMALLEST_SIDE, round(width * scale))]
        images = functional.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)
        total += _statistics(views.network(images, GLOBAL_LAYERS))
    return (total / len(views.key)).float().numpy()


def _blockiness(plane: np.ndarray) -> float:
    """Log ratio of the steps across 8x8 block borders to all other steps, along a row (axis 1)."""
    steps = np.abs(np.diff(plane, axis=1)).mean(axis=0)
    border = (np.arange(len(steps)) + 1) % 8 == 0
    if not border.any():
        return 0.0
    return float(np.log((steps[border].mean() + 0.1) / (steps[~border].mean() + 0.1)))


def _frame_signal(frame: np.ndarray) -> list[float]:
    luma = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    red, green, blue = (frame[..., channel].astype(np.float32) for channel in range(3))
    opponent = (red - green, 0.5 * (red + green) - blue)
    # Hasler and Suesstrunk 2003
    colourfulness = (np.hypot(*(o.std() for o in opponent)) + 0.3 * np.hypot(*(o.mean() for o in opponent)))
    laplacian = cv2.Laplacian(luma, cv2.CV_32F)
    gradient = np.hypot(cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1))
    # Immerkaer 1996: the response to the difference of two Laplacians estimates the noise level
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    noise = np.abs(cv2.filter2D(luma, cv2.CV_32F, mask))
    return [
        float(luma.mean()) / 255, float(luma.std()) / 128,
        *(np.percentile(luma, (1, 10, 50, 90, 99)) / 255).tolist(),
        float((luma <= 2).mean()), float((luma >= 253).mean()),
        float(colourfulness) / 100,
        float(np.log1p(laplacian.std())), float(np.log1p(gradient.mean())), float(np.log1p(gradient.std())),
        float(np.log1p(noise.mean())), float(np.log1p(np.percentile(noise, 10))),
        _blockiness(luma), _blockiness(luma.T),
        float(np.log2(frame.shape[0] / 540)), float(np.log2(frame.shape[1] / 960)),
    ]


def _mean_vector(rows: list[list[float]]) -> np.ndarray:
    mean: np.ndarray = np.asarray(rows, np.float64).mean(axis=0).astype(np.float32)
    return mean


def signal(views: Views) -> np.ndarray:
    """Exposure, contrast, colour, sharpness, noise, blockiness and size of the key frames, averaged."""
    return _mean_vector([_frame_signal(pair[0]) for pair in views.key])


def _pair_motion(first: np.ndarray, second: np.ndarray) -> list[float]:
    one, two = (cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.float32) for f in (first, second))
    difference = two - one
    size = np.abs(difference)
    detail = np.abs(cv2.Laplacian(difference, cv2.CV_32F)).mean()
    texture = np.abs(cv2.Laplacian(one, cv2.CV_32F)).mean()
    return [
        *np.log1p([size.mean(), size.std(), *np.percentile(size, (50, 90, 99))]).tolist(),
        float((size < 0.5).mean()), abs(float(difference.mean())),
        float(np.log1p(detail)), float(np.log((detail + 0.1) / (texture + 0.1))),
    ]


def native_motion(views: Views) -> np.ndarray:
    """Differences between each key frame and the next frame at native size; zeros for a still image."""
    if views.is_still:
        return np.zeros(9, np.float32)
    return _mean_vector([_pair_motion(pair[0], pair[1]) for pair in views.key])


def _shifts(frames: np.ndarray) -> np.ndarray:
    """Global shift (x, y) in pixels from each frame to the next by phase correlation: [N - 1, 2]."""
    window = cv2.createHanningWindow((frames.shape[2], frames.shape[1]), cv2.CV_32F)
    return np.array([cv2.phaseCorrelate(a, b, window)[0] for a, b in itertools.pairwise(frames)])


def _longest_run(flags: np.ndarray) -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def _summary(values: np.ndarray) -> list[float]:
    """Mean, standard deviation, 10th, 50th, 90th percentile and maximum on a log scale."""
    if not len(values):
        return [0.0] * 6
    statistics = [values.mean(), values.std(), *np.percentile(values, (10, 50, 90)), values.max()]
    return [float(value) for value in np.log1p(np.asarray(statistics, np.float64))]


def motion(views: Views) -> np.ndarray:
    """Temporal statistics over consecutive frames: change, repeats, jerkiness, flicker; zeros for a still image."""
    if views.is_still:
        return np.zeros(36, np.float32)
    frames = views.luma.astype(np.float32)
    change = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2))
    second = np.abs(np.diff(frames, n=2, axis=0)).mean(axis=(1, 2)) if len(frames) > 2 else np.zeros(1)
    repeated = change < REPEAT_THRESHOLD
    shift = _shifts(frames)
    speed = np.hypot(*shift.T)
    acceleration = np.hypot(*np.diff(shift, axis=0).T) if len(shift) > 1 else np.zeros(1)
    detail = np.array([np.abs(cv2.Laplacian(frame, cv2.CV_32F)).mean() for frame in frames])
    level = frames.mean(axis=(1, 2))
    return np.asarray([
        *_summary(change), *_summary(second), *_summary(np.abs(np.diff(change))),
        *_summary(speed), *_summary(acceleration),
        repeated.mean(), _longest_run(repeated) / len(repeated),
        float(np.log((second.mean() + 0.05) / (change.mean() + 0.05))),
        float(np.log1p(np.abs(np.diff(level)).mean())),
        float(detail.std() / (detail.mean() + 0.1)),
        float(np.log2(max(views.fps, 1.0) / 30)),
    ], np.float32)


BLOCKS: tuple[FeatureBlock, ...] = (
    FeatureBlock("native_detail", 2 * sum(channels_of(layer) for layer in NATIVE_LAYERS), native_detail),
    FeatureBlock("global_content", 2 * sum(channels_of(layer) for layer in GLOBAL_LAYERS), global_content),
    FeatureBlock("signal", 19, signal),
    FeatureBlock("native_motion", 9, native_motion),
    FeatureBlock("motion", 36, motion),
)
