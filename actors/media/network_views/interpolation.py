"""Torch's bilinear interpolation in NumPy, to the last bit: the decoder's child needs no torch, which is larger than its views."""

from __future__ import annotations

from typing import Any

import numpy as np

from .clip import Numbers


def _axis(size: int, count: int, step: np.float32) -> tuple[Numbers, Numbers, Any, Any]:
    """Both neighbours of each of ``count`` samples along an axis, and their weights in float32; half-pixel centres."""
    if size == count:
        return np.arange(size), np.arange(size), np.ones(size, np.float32), np.zeros(size, np.float32)
    at = np.maximum((step.astype(np.float64) * (np.arange(count) + 0.5) - 0.5).astype(np.float32), np.float32(0))
    first = np.minimum(at.astype(np.int64), size - 1)
    weight = np.minimum(at - first.astype(np.float32), np.float32(1))
    return first, np.minimum(first + 1, size - 1), np.float32(1) - weight, weight


def _between(one: Any, weight: Any, other: Any, rest: Any) -> Any:
    """``one * weight + other * rest`` in float32, the first product not rounded, as the processor's fused instruction has it."""
    return (one.astype(np.float64) * weight + other * rest).astype(np.float32)


def bilinear(frame: Any, size: tuple[int, int], steps: tuple[np.float32, np.float32]) -> Any:
    """Torch's bilinear interpolation of ``[H, W, C]`` without antialiasing, float32, to the last bit.

    It reads the few rows and columns that count, where torch converts the frame to 100 MB of float32 (at 4K), and
    spares the process torch itself, which is larger than the views of a minute.
    """
    top, bottom, *vertical = _axis(frame.shape[0], size[0], steps[0])
    left, right, *horizontal = _axis(frame.shape[1], size[1], steps[1])
    above, below = (weights[:, None, None] for weights in vertical)
    before, after = (weights[:, None] for weights in horizontal)

    def line(rows: Numbers) -> Any:
        lines = frame[rows]
        return _between(lines[:, left].astype(np.float32), before, lines[:, right].astype(np.float32), after)

    return _between(line(top), above, line(bottom), below)
