"""Temporal quality: held frames, camera shake, flicker, uneven motion and the statistics of frame differences.

Sources: frame-difference statistics after Saad, Bovik, Charrier, "Blind prediction of natural video quality"
(V-BLIINDS), IEEE TIP 2014, and Mittal, Saad, Bovik, "A completely blind video integrity oracle" (VIIDEO), IEEE TIP
2016; global shift by phase correlation, Kuglin and Hines 1975. The costs that combine them are set by hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.media.views import Sample
from actors.teachers.base import Teacher
from trainers.scenes.nss import Values, fit_aggd, sums, window_moments
from trainers.scenes.planes import Plane, limit_short_side, luma, pad_to
from trainers.student.lite.freeze import FAST_SHARE, HELD_SHARE, REACH, held_steps

NEUTRAL = 50.0
SHORT_SIDE = 540
STILL_MOTION = 0.3  # grey levels of mean difference; slower scenes cannot stutter visibly
CALM_SHARE = 0.1  # share of the 8x8 blocks of a frame difference that count as motionless
GAUSSIAN_SHAPE = 2.0  # shape of the difference of two frames that differ by sensor noise alone
COSTS = {"held": 4.0, "shake": 40.0, "flicker": 0.15, "uneven": 0.5, "unnatural": 1.0, "grain": 0.1}
_CAP_SHAKE, _CAP_FLICKER = 0.05, 8.0  # per frame, so that one scene cut cannot dominate the mean


def shake(frames: NDArray[np.float32]) -> float:
    """Mean acceleration of the global shift, as a share of the short side, for luma `[N, h, w]`."""
    if len(frames) < 3 or min(frames.shape[1:]) < 16:
        return 0.0
    window = np.asarray(cv2.createHanningWindow((frames.shape[2], frames.shape[1]), cv2.CV_32F), np.float32)
    # OpenCV's own window argument may multiply the caller's frames in place, so the window is applied here.
    tapered = (frames - frames.mean(axis=(1, 2), keepdims=True)) * window
    textured = [float(cv2.meanStdDev(frame)[1][0, 0]) > 1 for frame in frames]
    shifts, trust = np.zeros((len(frames) - 1, 2)), np.zeros(len(frames) - 1)
    for index, (before, after) in enumerate(pairwise(tapered)):
        # Without texture there is no peak to find.
        if textured[index] and textured[index + 1]:
            shift, response = cv2.phaseCorrelate(before, after)
            shifts[index], trust[index] = shift, max(0.0, response)
    acceleration = np.linalg.norm(np.diff(shifts, axis=0), axis=1) / min(frames.shape[1:])
    weight = np.minimum(trust[:-1], trust[1:])
    if not np.isfinite(acceleration).all() or weight.sum() < 1e-6:
        return 0.0
    return float(np.average(np.minimum(acceleration, _CAP_SHAKE), weights=weight))


def flicker(frames: NDArray[np.float32]) -> float:
    """Mean second difference of the frames' mean luma, in grey levels: a steady fade is not flicker."""
    if len(frames) < 3:
        return 0.0
    change = np.abs(np.diff(frames.mean(axis=(1, 2), dtype=np.float64), n=2))
    return float(np.minimum(change, _CAP_FLICKER).mean())


def unevenness(motion: Values) -> float:
    """Mean difference of each frame's motion from its neighbours' mean motion, relative to the mean motion, 0 to 1."""
    if len(motion) < 3 or motion.mean() < 1e-3:
        return 0.0
    departure = np.abs(motion[1:-1] - (motion[:-2] + motion[2:]) / 2)
    return min(1.0, float(departure.mean() / (motion.mean() + STILL_MOTION)))


def key_differences(sample: Sample) -> list[Plane]:
    """Luma difference between each key frame and its successor, for the key frames that change."""
    differences: list[Plane] = []
    for first, second in sample.key:
        planes = [luma(limit_short_side(frame, SHORT_SIDE)) for frame in (first, second)]
        difference = pad_to(planes[1] - planes[0], 16, 16)
        if difference.any():
            differences.append(difference)
    return differences


def grain(differences: list[Plane]) -> float:
    """Temporal noise in grey levels: deviation of the frame differences in their calmest blocks."""
    levels = [0.0]
    for difference in differences:
        rows, columns = difference.shape[0] // 8, difference.shape[1] // 8
        blocks = difference[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
        mean, square = (sums(some.sum(axis=1), (2,)) / 64 for some in (blocks, blocks * blocks))
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        levels.append(float(np.quantile(deviation, CALM_SHARE)) / math.sqrt(2))
    return math.fsum(levels) / max(1, len(differences))


def unnaturalness(differences: list[Plane]) -> float:
    """How far normalised frame differences are from a Gaussian shape, 0 (Gaussian) to 1.

    Sensor noise makes the difference of natural frames nearly Gaussian after divisive normalisation; compression
    skips and smooths blocks, which leaves a peak at zero and heavy tails (a small shape parameter).
    """
    shapes: list[float] = []
    for difference in differences:
        mean, deviation = window_moments(difference, cv2.BORDER_REFLECT_101)
        shapes.append(float(fit_aggd((difference - mean) / (deviation + 1), (0, 1)).alpha))
    if not shapes:
        return 0.0
    return 1 - min(1.0, math.fsum(shapes) / len(shapes) / GAUSSIAN_SHAPE)


class Temporal(Teacher):
    """Temporal signal model on the luma strip and on the key frames with their successors.

    `100 exp(-sum of costs)`: held frames (stutter), shake, flicker, uneven motion, unnatural differences, grain.
    The strip has a short side of at most 144 pixels as decoded; key frames are scaled down by area to a short side of
    at most 540. A still (N = 1) has no temporal quality: it gets the constant 50.
    """

    name = "temporal"
    title = "Temporal statistics: stutter, shake, flicker"
    description = "Held frames, shift acceleration, flicker and statistics of frame differences; 50 for stills"
    range = (0.0, 100.0)
    higher_is_better = True
    licence = "Apache-2.0 (own implementation)"
    parameters = 0
    weights = "none"

    def settings(self) -> Mapping[str, float | int | str]:
        """Thresholds of the measurements and the costs that combine them."""
        constants = {
            "neutral": NEUTRAL,
            "short_side": SHORT_SIDE,
            "held_share": HELD_SHARE,
            "held_reach": REACH,
            "held_fast_share": FAST_SHARE,
            "still_motion": STILL_MOTION,
            "calm_share": CALM_SHARE,
            "gaussian_shape": GAUSSIAN_SHAPE,
            "cap_shake": _CAP_SHAKE,
            "cap_flicker": _CAP_FLICKER,
        }
        return constants | {f"cost_{name}": cost for name, cost in COSTS.items()}

    def measures(self, sample: Sample) -> dict[str, float]:
        """The measurements of a sample with at least two frames, by the names of `COSTS`."""
        frames = sample.luma.astype(np.float32)
        differences = key_differences(sample)
        motion = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2), dtype=np.float64)
        return {
            "held": float(np.mean(held_steps(motion, STILL_MOTION) > 0.5)),
            "shake": shake(frames),
            "flicker": flicker(frames),
            "uneven": unevenness(motion),
            "unnatural": unnaturalness(differences),
            "grain": grain(differences),
        }

    def score(self, sample: Sample) -> float:
        """Score of the luma strip and the key pairs; `NEUTRAL` for a still."""
        if sample.is_still:
            return NEUTRAL
        measures = self.measures(sample)
        return self.bounded(100 * math.exp(-math.fsum(COSTS[name] * value for name, value in measures.items())))
