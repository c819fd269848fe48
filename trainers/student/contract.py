"""What the pools use of a student: what encodes videos, and what compares them. Importing this module loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np

from trainers.videos import Vectors

NO_VIEWS: Mapping[str, np.ndarray] = MappingProxyType({})


class Encoder(Protocol):
    """The frozen part of a student."""

    def encode(
        self, key: np.ndarray, luma: np.ndarray, fps: float, views: Mapping[str, np.ndarray] = NO_VIEWS
    ) -> np.ndarray:
        """Frozen features of one video: float32 [D], the same on every call.

        key: uint8 [S, 2, H, W, 3], S key frames in RGB at native size, each with the frame right after it.
        luma: uint8 [N, h, w], consecutive frames, luma only, scaled down; N = 1 for a still image. fps: frames/s.
        views: uint8 RGB [n, h, w, 3], the pictures that its row in the table names (`StudentRow.views`).
        """


class Judge(Encoder, Protocol):
    """A trained student that compares videos and learns no more."""

    @property
    def mirrors(self) -> bool:
        """Whether exchanging two videos mirrors the logits exactly: no order is preferred."""

    def compare_all(self, first: Vectors, second: Vectors) -> np.ndarray:
        """Logits float32 [P, 5] of any number of pairs [P, D]: the second video judged against the first."""

    def against_anchors(self, anchors: np.ndarray, tests: Vectors) -> np.ndarray:
        """Logits float32 [N, A, 5] of tests [N, D] as the second videos and each of anchors [A, D] as the first."""

    def blocks_at_average(self, anchors: np.ndarray, tests: Vectors) -> dict[str, np.ndarray]:
        """What each block of features does to the comparisons of tests [N, D] with anchors [A, D].

        Returns:
            Name of each block -> logits float32 [N, A, 5] as `against_anchors` would give them if the test's block were as
            in the average video of the training. Empty for students whose features have no blocks.
        """
