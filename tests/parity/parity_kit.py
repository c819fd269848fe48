"""Formula-made weights, inputs and clips, and the comparison with recorded summaries, for the parity tests.

Every value comes from 64-bit integers (SplitMix64) and exactly rounded float64 arithmetic, so that it is the same on
every machine. The recorded numbers lie under ``tests/data/parity``; a folder of the same layout named by the environment
variable ``PARITY_CASES`` may hold more cases.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).parents[1] / "data" / "parity"
CHUNK = 1 << 14  # words at a time: they stay in the cache
CONSTANT_TABLES = ("q_pos_embed", "k_pos_embed", "inv_freq")


def words(key, start, count):
    """SplitMix64 outputs ``start .. start + count - 1`` of the stream with state ``key``."""
    state = np.arange(start + 1, start + count + 1, dtype=np.uint64)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state += np.uint64(key)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state ^= state >> np.uint64(shift)
        state *= np.uint64(factor)
    state ^= state >> np.uint64(31)
    return state


def key_of(seed, text):
    """State of the stream that belongs to a text."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "little")


def normal(key, shape):
    """Nearly normal numbers, float64: the sum of a word's four 16-bit lanes, standardised."""
    flat = np.empty(int(np.prod(shape, dtype=np.int64)))
    lane = np.uint64(0xFFFF)
    for start in range(0, flat.size, CHUNK):
        word = words(key, start, min(CHUNK, flat.size - start))
        total = word & lane
        for shift in (16, 32, 48):
            total += (word >> np.uint64(shift)) & lane
        flat[start : start + CHUNK] = total
    flat -= 131070.0
    flat /= np.sqrt((2**32 - 1) / 3)
    return flat.reshape(shape)


def fill(name, shape, seed):
    """The value of a floating-point parameter, float64; None where the constructor's own value stays."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf in CONSTANT_TABLES:
        return None
    n = normal(key_of(seed, name), tuple(shape))
    vector = len(shape) <= 1
    if leaf.endswith("_bias_table"):
        return 0.5 * n
    if leaf == "running_var":
        return 1 + 0.1 * np.abs(n)
    if leaf == "gamma" and vector:
        return 0.5 + 0.1 * n
    if vector:
        return 1 + 0.1 * n if leaf == "weight" else 0.1 * n
    if leaf == "weight" and not name.endswith("embed_tokens.weight"):
        return n / np.sqrt(np.float64(np.prod(shape[1:], dtype=np.int64)))
    return 0.5 * n


def _triangle(turns):
    return 4 * np.abs(turns - np.floor(turns) - 0.5) - 1


def net_input(name, shape, seed):
    """A network's input: noise and two waves; float32 tensor."""
    slopes = (words(key_of(seed, f"input-waves:{name}"), 0, 2 * len(shape)) % np.uint64(11)).astype(np.int64) + 1
    values = 0.5 * normal(key_of(seed, f"input-noise:{name}"), tuple(shape))
    for wave, amplitude in enumerate((1.0, 0.5)):
        phase = sum(
            np.arange(size).reshape([-1 if other == axis else 1 for other in range(len(shape))])
            * slopes[wave * len(shape) + axis]
            for axis, size in enumerate(shape)
        )
        values += amplitude * _triangle((phase % 128) / 128)
    return torch.from_numpy(values.astype(np.float32))


@lru_cache(maxsize=4)
def clip(frames, height, width, seed):
    """A test clip, uint8 RGB ``[frames, height, width, 3]``: moving stripes, bands, a checkerboard, noise."""
    y, x, c = np.ogrid[:height, :width, :3]
    key, size = key_of(seed, "clip"), height * width * 3

    def wave(value):
        rest = value % 256
        return 2 * np.where(rest < 128, rest, 255 - rest)

    out = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        stripes, bands = wave(3 * x + 2 * y + 5 * t + 40 * c), wave((x * y) // 32 + 7 * t)
        board = 96 * (((x + 4 * t) // 24 + y // 18) % 2)
        noise = (words(key, t * size, size) & np.uint64(31)).astype(np.int64).reshape(height, width, 3)
        out[t] = np.minimum(255, (stripes * 3 + bands * 2) // 8 + board * (c + 1) // 3 + noise)
    out.setflags(write=False)
    return out


def record(*path):
    """A file of recorded numbers."""
    return json.loads(DATA.joinpath(*path).read_text())


def cases(*path):
    """``(origin, case)`` of the recorded ``cases`` and of those in the folder ``PARITY_CASES``."""
    found = [("recorded", case) for case in record(*path)["cases"]]
    folder = os.environ.get("PARITY_CASES")
    if folder and Path(folder, *path).is_file():
        found += [("given", case) for case in json.loads(Path(folder, *path).read_text())["cases"]]
    return found


def filled(network, seed, dtype=torch.float32):
    """The network in evaluation mode with formula weights of a seed.

    In float64 the weights are not rounded to float32 first: so the references of FAST-VQA, DOVER, MinimalisticVQA and
    Q-Align were recorded; `widened` gives the rounded ones.
    """
    network = network.to(dtype).eval().requires_grad_(False)
    for name, value in network.state_dict().items():
        made = fill(name, value.shape, seed) if value.is_floating_point() else None
        if made is not None:
            value.copy_(torch.from_numpy(made))
    return network


def widened(network, seed):
    """The same in float64, with weights that were rounded to float32."""
    return filled(network, seed).to(torch.float64)


def catch(network, names):
    """A dictionary that the next forward pass fills with the outputs of the named modules."""
    seen = {}
    for name in names:
        module = network.get_submodule(name)
        module.register_forward_hook(lambda _module, _inputs, output, name=name: seen.__setitem__(name, output))
    return seen


def assert_close(recorded, tensor, tolerance, where=""):
    """Compare a tensor with the recorded mean, spread and samples, in units of its root mean square."""
    values = np.asarray(tensor, np.float64)
    assert list(values.shape) == recorded["shape"], where
    flat = values.ravel()
    spread = [flat[place * (flat.size - 1) // 15] for place in range(16)] if flat.size > 1 else [flat[0]]
    got = [flat.mean(), flat.std(), np.abs(flat).mean(), *flat[:8], *spread]
    kept = [recorded[name] for name in ("mean", "std", "abs_mean")] + recorded["first8"] + recorded["spread16"]
    rms = np.hypot(recorded["mean"], recorded["std"])
    np.testing.assert_allclose(got, kept, rtol=0, atol=tolerance * rms, err_msg=where)
