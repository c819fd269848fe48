"""The encoder's development suite: heads on different encoders, trained on some photographs' clips and tested on others'.

    python benchmarks/encoder/protocol.py CACHE --train CLIP... --test CLIP... [--network FILE...] [--processes 2]
    python benchmarks/encoder/protocol.py CACHE --folds 3 --train CLIP... [--network FILE...] [--teachers [NAME...]]

Copies are made as for `benchmarks/development.py`: the training simulators for the clips of `--train`, the fourteen distortions of
neither benchmark for those of `--test`, with VMAF v0.6.1 as the label. With `--folds` the clips of `--train` have both, and every
fold is tested by heads that were trained on the others. The pictures are kept in CACHE, so that any encoder can look at them.
Printed for each head: SRCC within a source and overall, and the same of the network's own opinion. `--teachers` adds heads that
also learn pairs across contents labelled by some teachers (those of the presets), and says how good the teachers are.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from development_copies import Keeping, Window, folders_of, make_all
from development_heads import PRESET, VARIANTS, Clips, Row, figures, pairs_of, test_rows, train
from network import DegradationNetwork, folded

from actors.media.views import Sample, SampleSpec
from actors.teachers import load_teacher
from actors.teachers.base import Teacher
from pipeline.corpus.rules import shuffled
from pipeline.method.labels import SIMILAR, ensemble_labels
from pipeline.settings.sections import DEFAULT_TEACHERS
from trainers.batches import Pairs
from trainers.student.base import OwnPairs
from trainers.student.lite.degradation import EXPERTS
from trainers.student.lite.features import BLOCKS, Views
from trainers.student.lite.head import ComparisonHead
from trainers.student.lite.naturalness import MODEL, Naturalness
from trainers.student.lite.network import Network
from trainers.student.lite.options import LiteOptions
from trainers.student.lite.prior import SHARE, prior_pairs
from trainers.student.lite.pyramid import GRAPH

SPEC = SampleSpec(key_frames=1, motion_frames=48)


def pictures(sample: Sample) -> dict[str, np.ndarray]:
    """What an encoder may look at."""
    luma = np.zeros((WINDOW_FRAMES, *sample.luma.shape[1:]), np.uint8)
    luma[: len(sample.luma)] = sample.luma[:WINDOW_FRAMES]
    return {"key": sample.key, "luma": luma, "count": np.array([min(len(sample.luma), WINDOW_FRAMES), sample.fps])}


WINDOW_FRAMES = 16
PRIOR = 0.3  # weight of pairs across contents
POOL = 5  # distorted copies of a content beside its undistorted one, of which the teachers' pairs are made
DECISIVE = 84  # teachers' pairs that are left in a run of 45 clips


@functools.lru_cache(maxsize=1)
def models() -> tuple[Network, None, Naturalness]:
    """What the blocks need beside the network that is tried: ImageNet, and the model of pristine pictures."""
    return Network(GRAPH, GRAPH.weights()), None, Naturalness(MODEL.weights())


def grey(key: np.ndarray) -> torch.Tensor:
    """Luma 16..235 of frame pairs, float [S, 2, H, W] from RGB uint8 [S, 2, H, W, 3]."""
    weights = np.array([0.299, 0.587, 0.114], np.float32) * np.float32(219 / 255)
    return torch.from_numpy(key.astype(np.float32) @ weights + 16)


@torch.inference_mode()
def seen(network: DegradationNetwork, key: np.ndarray) -> np.ndarray:
    """Pooled features and opinions float32 [C + 4]."""
    pooled, opinions = network(grey(key).contiguous(memory_format=torch.channels_last))
    return torch.cat([pooled, opinions], dim=1).mean(dim=0).numpy()


def features(
    folders: list[Path], name: str, look: Callable[[np.ndarray, np.ndarray, float], np.ndarray | float]
) -> np.ndarray:
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
        taught: Scores of the teachers that were asked, higher is better [V, T].
    """

    clips: Clips
    parts: dict[str, np.ndarray]
    groups: dict[str, list[tuple[int, float]]]
    opinions: dict[str, np.ndarray]
    taught: np.ndarray


def goodness(teacher: Teacher, key: np.ndarray, luma: np.ndarray, fps: float) -> float:
    """What a teacher says of a copy, higher is better."""
    return teacher.score(Sample(key, luma, fps)) * (1 if teacher.higher_is_better else -1)


