"""Frames per CPU second of the teachers brisque, niqe and piqe beside those of `pyiqa`, on the same frames, one thread.

    pip install --no-deps --target PEERS pyiqa
    python benchmarks/peers.py --pyiqa PEERS CLIP... --repeat 5

Only the three functions of `pyiqa` are imported: the package itself wants torchvision and downloads its models. Both sides are
given the same models: the support vectors of package `brisque`, and the pristine patches of teacher `niqe`. Frames are at most
540 pixels high, so that no teacher scales them. The largest difference of scores is printed: the two convert colours and halve
pictures in other ways.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.media.decode import Decoder
from actors.media.views import SampleSpec
from actors.memory import keep_freed
from actors.teachers import load_teacher
from actors.teachers.brisque import regression
from actors.teachers.niqe import pristine_model

PACKAGES = ("pyiqa", "pyiqa.archs", "pyiqa.utils")


def theirs(folder: Path) -> dict[str, Callable[[torch.Tensor], Any]]:
    """The three functions of `pyiqa`, of an RGB picture [1, 3, H, W] in 0..1."""
    for name in PACKAGES:  # so that their own __init__, which imports everything, is not run
        package = types.ModuleType(name)
        package.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = package
    sys.modules["pyiqa.archs.arch_util"] = types.SimpleNamespace(get_url_from_name=str)  # type: ignore[assignment]
    from pyiqa.archs.brisque_arch import brisque
    from pyiqa.archs.niqe_arch import calculate_niqe
    from pyiqa.archs.piqe_arch import piqe

    model, (mean, covariance, _) = regression(), pristine_model()
    vectors = {
        "sv": torch.from_numpy(model.vectors).float(),
        "sv_coef": torch.from_numpy(model.coefficients).float()[:, None],
    }
    pristine = {"mu_pris_param": torch.from_numpy(mean), "cov_pris_param": torch.from_numpy(covariance)}
    return {
        "brisque": lambda x: brisque(x, gamma=model.gamma, rho=model.rho, **vectors),
        "niqe": lambda x: calculate_niqe(x, **pristine),
        "piqe": lambda x: piqe(x)[0],
    }


def main() -> None:
    """Measure, and print a line for each metric."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--pyiqa", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed()  # for both
    with Decoder() as decoder:
        spec = SampleSpec(key_frames=1, motion_frames=1)
        frames = [np.ascontiguousarray(decoder.decode(clip, spec=spec).key[0, 0]) for clip in options.clips]
    frames = [frame for frame in frames if min(frame.shape[:2]) <= 540]
    pictures = [torch.from_numpy(frame.transpose(2, 0, 1)[None].astype(np.float32) / 255) for frame in frames]
    for name, function in theirs(options.pyiqa).items():
        teacher: Any = load_teacher(name)
        sides: list[list[float]] = [[], []]
        for _ in range(options.repeat + 1):
            start = time.process_time()
            with torch.inference_mode():
                peer = [float(function(picture)) for picture in pictures]
            middle = time.process_time()
            own = [teacher.score_frame(frame) for frame in frames]
            sides[0].append(middle - start)
            sides[1].append(time.process_time() - middle)
        before, after = (side[1:] for side in sides)  # the first round loads
        ratios = [old / new for old, new in zip(before, after, strict=True)]
        rates = " and ".join(f"{len(frames) / statistics.median(side):.1f}" for side in (before, after))
        gap = max(abs(one - other) for one, other in zip(peer, own, strict=True))
        spread = f"{statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f}, {len(ratios)} pairs)"
        print(f"{name:8} {rates} frames per CPU second, {spread}; scores differ by at most {gap:.2g} of {max(own):.3g}")


if __name__ == "__main__":
    main()
