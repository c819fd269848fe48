"""What the labels of a second round are worth, and what the round would earn with right ones.

    python benchmarks/later_rounds.py RUN [--train] [--seeds 0 1]

RUN is a finished run of two or three rounds whose pool has degraded copies. First, for the real pairs of each origin, who says
what: the teachers, the student of round 1 by its scores (as `pairs.relabel` has it) and by its answer. A label is right if it is on
the side of the difference of VMAF v0.6.1, each copy against its own undistorted window; pairs nearer than five points, and windows
that are not copies among themselves, are left out. `news` is the mean cross-entropy of the first student's answer with the label:
what the label can still teach it.

With `--train` (a language-model student) the checkpoint is trained again on round 1 and on round 2, with the run's settings, with
the labels as they are and with those of VMAF on the real pairs (`level_labels`), in this process: plain AdamW, no Ray. Figures are
those of the run's benchmarks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.media.views import SampleSpec
from actors.sample import Sampler
from pipeline.corpus.members import pool
from pipeline.corpus.proxies import PAIR_GAP, figures, items
from pipeline.look.look import encode_options
from pipeline.method.labels import level_labels
from pipeline.method.scale import anchor_matrix, anchor_pairs
from pipeline.opinions import label_rule
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import ENSEMBLE, PAIRS
from pipeline.run_folder.store import read_table
from pipeline.settings.config import Config, load
from pipeline.steps.pair import HOMOGENEOUS, student_quality
from pipeline.steps.train import counted_as_first, job_of
from pipeline.student.folder import Anchors, read_anchors
from trainers.batches import Pairs, PairSampler, read_encoded, read_pairs
from trainers.examples import SequenceExamples
from trainers.levels import SIMILAR, at_least, level_indices
from trainers.loop import learning_rate
from trainers.student.base import Student
from trainers.student.table import build_student, load_student

Row = dict[str, Any]


def vmaf_of_pool(config: Config, layout: RunLayout) -> dict[str, float]:
    """VMAF of each degraded copy of the pool against its window; 100 of a window itself."""
    sampler = Sampler(SampleSpec(1, 1), encode_options(config), measure_vmaf=True)
    known = {}
    for row in pool(layout):
        known[row["video_id"]] = 100.0 if not row["copy"] else float(sampler(row)["vmaf"])
    sampler.close()
    return known


def real_pairs(layout: RunLayout, number: int) -> list[Row]:
    """The homogeneous pairs of a round."""
    rows = read_table(layout.pairs(number), PAIRS).to_pylist()
    return [row for row in rows if row["origin"] in HOMOGENEOUS]


def answers(student: Student, layout: RunLayout, rows: Sequence[Row]) -> np.ndarray:
    """Logits [P, 5] of a student."""
    encoded = read_encoded(student.name, layout.features)
    first, second = (encoded.take([row[side] for row in rows]) for side in ("first", "second"))
    return student.compare_all(first, second)


def labels_report(config: Config, layout: RunLayout, vmaf: dict[str, float]) -> None:
    """Print what each judge says of the real pairs of round 2."""
    rows = real_pairs(layout, 2)
    teachers = {r["video_id"]: (r["mean"], r["variance"]) for r in read_table(layout.ensemble, ENSEMBLE).to_pylist()}
    quality = student_quality(layout, 1, teachers, config.pairs.student_variance)
    sure = student_quality(layout, 1, teachers, 0.1)
    rule = label_rule(config, layout)
    logits = answers(load_student(layout.student(1)), layout, rows)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    copy = {row["video_id"]: bool(row["copy"]) for row in pool(layout)}
    gap = np.array([vmaf[row["second"]] - vmaf[row["first"]] for row in rows])
    asked = (np.abs(gap) >= PAIR_GAP) & np.array([copy[row["first"]] or copy[row["second"]] for row in rows])

    def ruled(known: dict[str, tuple[float, float]]) -> np.ndarray:
        a, b = (np.array([known[row[side]] for row in rows]) for side in ("first", "second"))
        return np.asarray(rule(a[:, 0], a[:, 1], b[:, 0], b[:, 1])[0])

    judges = {
        "teachers": ruled(teachers),
        "student, scores": ruled(quality),
        "student, scores, a tenth of the variance": ruled(sure),
        "student, answer": logits.argmax(axis=1),
        "labels of the round": level_indices([row["label"] for row in rows]),
    }
    print("origin, judge: pairs, not similar, of these with a known order, of these right, news")
    for origin in HOMOGENEOUS:
        of = np.array([row["origin"] == origin for row in rows])
        for name, label in judges.items():
            said = of & (label != SIMILAR)
            known = said & asked
            right = np.sign(label - SIMILAR) == np.sign(gap)
            news = -log_p[np.arange(len(rows)), label][of].mean() if of.any() else float("nan")
            share = right[known].mean() if known.any() else float("nan")
            print(f"{origin}, {name}: {of.sum()}, {said.sum()}, {known.sum()}, {share:.3f}, {news:.3f}", flush=True)


def trained(config: Config, layout: RunLayout, number: int, pairs: Pairs, seed: int) -> Student:
    """The checkpoint, trained on pairs with the settings of a round."""
    job = replace(job_of(config, layout, number, "again"), seed=seed)
    if counted_as_first(config, number):
        job = replace(job, epoch_pairs=read_table(layout.pairs(1), PAIRS).num_rows)
    torch.manual_seed(seed)
    student = build_student(job.student, job.student_options)
    network: Any = student.trained_module().train()
    store = read_encoded(job.student, layout.features)
    examples = SequenceExamples(store)
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    groups = [{"params": [p], "share": student.rate_of(name)} for name, p in parameters.items()]
    optimizer = torch.optim.AdamW(groups, lr=job.settings.lr, weight_decay=job.settings.weight_decay)
    lengths = store.tokens[pairs.first] + store.tokens[pairs.second]
    sampler = PairSampler(pairs.weight, job.settings.batch_size, 1, 0, seed, lengths)
    steps = job.steps(len(pairs))
    for step in range(steps):
        part = sampler.batch(step)
        label = pairs.label[part.index]
        accepted = None
        if job.settings.severity == "censored":
            only = np.arange(5)[None, :] == label[:, None]
            accepted = torch.from_numpy(np.where(pairs.synthetic[part.index][:, None], at_least(label), only))
        terms = examples.terms(
            network, pairs, part.index, step / steps, lambda_=job.settings.lambda_, accepted=accepted, average=None,
            weights=torch.from_numpy(part.weight), normaliser=part.total_weight, differences=None,
        )  # fmt: skip
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(job, step, steps) * group["share"]
        optimizer.zero_grad()
        terms.total.backward()
        nn.utils.clip_grad_norm_(parameters.values(), job.clip_norm)
        optimizer.step()
    return student.eval()


def evaluated(config: Config, layout: RunLayout, student: Student) -> str:
    """SRCC of a student on the benchmarks of the run, scored against the run's anchors."""
    store = read_encoded(student.name, layout.features)
    tests = read_encoded(student.name, layout.benchmark_features)
    known = read_anchors(layout.student(1))
    shown = store.take(list(known.ids))[:]
    places = anchor_pairs(len(known.ids))
    among = student.compare_all(*(shown[[pair[k] for pair in places]] for k in (0, 1)))
    matrix = anchor_matrix(among, config.scoring.anchor_temperature)
    anchors = Anchors(shown, matrix, known.scores, known.ids, known.temperature)
    said = []
    for suite in ("unseen", "seen"):
        rows = items(layout, suite)
        raw = anchors.raw(student.against_anchors(shown, tests.take([row["video_id"] for row in rows])))
        found = figures(raw, rows)
        said.append(f"{suite} within source {found['within']:.3f}, all copies {found['srcc']:.3f}")
    return "; ".join(said)


