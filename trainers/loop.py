"""The training loop of one worker, the same on every rank; see `trainers.launch`."""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainers.batches import Features, Pairs, PairSampler, read_encoded, read_pairs
from trainers.checkpoint import (
    Position,
    checkpoint_name,
    checkpoint_names,
    load_shard,
    newest_intact,
    save_shard,
    write_json,
)
from trainers.deepspeed import RATE, apply_step, gather_weights, restore_masters, start_engine
from trainers.examples import Examples, SequenceExamples, examples_of
from trainers.group import Group
from trainers.job import TrainingError, TrainJob
from trainers.levels import LEVELS, SIMILAR, at_least
from trainers.losses import LossTerms
from trainers.passed import note_passed
from trainers.places import Place, place, publish
from trainers.scalars import Scalars, scalars
from trainers.student.base import Student
from trainers.student.table import build_student, load_student
from trainers.videos import VideoStore

logger = logging.getLogger(__name__)

PROGRESS_FILE = "progress.json"
PROGRESS_EVERY_S = 0.5
PROGRESS_SHARE = 50  # times as long as writing takes, at least, passes before it is written again
RECORDS_KEPT = 200
MOST_SKIPPED = 10  # steps in a row without an update, after which the weights are taken to be spoilt


@dataclass
class Worker:
    """What one rank holds while it trains."""

    job: TrainJob
    group: Group
    run_folder: Place
    scratch: Path
    student: Student
    engine: Any
    examples: Examples
    pairs: Pairs  # as given
    taught: Pairs  # and the student's own
    validation: Pairs | None
    samplers: list[PairSampler]  # of its parts of a batch
    steps: int
    records: list[dict[str, float]]
    taken: frozenset[str]  # names of checkpoints, as they were before any rank reported one
    skipped_in_a_row: int = 0

    @property
    def rank(self) -> int:
        """Of this process."""
        return self.group.rank

    @property
    def workers(self) -> int:
        """Number of ranks."""
        return self.group.size

    @property
    def end(self) -> int:
        """The step at which this call ends."""
        return self.steps if self.job.until is None else min(self.job.until, self.steps)

    def average(self, values: Tensor) -> Tensor:
        """Mean over all ranks."""
        torch.distributed.all_reduce(values)
        return values / self.workers

    def forward(self, pairs: Pairs, index: np.ndarray) -> Tensor:
        """Logits [n, 5] of the pairs at `index`."""
        return self.examples.logits(self.engine, pairs, index)


def learning_rate(job: TrainJob, step: int, steps: int) -> float:
    """Linear warm-up over the first 3 % of the steps (by default), then a cosine down to zero."""
    lr, warmup = job.settings.lr, max(1, round(job.settings.lr_warmup * steps))
    if step < warmup:
        return lr * (step + 1) / warmup
    return lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _prepare_student(job: TrainJob, features: Features | VideoStore, pairs: Pairs) -> Student:
    torch.manual_seed(job.seed)
    if job.initial is not None:
        return load_student(job.initial)
    student = build_student(job.student, job.student_options)
    if isinstance(features, VideoStore):
        return student
    if features.matrix.shape[1] != student.feature_size:
        raise TrainingError(
            f"the features have {features.matrix.shape[1]} numbers per video, the student "
            f"'{job.student}' expects {student.feature_size}: encode the videos again"
        )
    used = np.unique(np.concatenate([pairs.first, pairs.second]))
    copies = features.matrix[pairs.second[pairs.synthetic]] - features.matrix[pairs.first[pairs.synthetic]]
    student.prepare(features.matrix[used], copies, pairs.weight[pairs.synthetic])
    return student


