"""What the labels of a second round are worth, and what the round would earn with right ones.

    python benchmarks/later_rounds.py RUN [--train] [--seeds 0 1]

RUN is a finished run of two or three rounds whose pool has degraded copies. First, for the real pairs of each origin, who says
what: the teachers, the student of round 1 by its scores (as `pairs.relabel` has it) and by its answer. A label is right if it is on
the side of the difference of VMAF v0.6.1, each copy against its own undistorted window; pairs nearer than five points, and windows
that are not copies among themselves, are left out. `news` is the mean cross-entropy of the first student's answer with the label:
what the label can still teach it.

With `--train` the student is trained again from its base weights on round 1 and on round 2, with the run's settings, with
the labels as they are and with those of VMAF on the real pairs (`level_labels`), in this process: plain AdamW, no Ray. Figures are
those of the run's benchmarks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.media.views import SampleSpec
from actors.sample import Sampler
from pipeline.corpus.members import every_severity_pair, pool
from pipeline.corpus.proxies import PAIR_GAP, figures, items
from pipeline.look.look import encode_options
from pipeline.method.labels import level_labels
from pipeline.method.pairs import deduplicate
from pipeline.method.scale import anchor_matrix, anchor_pairs
from pipeline.opinions import label_rule
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import ENSEMBLE, PAIRS
from pipeline.run_folder.store import read_table, write_table
from pipeline.settings.config import Config, load
from pipeline.steps.pair import HOMOGENEOUS, severity_row, student_quality
from pipeline.steps.pair import _mined as mined_pairs
from pipeline.steps.train import counted_as_first, job_of
from pipeline.student.folder import Anchors, read_anchors
from trainers.batches import Features, Pairs, PairSampler, read_encoded, read_pairs
from trainers.examples import Examples, examples_of
from trainers.job import ProgressCallback, TrainJob
from trainers.levels import SIMILAR, at_least, level_names
from trainers.loop import _prepare_student as prepared_student
from trainers.loop import learning_rate
from trainers.settings import ORIGINS
from trainers.student.base import Student
from trainers.student.language.llava_network import LlavaNetwork
from trainers.student.table import load_student
from trainers.videos import VideoStore

Row = dict[str, Any]
MEASURES = ("unseen within source", "unseen all copies", "seen within source", "seen all copies")


def vmaf_of_pool(config: Config, layout: RunLayout) -> dict[str, float]:
    """VMAF of each degraded copy of the pool against its window; 100 of a window itself."""
    sampler = Sampler(SampleSpec(1, 1), encode_options(config), measure_vmaf=True)
    known = {}
    for row in pool(layout):
        known[row["video_id"]] = 100.0 if not row["copy"] else float(sampler(row)["vmaf"])
    sampler.close()
    return known


def real_pairs(layout: RunLayout) -> list[Row]:
    """The homogeneous pairs of round 1, and those that were mined for round 2, whether they are kept there or not."""
    rows = [*read_table(layout.pairs(1), PAIRS).to_pylist(), *mined_pairs(layout, 2)]
    return [row for row in rows if row["origin"] in HOMOGENEOUS]


def judges(config: Config, layout: RunLayout, rows: Sequence[Row], vmaf: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Labels [P] of real pairs by each judge, and the logits [P, 5] of the student of round 1 under "logits"."""
    teachers = {r["video_id"]: (r["mean"], r["variance"]) for r in read_table(layout.ensemble, ENSEMBLE).to_pylist()}
    rule = label_rule(config, layout)

    def ruled(known: Mapping[str, tuple[float, float]]) -> np.ndarray:
        a, b = (np.array([known[row[side]] for row in rows]) for side in ("first", "second"))
        return np.asarray(rule(a[:, 0], a[:, 1], b[:, 0], b[:, 1])[0])

    student = load_student(layout.student(1))
    encoded = read_encoded(student.name, layout.features)
    logits = student.compare_all(*(encoded.take([row[side] for row in rows]) for side in ("first", "second")))
    truth = {}
    if vmaf:
        first, second = ([vmaf[row[side]] for row in rows] for side in ("first", "second"))
        truth = {"VMAF": level_labels(first, second, 0.0, 100.0)[0]}
    return {
        "teachers": ruled(teachers),
        "student, scores": ruled(student_quality(layout, 1, teachers, config.pairs.student_variance)),
        "student, scores, a tenth of the variance": ruled(student_quality(layout, 1, teachers, 0.1)),
        "student, answer": logits.argmax(axis=1),
        "logits": logits,
        **truth,
    }