def right_labels(pairs: Pairs, rows: Sequence[Row], vmaf: dict[str, float]) -> Pairs:
    """The pairs with VMAF's levels on the real ones."""
    real = np.array([row["origin"] in HOMOGENEOUS for row in rows])
    first, second = ([vmaf.get(row[side], 0.0) for row in rows] for side in ("first", "second"))
    label = np.where(real, level_labels(first, second, 0.0, 100.0)[0], pairs.label)
    return replace(pairs, label=label)


def main() -> None:
    """Print the labels' worth; train if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    torch.set_num_threads(1)
    layout = RunLayout(options.run)
    config = load(file=options.run / "config.yaml")
    vmaf = vmaf_of_pool(config, layout)
    labels_report(config, layout, vmaf)
    if not options.train:
        return
    store = read_encoded(config.student.name, layout.features)
    variants: dict[str, tuple[int, Callable[[Pairs, Sequence[Row]], Pairs]]] = {
        "round 2": (2, lambda pairs, _: pairs),
        "round 2, right labels": (2, lambda pairs, rows: right_labels(pairs, rows, vmaf)),
        "round 1": (1, lambda pairs, _: pairs),
        "round 1, right labels": (1, lambda pairs, rows: right_labels(pairs, rows, vmaf)),
    }
    for seed in options.seeds:
        for name, (number, change) in variants.items():
            settings = config.training
            given = read_pairs(layout.pairs(number), store, settings.origin_weights, settings.type_weights)
            rows = read_table(layout.pairs(number), PAIRS).to_pylist()
            student = trained(config, layout, number, change(given, rows), seed)
            print(f"seed {seed}, {name}: {evaluated(config, layout, student)}", flush=True)


if __name__ == "__main__":
    main()