def encoded(folders: list[Path], networks: list[Path], teachers: Sequence[str]) -> Encoded:
    """Look at the copies in some folders with all blocks but the network's, with some networks, and ask some teachers."""
    parts, groups, opinions = {}, {}, {}
    weight = next(block.weight for block in BLOCKS if block.model == "degradation")
    for block in (block for block in BLOCKS if block.model != "degradation"):
        parts[block.name] = features(
            folders, block.name, lambda key, luma, fps, b=block: b.compute(Views(key, luma, fps, *models()))
        )
        groups[block.name] = [(size, block.weight) for size in block.groups]
    for file in networks:
        network = DegradationNetwork()
        network.load_state_dict(load_file(file))
        plain = folded(network)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:10]
        both = features(folders, digest, lambda key, _luma, _fps, n=plain: seen(n, key))
        parts[file.stem], opinions[file.stem] = both[:, : -len(EXPERTS)], both[:, -len(EXPERTS) :]
        groups[file.stem] = [(both.shape[1] - len(EXPERTS), weight)]
    rows = rows_of(folders)
    asked = [features(folders, f"teacher-{name}", functools.partial(goodness, load_teacher(name))) for name in teachers]
    taught = np.stack(asked, axis=1) if asked else np.zeros((len(rows), 0))
    return Encoded(Clips(rows, np.zeros((len(rows), 1)), parts["freeze"]), parts, groups, opinions, taught)


@dataclass(frozen=True)
class Head:
    """A head.

    Attributes:
        title: In the table.
        names: Of its blocks.
        content: Whether it has a content map.
        prior: The network that labels pairs across contents for it.
        taught: Weight of the teachers' pairs; 0 for none.
        weights: Of blocks, where they differ from the program's.
        dropout: Of its features.
        training: Settings of the training that differ from the preset's.
    """

    title: str
    names: tuple[str, ...]
    content: bool = False
    prior: str = ""
    taught: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    dropout: float = LiteOptions().dropout
    training: Mapping[str, Any] = field(default_factory=dict)


def heads_of(networks: Iterable[str], teachers: bool) -> Iterator[Head]:
    """The rows of the table."""
    before = ("native", "half", "quarter", "freeze")
    yield Head("the blocks of detail and freeze", before, content=True)
    for name in networks:
        every = (name, *before, "shake")
        equal = {name: 1.0, "shake": 1.0}
        whole = Head(f"{name} and shake beside them", every, content=True)
        yield whole
        yield replace(whole, title="and naturalness, as the program is", names=(*every, "naturalness"))
        yield replace(whole, title="both with full weight", weights=equal)
        yield replace(whole, title="both with full weight, dropout .1", weights=equal, dropout=0.1)
        yield replace(whole, title=f"{name} with half its weight", weights={name: 0.5})
        yield replace(whole, title="and pairs across contents", prior=name)
        yield replace(whole, title="without the content map", content=False)
        yield replace(whole, title="without the blocks of detail", names=(name, "freeze", "shake"), content=False)
        for weight in (0.1, 0.3) if teachers else ():
            yield replace(whole, title=f"and the teachers' pairs with weight {weight}", taught=weight)


def built(
    chosen: Head, parts: Mapping[str, np.ndarray], groups: Mapping[str, Any]
) -> tuple[ComparisonHead, np.ndarray]:
    """An untrained head, and the features float32 [V, D] that it takes."""
    matrix = np.concatenate([parts[name] for name in chosen.names], axis=1).astype(np.float32)
    coarse = slice(0)
    if chosen.content:
        ends = np.cumsum([0, *(parts[name].shape[1] for name in chosen.names)])
        place = chosen.names.index("quarter")
        coarse = slice(ends[place], ends[place + 1])
    lengths = [(size, chosen.weights.get(name, weight)) for name in chosen.names for size, weight in groups[name]]
    return ComparisonHead(lengths, coarse=coarse, dropout=chosen.dropout), matrix


def measured(data: Encoded, chosen: Head, train_on: list[str], tests: list[Row], seed: int) -> tuple[float, float]:
    """Train a head on some contents; its figures on the tests."""
    head, matrix = built(chosen, data.parts, data.groups)
    settings = PRESET.training.changed(**chosen.training)
    pairs = pairs_of(data.clips, train_on, VARIANTS[0], settings, seed)
    if chosen.prior:
        pairs = with_prior(pairs, data.opinions[chosen.prior].mean(axis=1), seed)
    if chosen.taught:
        pairs = pairs.beside(taught(data, train_on, chosen.taught, seed), np.arange(len(matrix)))
    train(head, matrix, pairs, settings, seed)
    quality = qualities(head, matrix)
    return figures(quality[[row["number"] for row in tests]], tests)


@torch.inference_mode()
def qualities(head: ComparisonHead, matrix: np.ndarray) -> np.ndarray:
    """What a head says of features [V, D]."""
    return head.quality(torch.from_numpy(matrix)).numpy()