def _set_up(job: TrainJob, run_folder: Place, scratch: Path, group: Group) -> Worker:
    torch.set_num_threads(max(1, int(job.cpus_per_worker)))
    features = read_encoded(job.student, job.features)
    pairs = read_pairs(job.pairs, features, job.settings.origin_weights, job.settings.type_weights)
    validation = read_pairs(job.validation, features) if job.validation else None
    student = _prepare_student(job, features, pairs)
    taught = pairs
    if isinstance(features, Features):
        used = np.unique(np.concatenate([pairs.first, pairs.second]))
        own = student.own_pairs(features.matrix, used, len(pairs), job.seed)
        taught = pairs if own is None else pairs.beside(own, used)
    engine = start_engine(student.trained_module(), job, student.rate_of)
    if job.initial is not None:
        restore_masters(engine, job.settings.zero_stage, student.master_weights(job.initial))
    lengths = features.tokens[pairs.first] + features.tokens[pairs.second] if isinstance(features, VideoStore) else None
    parts, rank, workers = job.settings.parts, group.rank, group.size
    mine = range(rank * parts // workers, (rank + 1) * parts // workers)
    samplers = [PairSampler(taught.weight, job.settings.batch_size, parts, part, job.seed, lengths) for part in mine]
    return Worker(
        job,
        group,
        run_folder,
        scratch,
        student,
        engine,
        examples_of(features, engine.device),
        pairs,
        taught,
        validation,
        samplers,
        steps=job.steps(len(pairs), len(taught) - len(pairs)),
        records=[],
        taken=checkpoint_names(run_folder),
    )


def _resume(worker: Worker) -> int:
    """Load the newest intact checkpoint, if there is one; returns the step to go on with."""
    latest = worker.group.latest()
    if latest is None:
        return 0
    with newest_intact(latest, worker.workers) as folder:
        if folder is None:
            logger.warning("no usable checkpoint of '%s': training starts again", worker.job.name)
            return 0
        position = load_shard(worker.engine, folder, worker.rank)
    worker.records[:] = position.records
    return position.step


def _accepted(worker: Worker, index: np.ndarray) -> Tensor | None:
    """Which levels count as right for each pair [n, 5], or None where only the label does."""
    if worker.job.settings.severity == "level":
        return None
    label = worker.taught.label[index]
    only_label = np.arange(len(LEVELS))[None, :] == label[:, None]
    accepted = np.where(worker.taught.synthetic[index][:, None], at_least(label), only_label)
    return torch.from_numpy(accepted).to(worker.engine.device)


def _differences(worker: Worker, index: np.ndarray) -> Tensor | None:
    """What a regression is on: differences of the teachers' means [n], NaN without; None for a ranking."""
    if worker.job.settings.loss == "ranking":
        return None
    return torch.from_numpy(worker.taught.difference[index]).to(worker.engine.device)


def _train_step(worker: Worker, step: int) -> LossTerms | None:
    """One update; None if it was skipped."""
    job, engine = worker.job, worker.engine
    batches = [sampler.batch(step) for sampler in worker.samplers]
    index = np.concatenate([batch.index for batch in batches])
    weights = np.concatenate([batch.weight for batch in batches])
    terms = worker.examples.terms(
        engine,
        worker.taught,
        index,
        step / worker.steps,
        # dropout depends on (seed, step, part) only, so an interrupted run repeats it exactly
        seeds=[(job.seed * 1_000_003 + step) * 1_009 + sampler.rank for sampler in worker.samplers],
        lambda_=job.settings.lambda_,
        weights=torch.from_numpy(weights).to(engine.device),
        normaliser=batches[0].total_weight / worker.workers,
        average=worker.average,
        accepted=_accepted(worker, index),
        differences=_differences(worker, index),
    )
    finite = bool(torch.isfinite(terms.cross_entropy + terms.entropy))
    if not finite and job.settings.not_finite == "stop":
        raise _not_finite(worker, step, terms)
    for group in engine.optimizer.param_groups:
        group["lr"] = learning_rate(job, step, worker.steps) * group.get(RATE, 1.0)
    engine.backward(terms.total if finite else terms.total * math.nan)
    if apply_step(engine):
        worker.skipped_in_a_row = 0
        return terms
    worker.skipped_in_a_row += 1
    if job.settings.not_finite == "stop" or worker.skipped_in_a_row >= MOST_SKIPPED:
        raise _not_finite(worker, step, terms)
    logger.warning("step %d of '%s' is skipped: its loss or gradient is not finite", step, job.name)
    return None


def _not_finite(worker: Worker, step: int, terms: LossTerms) -> TrainingError:
    row = f", for {worker.skipped_in_a_row} steps in a row" if worker.skipped_in_a_row > 1 else ""
    return TrainingError(
        f"the loss is not finite at step {step} of {worker.steps} of '{worker.job.name}'{row} (cross-entropy "
        f"{terms.cross_entropy.item()}, entropy {terms.entropy.item()}, or its gradient); the last good checkpoint "
        "is kept: lower the learning rate and start under another name"
    )


@torch.no_grad()
def _accuracy(worker: Worker, pairs: Pairs) -> tuple[float, float]:
    """(share of pairs with the right level, share of unequal pairs put in the right order), over all ranks."""
    worker.engine.eval()
    judged = worker.examples.judged(len(pairs))
    rows = np.arange(worker.rank, len(judged) + -len(judged) % worker.workers, worker.workers)
    counts = torch.zeros(4, dtype=torch.float64)
    for part in np.array_split(rows, max(1, len(rows) // worker.examples.chunk)):
        # ranks must call the engine equally often (ZeRO-3 gathers in it), so padding repeats the last pair unseen
        index = judged[np.minimum(part, len(judged) - 1)]
        probabilities = worker.forward(pairs, index).float().softmax(dim=-1).cpu().double()
        real = torch.from_numpy(part < len(judged))
        label = torch.from_numpy(pairs.label[index])
        direction = torch.sign(probabilities @ torch.arange(-2.0, 3.0, dtype=torch.float64))
        unequal = real & (label != SIMILAR)
        counts += torch.stack(
            [
                (real & (probabilities.argmax(dim=-1) == label)).sum(),
                real.sum(),
                (unequal & (direction == torch.sign(label - SIMILAR))).sum(),
                unequal.sum(),
            ]
        ).double()
    counts = worker.average(counts.to(worker.engine.device)).cpu()
    worker.engine.train()
    right, total, ordered, unequal_total = counts.tolist()
    return right / max(total, 1e-12), (ordered / unequal_total if unequal_total else float("nan"))


def _metrics(worker: Worker, step: int) -> dict[str, float]:
    metrics: dict[str, float] = {**(worker.records[-1] if worker.records else {}), "step": step, "steps": worker.steps}
    if worker.validation is not None:
        metrics["validation_accuracy"], metrics["validation_order_accuracy"] = _accuracy(worker, worker.validation)
    return metrics


def _report(worker: Worker, step: int) -> None:
    """Hand over a checkpoint. A barrier: every rank calls it at the same steps."""
    name = checkpoint_name(step, worker.taken)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-{worker.rank}-", dir=worker.scratch))
    save_shard(
        worker.engine, folder, worker.rank, Position(step, worker.workers, worker.job.fingerprint(), worker.records)
    )
    metrics = _metrics(worker, step)
    if worker.rank == 0 and worker.validation is not None:  # nobody compares trainings without
        note_passed(worker.run_folder, worker.job, step, metrics)
    worker.group.report(metrics, folder, name)
    shutil.rmtree(folder, ignore_errors=True)  # it may have been moved


def _meet_failpoint(worker: Worker, step: int) -> None:
    point = worker.job.failpoint
    if point is None or (point.rank, point.step) != (worker.rank, step) or Path(point.marker).exists():
        return
    Path(point.marker).touch()
    os._exit(1)


def _run_steps(worker: Worker, start: int, curves: Scalars) -> None:
    record_every = max(1, math.ceil(worker.steps / RECORDS_KEPT))
    next_report = 0.0
    if start >= worker.end:
        # nothing is left to train, but a sweep still waits for the metrics of its trial
        worker.group.report(_metrics(worker, start))
    worker.engine.train()
    for step in range(start, worker.end):
        _meet_failpoint(worker, step)
        terms = _train_step(worker, step)
        done = step + 1
        if terms is not None and (done % record_every == 0 or done == worker.steps):
            worker.records.append(
                {
                    "step": done,
                    "ce": terms.cross_entropy.item(),
                    "entropy": terms.entropy.item(),
                    "lambda": terms.lambda_.item(),
                    "loss": worker.average(terms.total.detach().clone()).item(),
                }
            )
            curves.add(done, {name: value for name, value in worker.records[-1].items() if name != "step"})
            curves.add(done, {"learning_rate": learning_rate(worker.job, step, worker.steps)})
        if worker.rank == 0 and worker.records and (time.monotonic() > next_report or done == worker.end):
            before = time.monotonic()
            write_json(
                worker.run_folder / PROGRESS_FILE, {"step": done, "steps": worker.steps, "metrics": worker.records[-1]}
            )
            # a bucket answers slowly: the steps must not wait for it all the time
            next_report = before + max(PROGRESS_EVERY_S, PROGRESS_SHARE * (time.monotonic() - before))
        if done % worker.job.settings.checkpoint_every == 0 or done == worker.end:
            _report(worker, done)


def _export(worker: Worker) -> None:
    """Write the trained student: gathered on rank 0, into a fresh folder that then replaces `output`."""
    state = gather_weights(worker.engine, worker.job.settings.zero_stage, worker.rank)
    if worker.rank != 0:
        return
    spoilt = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if spoilt:
        raise TrainingError(
            f"the weights of '{worker.job.name}' are not finite ({spoilt[0]}): lower the learning rate "
            "and start under another name"
        )
    output = place(worker.job.output)
    # beside a folder on a disk, so that it can be moved there
    fresh = (output if isinstance(output, Path) else worker.scratch / output.name).with_name(f".{output.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    # a new object: the engine's module may hold partitioned tensors
    student = (
        load_student(worker.job.initial)
        if worker.job.initial
        else build_student(worker.job.student, worker.job.student_options)
    )
    module: nn.Module = student.trained_module()
    module.load_state_dict(state, assign=True)  # with the number format that was gathered
    student.save(fresh)
    publish(fresh, output)


def train_worker(job: TrainJob, run_folder: Place, scratch: Path, group: Group) -> dict[str, Any]:
    """Train on this rank. Returns what `trainers.launch.train` gives back, or {"error": message}."""
    started = time.monotonic()
    logging.getLogger("ray.train").setLevel(logging.WARNING)
    try:
        worker = _set_up(job, run_folder, scratch, group)
        start = _resume(worker)
        with scalars(place(job.output), worker.rank, start) as curves:
            _run_steps(worker, start, curves)
        accuracy, order = _accuracy(worker, worker.pairs)
        result: dict[str, Any] = {
            "steps": worker.steps,
            "resumed_at": start,
            "pairs": len(worker.pairs),
            "own_pairs": len(worker.taught) - len(worker.pairs),
            "skipped_steps": worker.engine.skipped_steps,
            "loss": worker.records,
            "train_accuracy": accuracy,
            "order_accuracy": order,
        }
        if isinstance(worker.examples, SequenceExamples) and worker.examples.tokens:
            taken = worker.examples.tokens + worker.examples.padding
            result["padding_share"] = worker.examples.padding / taken
        if worker.validation is not None:
            validated = _accuracy(worker, worker.validation)
            result["validation_accuracy"], result["validation_order_accuracy"] = validated
        if worker.end == worker.steps:
            _export(worker)
    except (TrainingError, ValueError) as error:
        # every rank sees the same data and loss, so all end here together; trying again would only fail again
        return {"error": str(error)}
    result["loop_seconds"] = time.monotonic() - started
    return result
