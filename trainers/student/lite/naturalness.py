"""How far a frame's statistics are from those of pristine photographs: one number that says much across contents.

The distance is NIQE's (`trainers.scenes.patches`). The pristine model is that of the teacher of this name, fitted to photographs
in the wheel of scikit-image; `benchmarks/encoder/pristine.py` writes it.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from trainers.scenes.patches import STATISTICS, distance
from trainers.student.lite.network import Weights

SHAPES = {"mean": (STATISTICS,), "covariance": (STATISTICS, STATISTICS)}
FLOOR = 0.1  # of a distance, so that its logarithm is finite


class PristineModel:
    """Where the model's numbers come from; as `trainers.student.lite.network.Graph` for a network."""

    def weights(self) -> Weights:
        """The model that the package holds."""
        return load(resources.files(__package__).joinpath("naturalness.safetensors").read_bytes())

    def taken(self, weights: Weights) -> Weights:
        """Those of some weights that belong to the model.

        Raises:
            ValueError: One is missing or has another shape.
        """
        wrong = [name for name, shape in SHAPES.items() if name not in weights or weights[name].shape != shape]
        if wrong:
            raise ValueError(f"the model of pristine pictures is missing or does not fit: {', '.join(wrong)}")
        return {name: weights[name] for name in SHAPES}


MODEL = PristineModel()


class Naturalness:
    """A pristine model that looks at frames.

    Args:
        weights: Of the model.
    """

    def __init__(self, weights: Weights) -> None:
        self._mean, self._covariance = (np.asarray(weights[name], np.float64) for name in SHAPES)

    def log_distance(self, rgb: NDArray[np.uint8]) -> float:
        """Logarithm of the distance of a frame, uint8 RGB [H, W, 3]: distortions multiply it, whatever the picture."""
        return float(np.log(distance(rgb, self._mean, self._covariance) + FLOOR))
