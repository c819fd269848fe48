"""Train a small language-model student from nothing on severity pairs, and write it as a checkpoint that a run takes.

    python benchmarks/learning_student.py OUT [--videos FOLDER] [--clips 60] [--steps 2500] [--seed 1000]
    python run.py ... --set student.name=llava --set student.options.checkpoint=OUT

The network is the published one (LLaVA-OneVision with the motion branch) with a tower and a language model of a few hundred
thousand weights in place of billions; all of it learns, but for SlowFast. Sources are clips rendered with a seed that no run
should have, and the middle pictures of the videos of a folder. The picture of each is distorted by the project's own makers, by
the spatial kinds of training alone: codecs, shake and stutter, and all kinds of the unseen benchmark, are left for the run.
Pairs of two levels of one kind are labelled by severity. Beside the answer's loss an ordinal loss of a linear score of the mean
visual token helps the tower to begin; that score is thrown away.

Every sixth source is held out. Of these are printed: the share of pairs in the right order, the share with the right word, and the
mean SRCC of severity with the answers to (undistorted picture, copy), within one source and kind and within one source over all
kinds that lose fidelity.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.distortions.apply import ARRAY, Prepared, apply
from actors.distortions.table import suite
from actors.media.samples import picture
from actors.media.scenes import make_clip
from actors.media.views import SampleSpec
from pipeline.method.labels import severity_labels
from trainers.student.language.llava import LlavaStudent
from trainers.student.language.options import LlavaOptions
from trainers.student.language.packing import FEATURE
from trainers.student.language.seconds import Seconds

TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 2,
        "num_key_value_heads": 2, "vocab_size": 2048}  # fmt: skip
VISION = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3}
TONE = ("darken", "brighten")  # ordered by strength, but no loss of fidelity
KINDS = tuple(row for row in suite("train") if row.family == "spatial")
MADE = {"width": 320, "height": 240, "seconds": 1.0, "fps": 24.0}
HELD_OUT = 6  # every so many sources
GROUPS, EACH = 3, 3  # of a step: sources with a kind, pictures of each
VALUES = torch.arange(-2.0, 3.0)


@dataclass(frozen=True)
class Pictures:
    """Distorted pictures uint8 [S, K + 1, N, N, 3] of S sources: the undistorted one, then every level of every kind."""

    shown: np.ndarray
    kind: np.ndarray  # of each place, -1 for the undistorted picture
    level: np.ndarray

    def group(self, kind: int) -> np.ndarray:
        """Places of a kind's levels, from the undistorted picture on."""
        return np.flatnonzero((self.kind == kind) | (self.kind < 0))


def plan() -> tuple[np.ndarray, np.ndarray]:
    """Kind and level of each place."""
    places = [(-1, 0)] + [(k, level) for k, row in enumerate(KINDS) for level in range(1, len(row.levels) + 1)]
    kind, level = np.array(places).T
    return kind, level


def copies(file: Path, seed: int, folder: Path) -> np.ndarray:
    """The student's picture of the middle frame of a video, and of its distorted copies."""
    spec = SampleSpec(key_frames=1, motion_frames=1, views=("student_frames",))
    prepared = Prepared(frames=folder / "frame.rgb")
    target = folder / f"copy{ARRAY}"
    rows = []
    for kind, level in zip(*plan(), strict=True):
        name = KINDS[kind].name
        apply(name, int(level), file, 0.0, 0.0, target, seed, still=True, prepared=prepared)
        rows.append(picture(np.load(target), spec).views["student_frames"][0])
    (folder / "frame.rgb").unlink()
    return np.stack(rows)


def make(videos: list[Path], clips: int, seed: int) -> Pictures:
    """Render clips, distort a picture of each source; the order of the sources is a seeded one."""
    parts = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index in range(clips):
            made = folder / f"made-{index:03d}.mp4"
            make_clip(index, seed, made, *MADE.values())
            videos = [*videos, made]
        for number, file in enumerate(videos):
            parts.append(copies(file, seed + number, folder))
            if (number + 1) % 20 == 0:
                print(f"{number + 1} of {len(videos)} sources", flush=True)
    order = np.random.default_rng(seed).permutation(len(parts))
    return Pictures(np.stack([parts[k] for k in order]), *plan())


def still(shown: np.ndarray, flip: bool = False) -> Seconds:
    """A picture as the network takes a still: no motion."""
    pixels = np.array(shown[None, :, ::-1] if flip else shown[None])
    return Seconds(torch.from_numpy(pixels), torch.zeros(1, FEATURE))


def batch(
    pictures: Pictures, sources: np.ndarray, random: np.random.Generator
) -> tuple[list[Seconds], list[tuple[int, int]], np.ndarray]:
    """Pictures of a few sources, each with one kind; pairs of them in random order; their labels."""
    videos: list[Seconds] = []
    pairs: list[tuple[int, int]] = []
    levels: list[int] = []
    weights = np.array([0.25 if row.name in TONE else 1.0 for row in KINDS])
    for source in random.choice(sources, GROUPS, replace=False):
        places = pictures.group(int(random.choice(len(KINDS), p=weights / weights.sum())))
        chosen = random.choice(places, EACH, replace=False)
        flip = bool(random.random() < 0.5)
        base = len(videos)
        videos += [still(pictures.shown[source, place], flip) for place in chosen]
        levels += [int(pictures.level[place]) for place in chosen]
        for a, b in combinations(range(base, base + EACH), 2):
            pairs.append((a, b) if random.random() < 0.5 else (b, a))
    first, second = np.array(pairs).T
    of = np.array(levels)
    return videos, pairs, severity_labels(of[first], of[second])


