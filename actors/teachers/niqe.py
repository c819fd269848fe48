"""NIQE: distance of a frame's natural scene statistics from those of pristine photographs.

Source: Mittal, Soundararajan, Bovik, "Making a completely blind image quality analyzer", IEEE Signal Processing
Letters 20(3), 2013. The pristine model is not the published one: it is fitted here, once per process, to photographs in
the wheel of scikit-image, so nothing is downloaded and no opinion score is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.media.outcome import Failure
from actors.teachers.base import FrameTeacher
from actors.teachers.packaged import packaged_file
from trainers.scenes.nss import Values
from trainers.scenes.patches import PATCH, SHORT_SIDE, distance, patch_features
from trainers.scenes.planes import luma

SHARP = 0.75  # share of an image's largest patch sharpness; blurrier patches are left out of the pristine model
STRIDE = 32  # of the overlapping patches in the fit: six photographs must give a full-rank covariance
PHOTOGRAPHS = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


@lru_cache(maxsize=1)
def pristine_model() -> tuple[Values, Values, str]:
    """Mean `[36]` and covariance `[36, 36]` of pristine patches, and a digest of the photographs.

    Raises:
        Failure: `usage`: scikit-image is missing or a photograph cannot be read.
    """
    selections: list[Values] = []
    content = hashlib.sha256()
    for name in PHOTOGRAPHS:
        path = packaged_file("niqe", "skimage", "scikit-image", "data", name)
        content.update(path.read_bytes())
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise Failure("usage", f"teacher 'niqe' cannot read {path}; reinstall scikit-image")
        plane = luma(np.asarray(image, np.uint8))
        shifts = [(y, x) for y in range(0, PATCH, STRIDE) for x in range(0, PATCH, STRIDE)]
        parts = [patch_features(plane[y:, x:]) for y, x in shifts]
        features = np.concatenate([part[0] for part in parts])
        sharpness = np.concatenate([part[1] for part in parts])
        selections.append(features[sharpness > SHARP * sharpness.max()])
    patches = np.concatenate(selections)
    return patches.mean(axis=0), np.cov(patches, rowvar=False), content.hexdigest()


class Niqe(FrameTeacher):
    """Naturalness Image Quality Evaluator, pristine model fitted on photographs from scikit-image's wheel.

    Frames with a short side above 540 pixels are scaled down by area to 540, the usual size of its benchmarks, which
    also bounds the cost; frames below 96 pixels are extended by reflection to one patch.
    """

    name = "niqe"
    title = "NIQE, natural scene statistics of an own fit"
    description = "Mahalanobis-like distance of patch NSS features from a pristine model (Mittal et al., 2013)"
    range = (0.0, 100.0)
    higher_is_better = False
    licence = "Apache-2.0 (own implementation)"
    parameters = 36 + 36 * 37 // 2
    weights = "fitted at start on photographs shipped with scikit-image (BSD-3-Clause, images CC0 or public domain)"

    def __init__(self) -> None:
        self._mean, self._covariance, self._content = pristine_model()

    def settings(self) -> Mapping[str, float | int | str]:
        """Constants of the patches and of the pristine model."""
        return {"patch": PATCH, "sharp": SHARP, "short_side": SHORT_SIDE, "stride": STRIDE}

    def weights_digest(self) -> str:
        """SHA-256 of the photographs, which together with the settings determine the model."""
        return self._content

    def score_frame(self, rgb: NDArray[np.uint8]) -> float:
        """Distance of one frame from the pristine model."""
        return distance(rgb, self._mean, self._covariance)
