"""Recorded numbers and their comparison, for the parity tests.

Weights, inputs and clips are those of `trainers.student.language.formula`.
The recorded numbers lie under ``tests/data/parity``; a folder of the same layout named by the environment variable
``PARITY_CASES`` may hold more cases.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.special import expit

from trainers.student.language import formula

DATA = Path(__file__).parents[1] / "data" / "parity"


def net_input(name, shape, seed):
    """A network's input, float32 tensor."""
    return torch.from_numpy(formula.inputs(name, shape, seed))


@lru_cache(maxsize=4)
def clip(frames, height, width, seed):
    """`formula.clip`, read-only and remembered."""
    made = formula.clip(frames, height, width, seed)
    made.setflags(write=False)
    return made


def record(*path):
    """A file of recorded numbers."""
    return json.loads(DATA.joinpath(*path).read_text())


def sources(*path):
    """``(origin, content)`` of a file of recorded numbers and of the one of its name in the folder ``PARITY_CASES``, if any."""
    found = [("recorded", record(*path))]
    folder = os.environ.get("PARITY_CASES")
    if folder:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"PARITY_CASES: there is no folder {folder}")
        file = Path(folder, *path)
        found += [("given", json.loads(file.read_text()))] if file.is_file() else []
    return found


def cases(*path):
    """``(origin, case)`` of the ``cases`` of all `sources`."""
    return [(origin, case) for origin, content in sources(*path) for case in content.get("cases", [])]


def filled(network, seed, dtype=torch.float32):
    """The network in evaluation mode with formula weights of a seed.

    In float64 the weights are not rounded to float32 first: so the references of FAST-VQA, DOVER, MinimalisticVQA and
    Q-Align were recorded; `widened` gives the rounded ones.
    """
    network = network.to(dtype).eval().requires_grad_(False)
    formula.fill(network, seed)
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


def orders_of_passes(frames, pictures, kernel, most_levels):
    """The pictures, and for tall frames also those of Pillow 13, which shortens the columns first.

    Records of tall frames were made with Pillow 13; the weights were trained with Pillow 11 and 12, which narrow the rows first,
    and so do the views (`tests/actors/media/network_views/test_pictures.py`). No level differs by more than `most_levels`.
    """
    height, width = frames.shape[1:3]
    if height <= width:
        return [pictures]
    side = pictures.shape[1]
    short = [Image.fromarray(frame).resize((width, side), kernel).resize((side, side), kernel) for frame in frames]
    columns_first = np.stack([np.asarray(picture) for picture in short])
    assert 0 < np.abs(columns_first.astype(int) - pictures).max() <= most_levels
    return [pictures, columns_first]


def smooth(frame):
    """The frame at 224x224 as later versions of torchvision make it, with antialiasing, uint8 ``[224, 224, 3]``."""
    planes = torch.tensor(frame.transpose(2, 0, 1)).contiguous()[:, None].float()
    small = torch.nn.functional.interpolate(planes, (224, 224), mode="bilinear", antialias=True)
    return small[:, 0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()


def official_solve(matrix, start, steps=50):
    """Scores ``[..., K]`` of the released inference script: `steps` of Adam from `start` ``[K]``.

    Learning rate 0.1, logistic link, probabilities floored at 1e-6, no constraint on the sum; 50 steps stop short of the optimum.
    """
    m = np.asarray(matrix, np.float64)
    q = np.broadcast_to(np.asarray(start, np.float64), m.shape[:-1]).copy()
    first, second = np.zeros_like(q), np.zeros_like(q)
    for step in range(1, steps + 1):
        wins = expit(q[..., :, None] - q[..., None, :])
        pull = np.where(wins > 1e-6, m * (1.0 - wins), 0.0)
        gradient = q - (pull.sum(axis=-1) - pull.sum(axis=-2))
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        q -= 0.1 * (first / (1.0 - 0.9**step)) / (np.sqrt(second / (1.0 - 0.999**step)) + 1e-8)
    return q


def official_output(scores):
    """The released output ``[...]`` of the last video: its place in percent between the extremes of q ``[..., K]``."""
    q = np.asarray(scores, np.float64)
    low, high = q.min(axis=-1), q.max(axis=-1)
    return 100.0 * (q[..., -1] - low) / (high - low)