def labels_report(
    layout: RunLayout, rows: Sequence[Row], said: Mapping[str, np.ndarray], vmaf: Mapping[str, float]
) -> None:
    """Print what each judge says of real pairs."""
    logits = said["logits"]
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    copy = {row["video_id"]: bool(row["copy"]) for row in pool(layout)}
    gap = np.array([vmaf.get(row["second"], 0.0) - vmaf.get(row["first"], 0.0) for row in rows])
    asked = (np.abs(gap) >= PAIR_GAP) & np.array([copy[row["first"]] or copy[row["second"]] for row in rows])
    kept = Counter(row["origin"] for row in read_table(layout.pairs(2), PAIRS).to_pylist())
    print("round 2 has " + ", ".join(f"{count} {origin}" for origin, count in sorted(kept.items())))
    print("origin, judge: pairs, not similar, of these with a known order, of these right, news")
    for origin in HOMOGENEOUS:
        of = np.array([row["origin"] == origin for row in rows])
        for name, label in said.items():
            if name == "logits" or not of.any():
                continue
            sides = of & (label != SIMILAR)
            known = sides & asked
            right = np.sign(label - SIMILAR) == np.sign(gap)
            news = -log_p[np.arange(len(rows)), label][of].mean()
            share = right[known].mean() if known.any() else float("nan")
            print(f"{origin}, {name}: {of.sum()}, {sides.sum()}, {known.sum()}, {share:.3f}, {news:.3f}", flush=True)


def hold_tower() -> None:
    """Let every picture pass the vision tower of the student `llava` once, without a gradient."""
    known: dict[tuple[float, int], Tensor] = {}

    def vision(self: LlavaNetwork, frames: Tensor) -> Tensor:
        model = self.llava.model
        tower = model.vision_tower
        weights = float(tower.embeddings.patch_embedding.weight.detach().double().sum())
        keys = [(weights, hash(frame.numpy().tobytes())) for frame in frames]
        new = {key: frame for key, frame in zip(keys, frames, strict=True) if key not in known}
        if new:
            with torch.no_grad():
                shown = torch.stack(list(new.values()))
                patches = tower.encoder(inputs_embeds=tower.embeddings(shown)).last_hidden_state
            known.update(zip(new, patches, strict=True))
        pooled: Tensor = model.apply_pooling(model.multi_modal_projector(torch.stack([known[key] for key in keys])))
        return pooled

    LlavaNetwork.vision = vision  # type: ignore[method-assign]


class Plain:
    """A network in the place of an engine."""

    device = torch.device("cpu")

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, *given: Any) -> Any:
        """As of the network."""
        return self.module(*given)


def trained(config: Config, layout: RunLayout, number: int, pairs: Pairs, seed: int) -> Student:
    """A student, trained from the base weights on pairs with the settings of a round."""
    job = replace(job_of(config, layout, number, "again"), seed=seed)
    if counted_as_first(config, number):
        job = replace(job, epoch_pairs=read_table(layout.pairs(1), PAIRS).num_rows)
    return train_plainly(job, read_encoded(job.student, layout.features), pairs)[0]


