"""Artefact model: coding-grid blockiness, blur and noise in one number.

Sources: blockiness as inter- against intra-block steps, after Romaniak et al., "Perceptual quality assessment for
H.264/AVC compression", CCNC 2012, with the grid's phase searched; blur by re-blurring, Crete et al., "The blur effect",
SPIE Human Vision and Electronic Imaging 2007; noise by Immerkaer, "Fast noise variance estimation", CVIU 1996.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.teachers.base import FrameTeacher
from trainers.scenes.planes import Plane, centre_crop, luma, pad_to

GRID = 8
STEP_LIMIT = 8.0  # grey levels; larger steps are edges of the content, not of blocks
VISIBLE_STEP = 1.0  # grey levels; fainter steps in a flat frame are invisible
BLUR_WINDOW = 11
NOISE_SCALE = 20.0  # grey levels of standard deviation at which noise costs a factor of e
MINIMUM = 32
MAX_HEIGHT, MAX_WIDTH = 1088, 1920

_SECOND_DIFFERENCE = np.array([1, -2, 1], np.float32)


def blockiness(plane: Plane) -> float:
    """Excess of luma steps on the strongest 8-pixel grid over the other phases, 0 (none) to 1; the worse direction counts."""
    return max(_grid_excess(plane), _grid_excess(np.ascontiguousarray(plane.T)))


def _grid_excess(plane: Plane) -> float:
    """Excess along the columns; a step counts by how far it rises above the steps beside it."""
    steps = np.abs(plane[:, 1:] - plane[:, :-1])
    lifted = np.clip(steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2, 0, STEP_LIMIT)
    profile = cv2.reduce(lifted, 0, cv2.REDUCE_AVG, dtype=cv2.CV_64F).ravel()
    phases = np.array([profile[phase::GRID].mean() for phase in range(GRID)])
    strongest = int(phases.argmax())
    others = np.delete(phases, strongest)
    # Phases always scatter a little; only an excess above that scatter counts as a grid.
    excess = max(0.0, float(phases[strongest] - others.mean() - 2 * others.std()))
    return excess / (excess + float(others.mean()) + VISIBLE_STEP)


def blur(plane: Plane) -> float:
    """Blur effect, 0 (sharp) to 1: how little of the gradients a strong low-pass removes; a flat frame gives 1."""
    worst = 0.0
    for axis in (0, 1):
        size = (1, BLUR_WINDOW) if axis == 0 else (BLUR_WINDOW, 1)
        order = (0, 1) if axis == 0 else (1, 0)
        smooth = cv2.blur(plane, size, borderType=cv2.BORDER_REFLECT_101)
        sharp_step = np.abs(cv2.Sobel(plane, cv2.CV_32F, *order, ksize=3))
        smooth_step = np.abs(cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3))
        total = cv2.norm(sharp_step, cv2.NORM_L1)
        if total < 1e-3 * plane.size:
            return 1.0
        loss = cv2.norm(np.maximum(sharp_step - smooth_step, 0), cv2.NORM_L1)
        worst = max(worst, 1 - loss / total)
    return worst


def noise_deviation(plane: Plane) -> float:
    """Standard deviation of noise in grey levels, from the 90 % of the pixels with the weakest gradient."""
    response = np.abs(cv2.sepFilter2D(plane, cv2.CV_32F, _SECOND_DIFFERENCE, _SECOND_DIFFERENCE))
    gradient = np.abs(cv2.Sobel(plane, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(plane, cv2.CV_32F, 0, 1))
    # Every fourth pixel is enough to find the 90 % quantile.
    sampled = gradient[::2, ::2].ravel()
    rank = int(0.9 * (sampled.size - 1))
    smooth = (gradient <= np.partition(sampled, rank)[rank]).view(np.uint8)
    return math.sqrt(math.pi / 2) / 6 * cv2.mean(response, mask=smooth)[0]


class Artefact(FrameTeacher):
    """Signal model of coding artefacts: quality is the product of three factors, for blur, blockiness and noise.

    Works at native resolution, because scaling destroys the grid; of frames above 1920x1088 only the centre is used.
    """

    name = "artefact"
    title = "Artefact model: blockiness, blur, noise"
    description = "100 (1 - blur) (1 - blockiness) exp(-(noise / 20)^2) (Romaniak 2012, Crete 2007, Immerkaer 1996)"
    range = (0.0, 100.0)
    higher_is_better = True
    licence = "Apache-2.0 (own implementation)"
    parameters = 0
    weights = "none"

    def settings(self) -> Mapping[str, float | int | str]:
        """Constants of the three measures and the size of the area."""
        return {
            "grid": GRID,
            "step_limit": STEP_LIMIT,
            "visible_step": VISIBLE_STEP,
            "blur_window": BLUR_WINDOW,
            "noise_scale": NOISE_SCALE,
            "minimum": MINIMUM,
            "max_height": MAX_HEIGHT,
            "max_width": MAX_WIDTH,
        }

    def score_frame(self, rgb: NDArray[np.uint8]) -> float:
        """100 times the factors for blur, blockiness and noise."""
        plane = pad_to(luma(centre_crop(rgb, MAX_HEIGHT, MAX_WIDTH)), MINIMUM, MINIMUM)
        noise = math.exp(-((noise_deviation(plane) / NOISE_SCALE) ** 2))
        return 100 * (1 - blur(plane)) * (1 - blockiness(plane)) * noise
