"""Distorted copies of scenes made from photographs, with the opinions of four full-reference experts: what the encoder learns from.

    python benchmarks/encoder/samples.py PICTURES OUT --part train --groups 60 [--seed 0] [--processes 2]

A scene is a window that moves over a photograph, with a patch of another one that moves on its own: eight grey frames of 320x320,
softened or noisy as cameras make them. A group of 24 scenes goes through every kind of distortion at random strength, alone
or two in a row, each coder in one process of FFmpeg. None is a kind of either proxy benchmark's unseen suite or of the development
suite (`benchmarks/development_copies.py`). The experts are VMAF v0.6.1, VMAF v1.0.16, gradient similarity (GMSD, Xue 2014) and
multi-scale structural similarity (Wang 2003).
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from coders import ALL_CODERS, FIRST_CODERS, Coder, coded, coder, gmsd, limited, ms_ssim, vmafs, whole, x264
from filters import FRAMES, MORE, SHARES, SIDE, SMOOTHER, Random, filtered, gaussian, smaller
from numpy.typing import NDArray
from scenes import scene

SHOWN = 4  # the frame that is kept, with the one after it
SCENES = 24


@dataclass(frozen=True)
class Group:
    """Samples of one group: two frames each, four experts, the number of the scene's photograph and the kind."""

    luma: NDArray[np.uint8]
    experts: NDArray[np.float32]
    content: NDArray[np.int32]
    kind: list[str]


@dataclass(frozen=True)
class Kinds:
    """What copies are made with: shares of the filters; coders and their shares; share of copies that are coded twice."""

    shares: dict[str, float]
    coders: dict[str, tuple[Coder, float]]
    twice: float = 0.0


KINDS = {
    "first": Kinds(SHARES, FIRST_CODERS),
    "smoother": Kinds(SMOOTHER, FIRST_CODERS),
    "all": Kinds(MORE, ALL_CODERS, twice=0.15),
}


def degraded(scenes: np.ndarray, random: Random, kinds: Kinds) -> tuple[NDArray[np.uint8], list[str]]:
    """Scenes [SCENES, FRAMES, SIDE, SIDE] through filters of their own, their frames in a row; and the kinds."""
    made = [filtered(frames, random, kinds.shares) for frames in scenes]
    return in_a_row([frames for frames, _ in made]), [kind for _, kind in made]


def in_a_row(scenes: Sequence[np.ndarray]) -> NDArray[np.uint8]:
    """Limited luma [SCENES * FRAMES, SIDE, SIDE]."""
    return limited(np.stack(scenes)).reshape(-1, SIDE, SIDE)


def through_a_coder(
    reference: NDArray[np.uint8], scenes: np.ndarray, random: Random, kinds: Kinds, folder: Path
) -> tuple[NDArray[np.uint8], list[str]]:
    """All scenes through one coder, in a part of the cases with a filter before or after it."""
    options, name = coder(random, kinds.coders)
    after = random.random() < 0.15
    if random.random() < 0.2:  # made smaller or softer before it is coded
        soft = [(smaller if random.random() < 0.6 else gaussian)(frames, random) for frames in scenes]
        reference, name = in_a_row(soft), f"soft+{name}"
    copy = coded(reference, options, folder)
    if random.random() < kinds.twice:
        options, second = coder(random, kinds.coders)
        copy, name = coded(copy, options, folder), f"{name}+{second}"
    if not after:
        return copy, [name] * SCENES
    copy, names = degraded(whole(copy).reshape(scenes.shape), random, kinds)
    return copy, [f"{name}+{one}" for one in names]


def opinions(reference: NDArray[np.uint8], copy: NDArray[np.uint8], folder: Path) -> np.ndarray:
    """What the experts say of each scene's copy [SCENES, 4]."""
    shown = [k * FRAMES + SHOWN for k in range(SCENES)]
    others = [[gmsd(reference[k], copy[k]), ms_ssim(reference[k], copy[k])] for k in shown]
    return np.concatenate([vmafs(reference, copy, folder), others], axis=1)


def group(pictures: list[np.ndarray], number: int, seed: int, filters: int, coders: int, kinds: Kinds) -> Group:
    """Make a group."""
    cv2.setNumThreads(1)
    random = np.random.default_rng([seed, number])
    own = random.choice(len(pictures), SCENES, replace=len(pictures) < SCENES)
    scenes = np.stack([scene(pictures, int(k), random) for k in own])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        reference = in_a_row(list(scenes))
        if random.random() < 0.35:  # what users upload was coded before
            reference = coded(reference, x264("fast", random.uniform(14, 27), FRAMES), place)
            scenes = whole(reference).reshape(scenes.shape)
        made = [(reference, ["reference"] * SCENES)]
        made += [degraded(scenes, random, kinds) for _ in range(filters)]
        made += [through_a_coder(reference, scenes, random, kinds, place) for _ in range(coders)]
        experts = [opinions(reference, copy, place) for copy, _ in made]
    pairs = [copy.reshape(SCENES, FRAMES, SIDE, SIDE)[:, SHOWN : SHOWN + 2] for copy, _ in made]
    return Group(
        np.concatenate(pairs),
        np.concatenate(experts).astype(np.float32),
        np.tile(own, len(made)).astype(np.int32),
        [kind for _, kinds in made for kind in kinds],
    )


def read(folder: Path, part: str) -> list[np.ndarray]:
    """The pictures of a part, in the order of their names."""
    with (folder / "pictures.csv").open(encoding="utf-8") as file:
        names = [row["picture"] for row in csv.DictReader(file) if row["part"] == part]
    return [cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_GRAYSCALE) for name in names]


_pictures: list[np.ndarray] = []


def _start(folder: Path, part: str) -> None:
    _pictures.extend(read(folder, part))


def _save(out: Path, number: int, seed: int, filters: int, coders: int, kinds: Kinds) -> int:
    target = out / f"group-{number:04d}.npz"
    if not target.exists():
        made = group(_pictures, number, seed, filters, coders, kinds)
        partial = target.with_suffix(".partial.npz")
        np.savez(partial, luma=made.luma, experts=made.experts, content=made.content, kind=np.array(made.kind))
        partial.rename(target)
    return number


def main() -> None:
    """Make the groups that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", default="train")
    parser.add_argument("--groups", type=int, default=60)
    parser.add_argument("--filters", type=int, default=7, help="copies of each scene by filters")
    parser.add_argument("--coders", type=int, default=5, help="copies of each scene by coders")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first group")
    parser.add_argument("--kinds", choices=KINDS, default="all")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.processes, initializer=_start, initargs=(options.pictures, options.part)) as pool:
        jobs = [
            pool.submit(_save, options.out, number, options.seed, options.filters, options.coders, KINDS[options.kinds])
            for number in range(options.start, options.groups)
        ]
        for job in jobs:
            print("group", job.result(), flush=True)


if __name__ == "__main__":
    main()