def train_plainly(
    job: TrainJob, encoded: Features | VideoStore, pairs: Pairs, on_progress: ProgressCallback | None = None
) -> tuple[Student, dict[str, Any]]:
    """The training of `trainers.loop` by one worker in this process: the student, and what `trainers.launch.train` says of it."""
    settings = job.settings
    student = prepared_student(job, encoded, pairs)
    given, own = pairs, None
    if isinstance(encoded, Features):
        used = np.unique(np.concatenate([pairs.first, pairs.second]))
        own = student.own_pairs(encoded.matrix, used, len(pairs), job.seed)
        pairs = pairs if own is None else pairs.beside(own, used)
    engine = Plain(student.trained_module().train())
    examples = examples_of(encoded, engine.device)
    parameters = {name: p for name, p in engine.module.named_parameters() if p.requires_grad}
    groups = [{"params": [p], "share": student.rate_of(name)} for name, p in parameters.items()]
    optimizer = torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay)
    lengths = None if isinstance(encoded, Features) else encoded.tokens[pairs.first] + encoded.tokens[pairs.second]
    sampler = PairSampler(pairs.weight, settings.batch_size, 1, 0, job.seed, lengths)
    steps = job.steps(len(given), len(pairs) - len(given))
    records: list[dict[str, float]] = []
    for step in range(steps):
        part = sampler.batch(step)
        label = pairs.label[part.index]
        accepted = None
        if settings.severity == "censored":
            only = np.arange(5)[None, :] == label[:, None]
            accepted = torch.from_numpy(np.where(pairs.synthetic[part.index][:, None], at_least(label), only))
        terms = examples.terms(
            engine, pairs, part.index, step / steps, lambda_=settings.lambda_, accepted=accepted, average=lambda one: one,
            weights=torch.from_numpy(part.weight), normaliser=part.total_weight, differences=None,
            seeds=[(job.seed * 1_000_003 + step) * 1_009],
        )  # fmt: skip
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(job, step, steps) * group["share"]
        optimizer.zero_grad()
        terms.total.backward()
        nn.utils.clip_grad_norm_(parameters.values(), job.clip_norm)
        optimizer.step()
        values = {"ce": terms.cross_entropy, "entropy": terms.entropy, "lambda": terms.lambda_, "loss": terms.total}
        records.append({"step": step + 1, **{name: value.item() for name, value in values.items()}})
        if on_progress is not None:
            on_progress(step + 1, steps, records[-1])
    student.eval()
    accuracy, order = accuracies(engine, examples, given)
    facts = {
        "steps": steps,
        "pairs": len(given),
        "own_pairs": len(pairs) - len(given),
        "skipped_steps": 0,
        "loss": records,
    }
    return student, {**facts, "resumed_at": 0, "train_accuracy": accuracy, "order_accuracy": order}


