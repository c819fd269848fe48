"""The encoder's development suite: heads on different encoders, trained on some photographs' clips and tested on others'.

    python benchmarks/encoder/protocol.py CACHE --train CLIP... --test CLIP... [--network FILE...] [--processes 2]

Copies are made as for `benchmarks/development.py`: the training simulators for the clips of `--train`, the fourteen distortions of
neither benchmark for those of `--test`, with VMAF v0.6.1 as the label. Their pictures are kept in CACHE, so that any encoder can
look at them. Printed for each: SRCC within a source and overall, of the trained head and, where there is one, of the network's
own opinion.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from development_copies import Keeping, Window, folders_of, make_all
from development_heads import PRESET, VARIANTS, Clips, Row, figures, pairs_of, test_rows, train

from actors.media.views import Sample, SampleSpec
from trainers.student.lite.degradation import EXPERTS, DegradationNetwork, folded
from trainers.student.lite.efficientnet import FoldedPyramid, pretrained
from trainers.student.lite.features import BLOCKS, DEPTH, Views
from trainers.student.lite.head import ComparisonHead
from trainers.student.lite.prior import SHARE, prior_pairs

WINDOW = Window(0.5, 540, 30.0)
SPEC = SampleSpec(key_frames=1, motion_frames=48)


def pictures(sample: Sample) -> dict[str, np.ndarray]:
    """What an encoder may look at."""
    luma = np.zeros((WINDOW_FRAMES, *sample.luma.shape[1:]), np.uint8)
    luma[: len(sample.luma)] = sample.luma[:WINDOW_FRAMES]
    return {"key": sample.key, "luma": luma, "count": np.array([min(len(sample.luma), WINDOW_FRAMES), sample.fps])}


WINDOW_FRAMES = 16
PRIOR = 0.3  # weight of pairs across contents


@functools.lru_cache(maxsize=1)
def pyramid() -> FoldedPyramid:
    """The encoder before: ImageNet."""
    return FoldedPyramid(pretrained().eval(), DEPTH)


def grey(key: np.ndarray) -> torch.Tensor:
    """Luma 16..235 of frame pairs, float [S, 2, H, W] from RGB uint8 [S, 2, H, W, 3]."""
    weights = np.array([0.299, 0.587, 0.114], np.float32) * np.float32(219 / 255)
    return torch.from_numpy(key.astype(np.float32) @ weights + 16)


@torch.inference_mode()
def seen(network: DegradationNetwork, key: np.ndarray) -> np.ndarray:
    """Pooled features and opinions float32 [C + 4]."""
    pooled, opinions = network(grey(key).contiguous(memory_format=torch.channels_last))
    return torch.cat([pooled, opinions], dim=1).mean(dim=0).numpy()


def features(folders: list[Path], name: str, look: Callable[[np.ndarray, np.ndarray, float], np.ndarray]) -> np.ndarray:
    """What `look` says of every copy that was decoded, in the order of the folders' rows; kept."""
    out = []
    for folder in folders:
        target = folder / f"seen-{name}.npy"
        if not target.exists():
            with np.load(folder / "features.npz") as kept:
                key, luma, count = kept["key"], kept["luma"], kept["count"]
            found = [look(key[k], luma[k][: int(count[k][0])], float(count[k][1])) for k in range(len(key))]
            np.save(target, np.stack(found))
        out.append(np.load(target))
    return np.concatenate(out)


def rows_of(folders: list[Path]) -> list[dict[str, Any]]:
    """The rows of all copies that were decoded."""
    rows: list[dict[str, Any]] = []
    for folder in folders:
        for row in json.loads((folder / "rows.json").read_text(encoding="utf-8")):
            if not row["error"]:
                rows.append({**row, "content": folder.name, "number": len(rows)})
    return rows


@dataclass(frozen=True)
class Encoded:
    """All copies, and what the encoders say of them.

    Attributes:
        clips: The copies.
        parts: Features float32 [V, D] by the name of a block, or of a network's file.
        groups: Length and weight of the groups of each.
        opinions: Experts' opinions [V, 4] by the name of a network's file.
    """

    clips: Clips
    parts: dict[str, np.ndarray]
    groups: dict[str, list[tuple[int, float]]]
    opinions: dict[str, np.ndarray]