def with_prior(pairs: Pairs, opinion: np.ndarray, seed: int) -> Pairs:
    """Pairs, and those of their videos that a network's opinions [V] label."""
    used = np.unique(np.concatenate([pairs.first, pairs.second]))
    return pairs.beside(prior_pairs(opinion[used], round(SHARE * len(pairs)), PRIOR, seed), used)


def taught(data: Encoded, contents: list[str], weight: float, seed: int) -> OwnPairs:
    """Decisive pairs of undistorted and distorted videos of any contents, as the teachers' ensemble labels them.

    The common scale of the teachers is that of their percentiles in this pool.
    """
    random = np.random.default_rng(seed)
    rows = [row for row in data.clips.rows if row["content"] in set(contents) and row["use"] != "test"]
    clean = [row["number"] for row in rows if row["use"] == "both"]
    copies = [row["number"] for row in rows if row["use"] == "train"]
    pool = np.concatenate([clean, random.choice(copies, POOL * len(clean), replace=False)])
    scores = 100 * np.argsort(np.argsort(data.taught[pool], axis=0), axis=0) / len(pool)
    mean, variance = scores.mean(axis=1), scores.var(axis=1) / scores.shape[1]
    first, second = random.integers(len(pool), size=(2, 20 * DECISIVE))
    label = ensemble_labels(mean[first], variance[first], mean[second], variance[second])[0]
    apart = np.flatnonzero(label != SIMILAR)[:DECISIVE]
    return OwnPairs(pool[first[apart]], pool[second[apart]], label[apart], np.full(len(apart), weight))


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the suite needs to know."""
    parser.add_argument("cache", type=Path)
    parser.add_argument("--train", nargs="+", type=Path, required=True)
    parser.add_argument("--test", nargs="+", type=Path, default=[])
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--network", nargs="*", type=Path, default=[])
    parser.add_argument("--teachers", nargs="*", help="names; without any, those of the presets")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each clip")
    parser.add_argument("--short-side", type=int, default=540, help="pixels, at most")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)


def main() -> None:
    """Make what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    options = parser.parse_args()
    if bool(options.test) == bool(options.folds):
        parser.error("give either --test or --folds")
    torch.set_num_threads(1)
    window = Window(options.seconds, options.short_side, 30.0)
    data, parts = prepared(options, window)
    every = test_rows(data.clips, [name for _, test in parts for name in test])
    print(
        f"{len(parts[0][0])} clips to train on, {len(every)} test copies of {len({r['content'] for r in every})} clips"
    )
    numbers = [row["number"] for row in every]
    for name, values in data.opinions.items():
        for k, expert in enumerate(EXPERTS):
            print(f"| {name}: its opinion as {expert} | {cell(figures(values[numbers, k], every))} |")
        print(f"| {name}: mean opinion | {cell(figures(values[numbers].mean(axis=1), every))} |", flush=True)
    for k, name in enumerate(asked(options)):
        print(f"| teacher {name} | {cell(figures(data.taught[numbers, k], every))} |", flush=True)
    for chosen in heads_of(data.opinions, bool(asked(options))):
        found = [
            measured(data, chosen, train_on, test_rows(data.clips, test), k) for k, (train_on, test) in enumerate(parts)
        ]
        each = ", ".join(cell(one) for one in found)
        print(f"| {chosen.title} | {cell(np.mean(found, axis=0))} | {each} |", flush=True)


def asked(options: argparse.Namespace) -> Sequence[str]:
    """The teachers that are wanted."""
    return () if options.teachers is None else options.teachers or DEFAULT_TEACHERS


def prepared(options: argparse.Namespace, window: Window) -> tuple[Encoded, list[tuple[list[str], list[str]]]]:
    """Make and look at what is missing; what to train on and what to test on, by the number of the seed."""
    uses = ("both", "train", "test") if options.folds else ("both", "train")
    trained = made(options.train, window, options.cache, uses, options.processes)
    tested = made(options.test, window, options.cache, ("both", "test"), options.processes)
    data = encoded(trained + tested, options.network, asked(options))
    names, others = ([folder.name for folder in part] for part in (trained, tested))
    if not options.folds:
        return data, [(names, others)] * options.seeds
    order = shuffled(names, 0, "folds")
    tests = [order[k :: options.folds] for k in range(options.folds)]
    return data, [([name for name in order if name not in set(test)], test) for test in tests]


def made(clips: list[Path], window: Window, cache: Path, uses: tuple[str, ...], processes: int) -> list[Path]:
    """The folders of the clips whose copies could be made."""
    folders = folders_of(clips, window, cache)
    make_all(clips, folders, window, processes, Keeping(pictures, uses, SPEC))
    return [folder for folder in folders if (folder / "rows.json").exists()]


def cell(values: Any) -> str:
    """Within and overall."""
    return f"{values[0]:.3f} / {values[1]:.3f}"


if __name__ == "__main__":
    main()
