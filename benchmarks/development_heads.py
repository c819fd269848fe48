"""Heads that are trained and tested on the copies of `development_copies`: what differs between them is a `Variant`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from development_copies import LAYERS, ORDERS, PRISTINE_STILL, SIZES
from encoder.efficientnet import channels_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.distortions.table import DISTORTIONS, FAMILIES, PRISTINE
from pipeline.corpus.rules import shuffled
from pipeline.method.labels import severity_labels
from pipeline.method.metrics import srcc, within_source_srcc
from pipeline.method.pairs import Copy, synthetic_pairs
from pipeline.settings.config import load, per_round
from trainers.batches import Pairs, PairSampler
from trainers.deepspeed import ADAM_BETAS, parameter_groups
from trainers.job import TrainJob
from trainers.levels import at_least
from trainers.loop import learning_rate
from trainers.losses import weak_to_strong_loss
from trainers.student.lite.content import RIDGE
from trainers.student.lite.features import BLOCKS
from trainers.student.lite.head import ComparisonHead
from trainers.student.lite.pyramid import CHANNELS

Row = dict[str, Any]
CHOSEN = LAYERS[: len(CHANNELS)]  # those of the program
PRESET = load("local", overrides=["corpus.videos=clips"])  # the clips are given to this program, not to a run
FREEZE = next(block for block in BLOCKS if block.name == "freeze")
FAR = 20.0  # VMAF points between two copies, for a label of two levels
NEAR = 5.0  # the least for a label at all
ACROSS = 300  # pairs across contents of the variant that has them
CANDIDATES = 200_000  # random pairs of copies, among which the pairs with VMAF as the label are the first that fit


@dataclass(frozen=True)
class Variant:
    """One way to build and train the head; the defaults are the program's (preset `local`).

    Attributes:
        title: In the table.
        order: Of the deviations.
        layers: Of the network.
        sizes: Weight of the native, the half and the quarter size; 0 leaves a size out.
        content: Whether what the content makes of the features is taken out.
        ridge: Of that map.
        oracle: Subtract the score of the undistorted original, which no student knows.
        sources: Training contents of each family of distortions.
        training: Settings of the training that differ from the preset's.
        pairs: "severity"; "across": with pairs of a worst copy and an undistorted video of another content; "vmaf within",
            "vmaf any": pairs of the test's own distortions on the training contents, with VMAF as the label.
    """

    title: str
    order: float = 8
    layers: tuple[int | str, ...] = CHOSEN
    sizes: tuple[float, float, float] = (1.0, 1.0, 1.0)
    content: bool = True
    ridge: float = RIDGE
    oracle: bool = False
    sources: int | None = None
    training: dict[str, Any] = field(default_factory=dict)
    pairs: str = "severity"


WIDE: tuple[int | str, ...] = ("stem", *range(9))
VARIANTS = (
    Variant("as the program trains"),
    Variant("without the content map", content=False),
    Variant("the map with a ridge of 3 in place of 30", ridge=3.0),
    Variant("the score of the undistorted original known and subtracted", oracle=True),
    Variant("order 2, stem and blocks 0-8, no map", order=2, layers=WIDE, content=False),
    Variant("order 8, stem and blocks 0-8, no map", layers=WIDE, content=False),
    Variant("order 2, stem and blocks 0-3, no map", order=2, content=False),
    Variant("largest departure, stem and blocks 0-3, no map", order=math.inf, content=False),
    Variant("native size alone, no map", sizes=(1, 0, 0), content=False),
    Variant("sizes weighted 2, .3, .3, no map", sizes=(2, 0.3, 0.3), content=False),
    Variant("five-way severity labels", training={"severity": "level"}),
    Variant("no confidence loss", training={"lambda": 0.0}),
    Variant("full weight for darkened and brightened copies", training={"type_weights": {}}),
    Variant("two contents of each family", sources=2),
    Variant("twenty contents of each family", sources=20),
    Variant("and 300 pairs across contents", pairs="across"),
    Variant("VMAF as label, pairs within a source", pairs="vmaf within"),
    Variant("VMAF as label, pairs of any two copies", pairs="vmaf any"),
)


@dataclass(frozen=True, eq=False)
class Clips:
    """All copies of all clips: rows, and what was computed of them by place."""

    rows: list[Row]
    deviations: np.ndarray  # float32 [V, sizes, orders, channels]
    freeze: np.ndarray  # float32 [V, 3]

    @property
    def contents(self) -> list[str]:
        """The clips."""
        return list(dict.fromkeys(row["content"] for row in self.rows))


def read(folders: Sequence[Path]) -> Clips:
    """What `development_copies.make` kept, without the copies that failed."""
    rows: list[Row] = []
    deviations, frozen = [], []
    for folder in folders:
        with np.load(folder / "features.npz") as kept:
            for row in json.loads((folder / "rows.json").read_text(encoding="utf-8")):
                if row["error"]:
                    continue
                rows.append({**row, "content": folder.name, "number": len(rows)})
                deviations.append(kept["deviations"][row["place"]])
                frozen.append(kept["freeze"][row["place"]])
    return Clips(rows, np.stack(deviations), np.stack(frozen))


def matrix(clips: Clips, variant: Variant) -> tuple[np.ndarray, list[tuple[int, float]], slice]:
    """Features float32 [V, D] of a variant, length and weight of their groups, and which tell the content."""
    ends = np.cumsum([0, *(channels_of(layer) for layer in LAYERS)])
    places = np.concatenate([np.arange(ends[k], ends[k + 1]) for k in map(LAYERS.index, variant.layers)])
    order = ORDERS.index(variant.order)
    parts, groups, coarse, length = [], [], slice(0), 0
    for k, weight in zip(range(len(SIZES)), variant.sizes, strict=True):
        if weight:
            parts.append(clips.deviations[:, k, order][:, places])
            groups += [(channels_of(layer), weight) for layer in variant.layers]
            if SIZES[k] == SIZES[-1] and variant.content:
                coarse = slice(length, length + places.size)
            length += places.size
    parts.append(clips.freeze)
    return np.concatenate(parts, axis=1), [*groups, *((size, FREEZE.weight) for size in FREEZE.groups)], coarse


def severity(clips: Clips, contents: Sequence[str], variant: Variant, seed: int) -> Iterator[tuple[int, int, int, str]]:
    """First and second copy, label and distortion of the severity pairs, chosen as the program chooses them."""
    counts, sources = per_round(PRESET.pairs.synthetic, 1), per_round(PRESET.distort.sources, 1)
    for family in FAMILIES:
        number = variant.sources or getattr(sources, family)
        chosen = set(shuffled(contents, seed, f"{family}-sources-1")[:number])
        copies = []
        for row in clips.rows:
            if row["content"] not in chosen or row["use"] == "test":
                continue
            if row["level"]:
                if DISTORTIONS[row["distortion"]].family == family:
                    copies.append(Copy(str(row["number"]), row["content"], row["distortion"], row["level"]))
                continue
            if (row["distortion"] == PRISTINE_STILL) != (family == "spatial"):
                continue
            types = [name for name in PRESET.distort.enabled if DISTORTIONS[name].family == family]
            copies += [Copy(f"{row['number']}", row["content"], name, 0) for name in types]
        for pair in synthetic_pairs(copies, getattr(counts, family), seed, include_pristine=True):
            label = int(severity_labels([pair.first.level], [pair.second.level])[0])
            yield int(pair.first.video_id), int(pair.second.video_id), label, pair.first.distortion


def across(clips: Clips, contents: Sequence[str], seed: int) -> Iterator[tuple[int, int, int, str]]:
    """A copy of the highest level against an undistorted clip of another content: superior by definition."""
    random = np.random.default_rng(seed)
    train = [row for row in clips.rows if row["content"] in set(contents) and row["use"] != "test"]
    worst = [
        row["number"]
        for row in train
        if row["distortion"] in DISTORTIONS and row["level"] == len(DISTORTIONS[row["distortion"]].levels)
    ]
    clean = [row["number"] for row in train if row["distortion"] == PRISTINE]
    for _ in range(ACROSS):
        bad, good = int(random.choice(worst)), int(random.choice(clean))
        if clips.rows[bad]["content"] != clips.rows[good]["content"]:
            yield bad, good, 4, ""


def by_vmaf(clips: Clips, contents: Sequence[str], seed: int, *, within: bool) -> Iterator[tuple[int, int, int, str]]:
    """As many pairs of test copies of the training contents as the program has severity pairs, with VMAF as the label."""
    rows = test_rows(clips, contents)
    label = np.array([row["vmaf"] for row in rows])
    content_of = np.array([row["content"] for row in rows])
    first, second = np.random.default_rng(seed).integers(len(rows), size=(2, CANDIDATES))
    gap = label[second] - label[first]
    counts = per_round(PRESET.pairs.synthetic, 1)
    count = sum(getattr(counts, family) for family in FAMILIES)
    fit = (np.abs(gap) >= NEAR) & ((content_of[first] == content_of[second]) | (not within))
    for a, b, between in list(zip(first[fit], second[fit], gap[fit], strict=True))[:count]:
        yield rows[a]["number"], rows[b]["number"], 2 + int(np.sign(between)) * (2 if abs(between) > FAR else 1), ""


def pairs_of(clips: Clips, contents: Sequence[str], variant: Variant, settings: Any, seed: int) -> Pairs:
    """The training pairs of a variant."""
    if variant.pairs.startswith("vmaf"):
        rows = list(by_vmaf(clips, contents, seed, within=variant.pairs.endswith("within")))
    else:
        rows = list(severity(clips, contents, variant, seed))
        rows += across(clips, contents, seed) if variant.pairs == "across" else []
    first, second, label = (np.array([row[k] for row in rows], np.int64) for k in range(3))
    weight = np.array([settings.type_weights.get(row[3], 1.0) for row in rows])
    content_of = np.array([row["content"] for row in clips.rows])
    same = content_of[first] == content_of[second]
    means = np.full(len(label), np.nan)  # no ensemble has labelled them
    return Pairs(first, second, label, (weight / weight.mean()).astype(np.float32), same, means)


def train(head: ComparisonHead, features: np.ndarray, pairs: Pairs, settings: Any, seed: int) -> None:
    """Train a head as `trainers.loop` does, in this process: the same order of pairs, loss, optimiser, rates and clipping."""
    torch.manual_seed(seed)
    used = np.unique(np.concatenate([pairs.first, pairs.second]))
    own = pairs.synthetic
    differences = features[pairs.second[own]] - features[pairs.first[own]]
    head.fit_normalisation(features[used], differences, pairs.weight[own])
    sampler = PairSampler(pairs.weight, settings.batch_size, 1, 0, seed)
    steps = sampler.steps_per_epoch * settings.epochs
    job = TrainJob("", "", "", "development", "", settings=settings, seed=seed)
    optimizer = torch.optim.AdamW(parameter_groups(head, settings.weight_decay), lr=settings.lr, betas=ADAM_BETAS)
    rows = torch.from_numpy(features)
    head.train()
    for step in range(steps):
        batch = sampler.batch(step)
        label = pairs.label[batch.index]
        right = at_least(label) if settings.severity == "censored" else np.eye(5, dtype=bool)[label]
        logits = head(rows[pairs.first[batch.index]], rows[pairs.second[batch.index]])
        loss = weak_to_strong_loss(
            logits,
            torch.from_numpy(label),
            step / steps,
            lambda_=settings.lambda_,
            weights=torch.from_numpy(batch.weight),
            normaliser=batch.total_weight,
            accepted=torch.from_numpy(right),
        )
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(job, step, steps)
        optimizer.zero_grad()
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), job.clip_norm)
        optimizer.step()
    head.eval()


def figures(scores: np.ndarray, rows: Sequence[Row]) -> tuple[float, float]:
    """Mean SRCC within a source, and SRCC over all copies."""
    labels = np.array([row["vmaf"] for row in rows])
    return within_source_srcc(scores, labels, [row["content"] for row in rows]).value, srcc(scores, labels)


def test_rows(clips: Clips, contents: Sequence[str]) -> list[Row]:
    """The test copies of some contents."""
    return [row for row in clips.rows if row["use"] == "test" and row["content"] in set(contents)]


def measure(
    clips: Clips, variant: Variant, trained: Sequence[str], tested: Sequence[str], seed: int
) -> tuple[float, float]:
    """Train a variant on some contents and return its figures on others."""
    features, groups, coarse = matrix(clips, variant)
    settings = PRESET.training.changed(**variant.training)
    head = ComparisonHead(groups, coarse=coarse)
    with patch("trainers.student.lite.content.RIDGE", variant.ridge):
        train(head, features, pairs_of(clips, trained, variant, settings, seed), settings, seed)
    with torch.inference_mode():
        quality = head.quality(torch.from_numpy(features)).numpy()
    rows = test_rows(clips, tested)
    scores = quality[[row["number"] for row in rows]]
    if variant.oracle:
        clean = {row["content"]: quality[row["number"]] for row in clips.rows if row["distortion"] == PRISTINE}
        scores = scores - np.array([clean[row["content"]] for row in rows])
    return figures(scores, rows)