@torch.no_grad()
def check(student: LlavaStudent, pictures: Pictures, sources: np.ndarray) -> str:
    """The figures of the held-out sources."""
    student.eval()
    random = np.random.default_rng(0)
    right, words, by_kind, by_source = [], [], [], []
    for source in sources:
        videos = [still(shown) for shown in pictures.shown[source]]
        distorted = np.arange(1, len(videos))
        pairs = [(0, int(k)) for k in distorted]
        for kind in range(len(KINDS)):
            places = pictures.group(kind)
            pairs += [tuple(map(int, random.choice(places, 2, replace=False))) for _ in range(5)]
        first, second = np.array(pairs).T
        label = severity_labels(pictures.level[first], pictures.level[second])
        p = student.network(videos, pairs).softmax(dim=-1)
        said = (p @ VALUES).numpy()
        asked = slice(len(distorted), None)
        right += list((np.sign(said) == np.sign(label - 2))[asked])
        words += list((p.argmax(dim=-1).numpy() == label)[asked])
        scores, levels, kinds = said[: len(distorted)], pictures.level[distorted], pictures.kind[distorted]
        by_kind += [spearmanr(scores[kinds == k], -levels[kinds == k]).statistic for k in range(len(KINDS))]
        fidelity = ~np.isin(kinds, [k for k, row in enumerate(KINDS) if row.name in TONE])
        by_source.append(spearmanr(scores[fidelity], -levels[fidelity]).statistic)
    student.train()
    return (
        f"held out: order {np.mean(right):.3f}, word {np.mean(words):.3f} of {len(right)} pairs, "
        f"SRCC within source and kind {np.nanmean(by_kind):.3f}, within source {np.nanmean(by_source):.3f}"
    )


def train(
    student: LlavaStudent, pictures: Pictures, steps: int, minutes: float, rate: float, seed: int, out: Path
) -> None:
    """Train with a warm-up and a cosine to the last step or minute; saves after every check."""
    random = np.random.default_rng([seed, 1])
    torch.manual_seed(seed)
    every = np.arange(len(pictures.shown))
    held, learnt = every[::HELD_OUT], np.setdiff1d(every, every[::HELD_OUT])
    network = student.network.train()
    score = nn.Linear(TEXT["hidden_size"], 1)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW([*parameters, *score.parameters()], lr=rate, weight_decay=0.01)
    size = sum(p.numel() for p in parameters)
    print(f"{size} weights learn; {len(learnt)} sources, {len(held)} held out", flush=True)
    print(check(student, pictures, held[:12]), flush=True)
    began, step, done = time.time(), 0, 0.0
    losses: list[list[float]] = []
    checked = 0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * done))
        videos, pairs, label = batch(pictures, learnt, random)
        visual = network.visual(videos)  # once for both losses
        ends = [network.prompt.answered(int(one)) for one in label]
        rows = [network.sequence(visual[a], visual[b], end) for (a, b), end in zip(pairs, ends, strict=True)]
        states = [state[: len(row) - 1] for state, row in zip(network.decode(rows), rows, strict=True)]
        lost = network.losses(states, torch.from_numpy(label), None)
        linear = score(torch.stack([tokens.mean(dim=0) for tokens in visual]))[:, 0]
        first, second = torch.tensor(pairs).T
        side = torch.from_numpy(np.sign(label - 2)).float()
        ordinal = functional.softplus(-side * (linear[second] - linear[first])).mean()
        optimizer.zero_grad()
        ((lost.word_loss + lost.cross_entropy).mean() + ordinal).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append([lost.word_loss.mean().item(), ordinal.item()])
        step += 1
        spent = (time.time() - began) / 60
        done = max(step / steps, spent / minutes)
        if step % 100 == 0:
            word, other = np.mean(losses[-100:], axis=0)
            print(f"{spent:.1f} min, step {step}, word {word:.3f}, ordinal {other:.3f}", flush=True)
        if int(done * 6) > checked or done >= 1:
            checked = int(done * 6)
            print(f"step {step}: {check(student, pictures, held if done >= 1 else held[:12])}", flush=True)
            student.save(out)


def main() -> None:
    """Make the pictures, train, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--videos", type=Path, help="folder of videos, whose middle pictures are further sources")
    parser.add_argument("--clips", type=int, default=60, help="rendered clips")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--minutes", type=float, default=math.inf, help="end earlier than the steps")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--pictures", type=Path, help="file of the pictures, to be made once")
    parser.add_argument("--start-from", type=Path, help="checkpoint of a training before")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.pictures and options.pictures.exists():
        pictures = Pictures(np.load(options.pictures, mmap_mode="r"), *plan())
    else:
        videos = sorted(options.videos.glob("*.mp4")) if options.videos else []
        pictures = make(videos, options.clips, options.seed)
        if options.pictures:
            np.save(options.pictures, pictures.shown)
    start = {"checkpoint": str(options.start_from)} if options.start_from else {"shrunk": True}
    student = LlavaStudent(LlavaOptions(**start, text=TEXT, vision=VISION, trained="full", checkpointing=False))
    train(student, pictures, options.steps, options.minutes, options.rate, options.seed, options.out)


if __name__ == "__main__":
    main()
