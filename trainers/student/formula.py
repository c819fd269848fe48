"""Weights and inputs that come from a formula: integer arithmetic only, so that every machine makes the same numbers.

A stream of 64-bit words (SplitMix64, keyed by the first 8 bytes of SHA-256 of "seed:name") gives four 16-bit lanes a word;
their centred sum is nearly normal. Networks without a checkpoint (preset `paper-shrunk`, parity tests) are filled this way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_LANE = np.uint64(0xFFFF)
_DEVIATION = float(np.sqrt((2**32 - 1) / 3.0))  # of the sum of four uniform 16-bit integers
_CHUNK = 1 << 22  # elements made at once: bounds the memory for large embeddings


def _key(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "little")


def _words(key: int, start: int, count: int) -> np.ndarray:
    state = np.arange(start + 1, start + count + 1, dtype=np.uint64) * np.uint64(_GAMMA) + np.uint64(key & _MASK)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(state ^ (state >> np.uint64(31)))


def _normal(key: int, shape: Sequence[int]) -> np.ndarray:
    count = int(np.prod(shape, dtype=np.int64))
    values = np.empty(count, np.float64)
    for start in range(0, count, _CHUNK):
        word = _words(key, start, min(_CHUNK, count - start))
        total = (word & _LANE) + ((word >> np.uint64(16)) & _LANE) + ((word >> np.uint64(32)) & _LANE)
        total += word >> np.uint64(48)
        values[start : start + len(word)] = (total.astype(np.float64) - 131070.0) / _DEVIATION
    return values.reshape(shape)


def weights(name: str, shape: Sequence[int], seed: int = 1) -> np.ndarray:
    """Weights float32 of one tensor, a function of its name, its shape and the seed.

    Matrices have variance 1 / fan-in, normalisation weights lie around 1, biases and means around 0, variances above 1.
    """
    noise, leaf = _normal(_key(seed, name), shape), name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        values = 1.0 + 0.1 * np.abs(noise)
    elif len(shape) <= 1:
        values = 1.0 + 0.1 * noise if leaf == "weight" else 0.1 * noise
    elif leaf != "weight" or name.endswith("embed_tokens.weight"):
        values = 0.5 * noise
    else:
        values = noise / np.sqrt(np.prod(shape[1:], dtype=np.float64))
    return np.asarray(values, np.float32)


def inputs(name: str, shape: Sequence[int], seed: int = 1) -> np.ndarray:
    """A test input float32: two triangle waves along the axes, and noise."""
    shape = tuple(shape)
    slopes = (_words(_key(seed, f"input-waves:{name}"), 0, 2 * len(shape)) % np.uint64(11)).astype(np.int64) + 1
    values = 0.5 * _normal(_key(seed, f"input-noise:{name}"), shape)
    grid = np.ogrid[tuple(slice(size) for size in shape)]
    for wave, amplitude in ((0, 1.0), (1, 0.5)):
        mine = slopes[wave * len(shape) : (wave + 1) * len(shape)]
        phase = sum(axis * slope for axis, slope in zip(grid, mine, strict=True)) % 128 / 128.0
        values += amplitude * (4.0 * np.abs(phase - np.floor(phase) - 0.5) - 1.0)
    return values.astype(np.float32)


@torch.no_grad()
def fill(module: nn.Module, names: Mapping[str, str], seed: int = 1) -> None:
    """Fill the floating-point parameters and buffers of a module; `names` gives the formula's name of each key."""
    state: Mapping[str, Tensor] = module.state_dict(keep_vars=True)
    for key, name in names.items():
        state[key].copy_(torch.from_numpy(weights(name, state[key].shape, seed)))