@torch.no_grad()
def accuracies(engine: Plain, examples: Examples, pairs: Pairs) -> tuple[float, float]:
    """Share of pairs with the right level, and of unequal pairs in the right order."""
    judged = examples.judged(len(pairs))
    parts = np.array_split(judged, max(1, len(judged) // examples.chunk))
    p = torch.cat([examples.logits(engine, pairs, part).softmax(dim=-1) for part in parts]).numpy()
    label = pairs.label[judged]
    sides = np.sign(p @ np.arange(-2.0, 3.0)) == np.sign(label - SIMILAR)
    unequal = label != SIMILAR
    return float(np.mean(p.argmax(axis=1) == label)), float(np.mean(sides[unequal])) if unequal.any() else float("nan")


def evaluated(config: Config, layout: RunLayout, student: Student) -> np.ndarray:
    """`MEASURES`, SRCC of a student on the benchmarks of the run, scored against the run's anchors."""
    store = read_encoded(student.name, layout.features)
    tests = read_encoded(student.name, layout.benchmark_features)
    known = read_anchors(layout.student(1))
    shown = store.take(list(known.ids))[:]
    places = anchor_pairs(len(known.ids))
    among = student.compare_all(*(shown[[pair[k] for pair in places]] for k in (0, 1)))
    matrix = anchor_matrix(among, config.scoring.anchor_temperature)
    anchors = Anchors(shown, matrix, known.scores, known.ids, known.temperature)
    said: list[float] = []
    for suite in ("unseen", "seen"):
        rows = items(layout, suite)
        raw = anchors.raw(student.against_anchors(shown, tests.take([row["video_id"] for row in rows])))
        found = figures(raw, rows)
        said += [found["within"] or 0.0, found["srcc"] or 0.0]
    return np.array(said)


def variants(
    config: Config, layout: RunLayout, rows: Sequence[Row], said: Mapping[str, np.ndarray]
) -> dict[str, tuple[int, list[Row]]]:
    """Number of the round and pairs of each training."""
    first = read_table(layout.pairs(1), PAIRS).to_pylist()
    mined = mined_pairs(layout, 2)
    missed = [row for row in mined if row["origin"] == "missed"]
    every = every_severity_pair(config, layout, 2)
    new = [severity_row(one.first, one.second, "synthetic", 2) for one in every]
    chosen = np.random.default_rng(config.seed).permutation(len(new))[: len(missed)]

    def labelled(judge: str, origin: str) -> list[Row]:
        names = level_names(said[judge])
        real = [row | {"label": name, "delta": None} for row, name in zip(rows, names, strict=True)]
        return [row for row in real if row["origin"] == origin]

    severity = [row for row in first if row["origin"] not in HOMOGENEOUS]
    wanted = {
        "round 1": (1, first),
        "round 2 as it was": (2, read_table(layout.pairs(2), PAIRS).to_pylist()),
        "+ missed": (2, [*first, *missed]),
        "+ as many new copies at random": (2, [*first, *(new[k] for k in chosen)]),
        "+ all new copies": (2, [*first, *new]),
        "+ missed + gMAD by teachers": (2, [*first, *missed, *labelled("teachers", "gmad")]),
        "+ missed + gMAD by scores": (2, [*first, *missed, *labelled("student, scores", "gmad")]),
        "+ missed + gMAD by answer": (2, [*first, *missed, *labelled("student, answer", "gmad")]),
    }
    if "VMAF" not in said:
        return wanted
    right = [*severity, *labelled("VMAF", "ensemble")]
    return wanted | {
        "round 1, real pairs right": (1, right),
        "+ missed + gMAD right": (2, [*first, *missed, *labelled("VMAF", "gmad")]),
        "all real pairs right, + missed": (2, [*right, *missed, *labelled("VMAF", "gmad")]),
    }


def main() -> None:
    """Print the labels' worth; train if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--train", action="store_true")
    parser.add_argument(
        "--hold-tower", action="store_true", help="of a study whose vision tower was held (study_here.py)"
    )
    parser.add_argument("--without-vmaf", action="store_true", help="leave out what needs VMAF of the pool's copies")
    parser.add_argument("--only", nargs="+", help="trainings whose names hold one of these, beside round 1")
    parser.add_argument(
        "--real-weight", type=float, help="in the loss, of all pairs that are not severity pairs of round 1"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.hold_tower:
        hold_tower()
    layout = RunLayout(options.run)
    config = load(file=options.run / "config.yaml")
    vmaf = {} if options.without_vmaf else vmaf_of_pool(config, layout)
    rows = real_pairs(layout)
    said = judges(config, layout, rows, vmaf)
    labels_report(layout, rows, said, vmaf)
    if not options.train:
        return
    encoded = read_encoded(config.student.name, layout.features)
    settings = config.training
    weights = settings.origin_weights if options.real_weight is None else dict.fromkeys(ORIGINS, options.real_weight)
    found: dict[str, list[np.ndarray]] = {}
    print("difference from round 1 of the same seed, mean and standard error over the seeds; " + ", ".join(MEASURES))
    for seed in options.seeds:
        for name, (number, pairs) in variants(config, layout, rows, said).items():
            if options.only and not any(word in name for word in ["round 1", *options.only]):
                continue
            with tempfile.TemporaryDirectory() as folder:
                table = Path(folder) / "pairs.parquet"
                write_table(table, PAIRS.table(unique(pairs)), PAIRS)
                given = read_pairs(table, encoded, {**weights, "synthetic": 1.0}, settings.type_weights)
            student = trained(config, layout, number, given, seed)
            found.setdefault(name, []).append(evaluated(config, layout, student))
            print(f"seed {seed}, {name} ({len(given)} pairs): {told(found[name][-1])}", flush=True)
    for name, figures_of in found.items():
        by_seed = np.stack(figures_of)
        gain = by_seed - np.stack(found["round 1"])
        spread = gain.std(axis=0, ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.full(gain.shape[1], np.nan)
        marks = ", ".join(f"{a:+.3f} ± {b:.3f}" for a, b in zip(gain.mean(axis=0), spread, strict=True))
        print(f"{name}: {told(by_seed.mean(axis=0))}; {marks}")


def unique(rows: Sequence[Row]) -> list[Row]:
    """Each unordered pair once."""
    return [rows[k] for k in deduplicate([(row["first"], row["second"]) for row in rows])]


def told(values: np.ndarray) -> str:
    """Figures in the order of `MEASURES`."""
    return ", ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    main()
