"""The size of a decoded window, and the draws of the offsets that a view may need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # RGB [H, W, 3]
Numbers = NDArray[np.int64]
Draw = Callable[[int, tuple[int, ...]], Numbers]  # uniform integers 0 <= n < bound of a shape

CLIP = 32  # frames of a clip


@dataclass(frozen=True)
class Clip:
    """Size of the decoded window.

    Attributes:
        frames: Number of native frames, at least 1.
        height: Pixels.
        width: Pixels.
        fps: Native frames per second; 0 for a still.
    """

    frames: int
    height: int
    width: int
    fps: float

    @property
    def rate(self) -> int:
        """Whole frames per second, at least 1."""
        return max(1, round(self.fps))


def zero(_: int, shape: tuple[int, ...]) -> Numbers:
    """Every offset 0."""
    return np.zeros(shape, np.int64)


def centre(bound: int, shape: tuple[int, ...]) -> Numbers:
    """Every offset in the middle of its range."""
    return np.full(shape, bound // 2, np.int64)


def seeded(key: str) -> Draw:
    """Random offsets that depend on ``key``, a video's id, alone: its score is the same in every run."""
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little"))
    return lambda bound, shape: generator.integers(0, bound, shape, dtype=np.int64)
