"""A small convolutional network that was trained to see degradations, whatever the content (`benchmarks/encoder`).

It looks at the luma of a frame at native size, and at what changes up to the next frame: noise changes, texture moves or stays.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trainers.student.lite.network import Convolution, Graph, Network, Weights

WIDTHS = (32, 48, 64, 128)
REDUCTION = 16  # pixels of a frame per position of the last layer, each way
EXPERTS = ("vmaf_v0.6.1", "vmaf_v1.0.16", "gmsd", "ms_ssim")
MOTION_SCALE = 12.0  # grey levels of change at which that input begins to saturate
SURROUNDINGS = 7  # pixels, each way, whose mean and deviation normalise a pixel
INPUTS = 3
LEAST_WEIGHT = 1e-3
EPSILON = 1e-5  # of its batch norms
# of the body, in order: a convolution with its batch norm, or a residual of two; with the stride
BODY: tuple[tuple[str, int], ...] = (
    ("body.1", 1),
    ("body.3", 2),
    ("body.5.first", 1),
    ("body.5.second", 1),
    ("body.6", 2),
    ("body.8.first", 1),
    ("body.8.second", 1),
    ("body.9.first", 1),
    ("body.9.second", 1),
    ("body.10", 2),
    ("body.12.first", 1),
    ("body.12.second", 1),
)
GRAPH = Graph(
    "degradation",
    tuple(Convolution(f"{name}.0", f"{name}.1", EPSILON) for name, _ in BODY),
    constants=("kernel",),
    others=("weight.weight", "weight.bias", "experts.weight", "experts.bias"),
    unshuffled=f"{BODY[0][0]}.0",
)


class Degradation:
    """The trained network.

    Args:
        weights: As `benchmarks/encoder/train.py` writes them.
    """

    def __init__(self, weights: Weights) -> None:
        self._body = Network(GRAPH, weights)
        self._layers: Mapping[str, NDArray[np.float64]] = {
            name: np.asarray(weights[name], np.float64) for name in GRAPH.others
        }

    def positions(self, pair: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [C, P] at all positions of luma 0..255 [2, H, W], a frame and the next; H and W are multiples of REDUCTION."""
        (features,) = self._body(pair[None])
        return features.reshape(features.shape[1], -1)

    def weights_of(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """The weights [P] in the mean over a frame of features [C, P]; added up by NumPy, whatever the number of threads."""
        total = (features * self._layers["weight.weight"].reshape(-1, 1)).sum(axis=0) + self._layers["weight.bias"][0]
        weights: NDArray[np.float64] = np.logaddexp(0, total) + LEAST_WEIGHT
        return weights

    def opinion(self, pooled: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean of the experts' standardised opinions [N] of pooled features [N, C]; added up by NumPy."""
        weights, bias = self._layers["experts.weight"].mean(axis=0), self._layers["experts.bias"].mean()
        opinion: NDArray[np.float64] = (pooled * weights).sum(axis=1) + bias
        return opinion
