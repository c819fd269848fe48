"""The frozen part of the lite student: two networks and some statistics, a vector for a video. It runs without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import numpy as np

from trainers.student.contract import NO_VIEWS
from trainers.student.lite import degradation, naturalness, pyramid
from trainers.student.lite.degradation import Degradation
from trainers.student.lite.features import BLOCKS, FeatureBlock, Views
from trainers.student.lite.naturalness import Naturalness
from trainers.student.lite.network import Network, Weights
from trainers.student.lite.options import LiteOptions
from trainers.student.table import LITE


class Source(Protocol):
    """Where the weights of a frozen model come from."""

    def weights(self) -> Weights:
        """Those of the package."""

    def taken(self, weights: Weights) -> Weights:
        """Those of some weights that belong to it. Raises ValueError if they do not fit."""


# field of `Views` -> the model and what the names of its weights begin with in a student's folder
MODELS: Mapping[str, tuple[Source, str]] = {
    "pyramid": (pyramid.GRAPH, "backbone."),
    "degradation": (degradation.GRAPH, "degradation."),
    "naturalness": (naturalness.MODEL, "naturalness."),
}
DEFAULTS = LiteOptions()


class LiteEncoder:
    """Frozen features.

    Args:
        options: Of the student.
        weights: Of the models, by their names in a student's folder, with or without others; None for those of the package.

    Attributes:
        blocks: The blocks of the features, in order.
        weights: Of the models that these need, by their names in a student's folder.

    Raises:
        ValueError: Weights are missing or do not fit.
    """

    def __init__(self, options: LiteOptions = DEFAULTS, weights: Weights | None = None) -> None:
        known = {block.name: block for block in BLOCKS}
        self.blocks: tuple[FeatureBlock, ...] = tuple(known[name] for name in options.blocks or known)
        self.weights: dict[str, np.ndarray] = {}
        for source, prefix in (MODELS[name] for name in self.models):
            own = source.weights() if weights is None else _without(prefix, weights)
            self.weights |= {prefix + name: value for name, value in source.taken(own).items()}

    @property
    def models(self) -> list[str]:
        """Names in `MODELS` of those that the blocks need."""
        needed = {block.model for block in self.blocks}
        return [name for name in MODELS if name in needed]

    @property
    def places(self) -> dict[str, slice]:
        """Where each block lies in the vector."""
        ends = np.cumsum([block.size for block in self.blocks]).tolist()
        return {block.name: slice(end - block.size, end) for block, end in zip(self.blocks, ends, strict=True)}

    @property
    def coarse(self) -> slice:
        """Where the block lies that tells the content; empty without one."""
        coarse = (block.name for block in self.blocks if block.coarse)
        return self.places.get(next(coarse, ""), slice(0))

    @property
    def size(self) -> int:
        """D, the length of the vector."""
        return sum(block.size for block in self.blocks)

    def encode(
        self,
        key: np.ndarray,
        luma: np.ndarray,
        fps: float,
        views: Mapping[str, np.ndarray] = NO_VIEWS,  # noqa: ARG002 - it takes none
    ) -> np.ndarray:
        """All feature blocks in a row, float32 [D]. Raises ValueError for views of another shape."""
        if key.ndim != 5 or key.shape[1] != 2 or key.shape[-1] != 3 or luma.ndim != 3:
            raise ValueError(f"key must be [S, 2, H, W, 3] and luma [N, h, w], not {key.shape} and {luma.shape}")
        sample = Views(key, luma, fps, self._pyramid, self.degradation, self._naturalness)
        features = np.concatenate([block.compute(sample) for block in self.blocks]).astype(np.float32)
        if not np.isfinite(features).all():
            raise ValueError("the encoder gave a number that is not finite")
        return features

    @cached_property
    def _pyramid(self) -> Network | None:
        """The ImageNet network."""
        return Network(pyramid.GRAPH, self._weights_of("pyramid")) if "pyramid" in self.models else None

    @cached_property
    def degradation(self) -> Degradation | None:
        """The degradation network, where a block needs it."""
        return Degradation(self._weights_of("degradation")) if "degradation" in self.models else None

    @cached_property
    def _naturalness(self) -> Naturalness | None:
        """The model of pristine pictures."""
        return Naturalness(self._weights_of("naturalness")) if "naturalness" in self.models else None

    def _weights_of(self, model: str) -> Weights:
        return _without(MODELS[model][1], self.weights)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits over the blocks, the version of the features and the models' weights."""
        digest = hashlib.sha256(json.dumps([LITE.version, [block.name for block in self.blocks]]).encode())
        for name, value in sorted(self.weights.items()):
            digest.update(name.encode() + value.tobytes())
        return digest.hexdigest()[:16]


def _without(prefix: str, weights: Weights) -> Weights:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
