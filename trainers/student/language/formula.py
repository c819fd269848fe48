"""Weights, inputs and clips that come from a formula: integer arithmetic only, so that every machine makes the same numbers.

A stream of 64-bit words (SplitMix64, keyed by the first 8 bytes of SHA-256 of "seed:name") gives four 16-bit lanes a word;
their centred sum is nearly normal. Networks without a checkpoint (preset `paper-shrunk`, parity tests, benchmarks) are
filled this way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

_CHUNK = 1 << 14  # words at a time: they stay in the cache
_CONSTANT_TABLES = ("q_pos_embed", "k_pos_embed", "inv_freq")


def words(key: int, start: int, count: int) -> NDArray[np.uint64]:
    """SplitMix64 outputs ``start .. start + count - 1`` of the stream with state ``key``."""
    state = np.arange(start + 1, start + count + 1, dtype=np.uint64)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state += np.uint64(key)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state ^= state >> np.uint64(shift)
        state *= np.uint64(factor)
    state ^= state >> np.uint64(31)
    return state


def key_of(seed: int, text: str) -> int:
    """State of the stream that belongs to a text."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "little")


def _normal(key: int, shape: Sequence[int]) -> NDArray[np.float64]:
    """Nearly normal numbers: the sum of a word's four 16-bit lanes, standardised."""
    flat = np.empty(int(np.prod(shape, dtype=np.int64)))
    lane = np.uint64(0xFFFF)
    for start in range(0, flat.size, _CHUNK):
        word = words(key, start, min(_CHUNK, flat.size - start))
        total = word & lane
        for shift in (16, 32, 48):
            total += (word >> np.uint64(shift)) & lane
        flat[start : start + _CHUNK] = total
    flat -= 131070.0
    flat /= np.sqrt((2**32 - 1) / 3)
    return flat.reshape(shape)


def weights(name: str, shape: Sequence[int], seed: int = 1) -> NDArray[np.float64] | None:
    """Weights of one tensor, a function of its name, its shape and the seed; None where the constructor's value stays.

    Matrices have variance 1 / fan-in, normalisation weights lie around 1, biases and means around 0, variances above 1.
    """
    leaf = name.rsplit(".", 1)[-1]
    if leaf in _CONSTANT_TABLES:
        return None
    noise = _normal(key_of(seed, name), shape)
    vector = len(shape) <= 1
    if leaf == "running_var":
        return 1 + 0.1 * np.abs(noise)
    if leaf == "gamma" and vector:
        return 0.5 + 0.1 * noise
    if vector:
        return 1 + 0.1 * noise if leaf == "weight" else 0.1 * noise
    if leaf == "weight" and not name.endswith("embed_tokens.weight"):
        return np.asarray(noise / np.sqrt(np.float64(np.prod(shape[1:], dtype=np.int64))))
    return 0.5 * noise


def _triangle(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(4 * np.abs(turns - np.floor(turns) - 0.5) - 1)


def inputs(name: str, shape: Sequence[int], seed: int = 1) -> NDArray[np.float32]:
    """A network's input: noise, and two triangle waves along the axes."""
    shape = tuple(shape)
    slopes = (words(key_of(seed, f"input-waves:{name}"), 0, 2 * len(shape)) % np.uint64(11)).astype(np.int64) + 1
    values = 0.5 * _normal(key_of(seed, f"input-noise:{name}"), shape)
    grid = np.ogrid[tuple(slice(size) for size in shape)]
    for wave, amplitude in ((0, 1.0), (1, 0.5)):
        mine = slopes[wave * len(shape) : (wave + 1) * len(shape)]
        phase = sum(axis * slope for axis, slope in zip(grid, mine, strict=True)) % 128
        values += amplitude * _triangle(phase / 128)
    return values.astype(np.float32)


def clip(frames: int, height: int, width: int, seed: int = 1) -> NDArray[np.uint8]:
    """A clip RGB ``[frames, height, width, 3]``: moving stripes, curved bands, a checkerboard, noise."""
    y, x, c = np.ogrid[:height, :width, :3]
    key, size = key_of(seed, "clip"), height * width * 3

    def wave(value: NDArray[np.int64]) -> NDArray[np.int64]:
        rest = value % 256
        return 2 * np.where(rest < 128, rest, 255 - rest)

    out = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        stripes, bands = wave(3 * x + 2 * y + 5 * t + 40 * c), wave((x * y) // 32 + 7 * t)
        board = 96 * (((x + 4 * t) // 24 + y // 18) % 2)
        noise = (words(key, t * size, size) & np.uint64(31)).astype(np.int64).reshape(height, width, 3)
        out[t] = np.minimum(255, (stripes * 3 + bands * 2) // 8 + board * (c + 1) // 3 + noise)
    return out


@torch.no_grad()
def fill(module: nn.Module, seed: int = 1, named: Callable[[str], str] = str) -> None:
    """Fill the floating-point parameters and buffers of a module; `named` gives the formula's name of each of its keys."""
    for key, value in module.state_dict(keep_vars=True).items():
        made = weights(named(key), value.shape, seed) if value.is_floating_point() else None
        if made is not None:
            value.copy_(torch.from_numpy(made))