def encoded(folders: list[Path], networks: list[Path]) -> Encoded:
    """Look at the copies in some folders with all blocks but the network's, and with some networks."""
    parts, groups, opinions = {}, {}, {}
    for block in (block for block in BLOCKS if block.network != "degradation"):
        parts[block.name] = features(
            folders, block.name, lambda key, luma, fps, b=block: b.compute(Views(key, luma, fps, pyramid()))
        )
        groups[block.name] = [(size, block.weight) for size in block.groups]
    for file in networks:
        network = DegradationNetwork()
        network.load_state_dict(load_file(file))
        plain = folded(network)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:10]
        both = features(folders, digest, lambda key, _luma, _fps, n=plain: seen(n, key))
        parts[file.stem], opinions[file.stem] = both[:, : -len(EXPERTS)], both[:, -len(EXPERTS) :]
        groups[file.stem] = [(both.shape[1] - len(EXPERTS), 1.0)]
    rows = rows_of(folders)
    return Encoded(Clips(rows, np.zeros((len(rows), 1)), parts["freeze"]), parts, groups, opinions)


@dataclass(frozen=True)
class Head:
    """A head: its blocks, the network that labels pairs across contents for it, and whether it has a content map."""

    title: str
    names: tuple[str, ...]
    prior: str = ""
    content: bool = False


def heads_of(networks: Iterable[str]) -> Iterator[Head]:
    """The rows of the table."""
    before = ("native", "half", "quarter", "freeze")
    yield Head("the blocks of detail and freeze", before, content=True)
    yield Head("without the content map", before)
    for name in networks:
        every = (name, *before, "shake")
        yield Head(f"{name} and shake beside them, as the program is", every, content=True)
        yield Head("and pairs across contents", every, name, content=True)
        yield Head("without the content map", every, name)
        yield Head("without the blocks of detail", (name, "freeze", "shake"), name)


def measured(data: Encoded, chosen: Head, train_on: list[str], tests: list[Row], seed: int) -> tuple[float, float]:
    """Train a head on some contents; its figures on the tests."""
    matrix = np.concatenate([data.parts[name] for name in chosen.names], axis=1).astype(np.float32)
    coarse = slice(0)
    if chosen.content:
        ends = np.cumsum([0, *(data.parts[name].shape[1] for name in chosen.names)])
        place = chosen.names.index("quarter")
        coarse = slice(ends[place], ends[place + 1])
    head = ComparisonHead([group for name in chosen.names for group in data.groups[name]], coarse=coarse)
    pairs = pairs_of(data.clips, train_on, VARIANTS[0], PRESET.training, seed)
    if chosen.prior:
        used = np.unique(np.concatenate([pairs.first, pairs.second]))
        opinion = data.opinions[chosen.prior][used].mean(axis=1)
        pairs = pairs.beside(prior_pairs(opinion, round(SHARE * len(pairs)), PRIOR, seed), used)
    train(head, matrix, pairs, PRESET.training, seed)
    with torch.inference_mode():
        quality = head.quality(torch.from_numpy(matrix)).numpy()
    return figures(quality[[row["number"] for row in tests]], tests)


def main() -> None:
    """Make what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--train", nargs="+", type=Path, required=True)
    parser.add_argument("--test", nargs="+", type=Path, required=True)
    parser.add_argument("--network", nargs="*", type=Path, default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    trained, tested = (folders_of(clips, WINDOW, options.cache) for clips in (options.train, options.test))
    make_all(options.train, trained, WINDOW, options.processes, Keeping(pictures, ("both", "train"), SPEC))
    make_all(options.test, tested, WINDOW, options.processes, Keeping(pictures, ("both", "test"), SPEC))
    trained, tested = ([f for f in part if (f / "rows.json").exists()] for part in (trained, tested))
    data = encoded(trained + tested, options.network)
    train_on, test_on = ([folder.name for folder in part] for part in (trained, tested))
    tests = test_rows(data.clips, test_on)
    print(f"{len(train_on)} clips to train on, {len(tests)} test copies of {len(test_on)} clips")
    numbers = [row["number"] for row in tests]
    for name, values in data.opinions.items():
        for k, expert in enumerate(EXPERTS):
            print(f"| {name}: its opinion as {expert} | {cell(figures(values[numbers, k], tests))} |")
        print(f"| {name}: mean opinion | {cell(figures(values[numbers].mean(axis=1), tests))} |", flush=True)
    for chosen in heads_of(data.opinions):
        found = [measured(data, chosen, train_on, tests, seed) for seed in range(options.seeds)]
        each = ", ".join(cell(one) for one in found)
        print(f"| {chosen.title} | {cell(np.mean(found, axis=0))} | {each} |", flush=True)


def cell(values: Any) -> str:
    """Within and overall."""
    return f"{values[0]:.3f} / {values[1]:.3f}"


if __name__ == "__main__":
    main()
