"""Train: a fresh student on the round's pairs (CVPR 2026, section 4.2), then its anchors and its model card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from actors.media.views import SampleSpec
from cluster.fanout import comparers, ordered
from pipeline.console import Console
from pipeline.method.scale import ANCHOR_PAIRS, anchor_matrix, select_anchors
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import ENSEMBLE, PAIRS
from pipeline.run_folder.store import read_table, write_json
from pipeline.settings.config import Config
from pipeline.steps.score import pool
from pipeline.student.folder import Anchors, write_anchors, write_processor
from pipeline.student.model_card import write_card
from trainers.batches import read_encoded
from trainers.job import TrainJob
from trainers.launch import train as fit

_CIRCUMSTANCES = ("seconds", "loop_seconds", "resumed_at")


def train(config: Config, layout: RunLayout, console: Console, number: int, identity: str) -> dict[str, Any]:
    """Train the student of round ``number`` from the base weights and make `round-<k>/student/` complete.

    Args:
        identity: Fingerprint of everything that decides this training; part of the run name, so that rounds and
            configurations never resume each other.
    """
    folder = layout.student(number)
    job = job_of(config, layout, number, identity)
    steps_told = 0
    total = config.training.epochs * -(-read_table(layout.pairs(number), PAIRS).num_rows // job.batch_size)
    with console.track(total, f"round {number}: training") as progress:

        def told(step: int, steps: int, metrics: dict[str, float]) -> None:
            nonlocal steps_told
            del steps  # the total is known before the workers are
            progress.advance(step - steps_told, f"loss {metrics.get('loss', float('nan')):.3f}")
            steps_told = step

        result = fit(job, told)
    anchors = finish(config, layout, folder)
    # How long it took, and whether it was interrupted, stands in the manifest: this file is the same for the same seed.
    write_json(layout.training(number), {name: value for name, value in result.items() if name not in _CIRCUMSTANCES})
    # The checkpoints have done their work: the student is complete, and the manifest that follows makes it final.
    shutil.rmtree(Path(job.storage) / job.name, ignore_errors=True)
    write_card(layout, config, number, result, read_table(layout.pairs(number), PAIRS), anchors)
    return {
        "rows": read_table(layout.pairs(number), PAIRS).num_rows,
        "what": f"{result['steps']} steps, order of {100 * result['order_accuracy']:.1f} % of the pairs learnt",
    }


def job_of(config: Config, layout: RunLayout, number: int, identity: str) -> TrainJob:
    """The training of round ``number``; ``identity`` as in `train`."""
    training = config.training
    return TrainJob(
        pairs=str(layout.pairs(number)),
        features=str(layout.features),
        output=str(layout.student(number)),
        name=f"round-{number}-{identity[:8]}",
        storage=str(layout.train_storage),
        student=config.student.name,
        student_options=dict(config.student.options),
        confidence=training.lambda_,
        epochs=training.epochs,
        batch_size=training.batch_size,
        learning_rate=training.lr,
        weight_decay=training.weight_decay,
        warmup=training.lr_warmup,
        not_finite=training.not_finite,
        severity=training.severity,
        origin_weights=dict(training.origin_weights),
        type_weights=dict(training.type_weights),
        seed=config.seed,
        workers=training.workers,
        gpu=config.run.train_on_gpus,
        precision="bf16" if config.student.options.get("dtype") == "bfloat16" else "fp32",
        zero_stage=training.zero_stage,
        checkpoint_every=training.checkpoint_every,
    )


def finish(config: Config, layout: RunLayout, folder: Path) -> Anchors:
    """Complete the folder of a trained student, so that it scores any video: its anchors and its sampling."""
    anchors = choose_anchors(config, layout, folder)
    write_anchors(folder, anchors)
    spec = SampleSpec(config.teachers.key_frames, config.teachers.motion_frames)
    write_processor(
        folder,
        {
            "key_frames": spec.key_frames,
            "motion_frames": spec.motion_frames,
            "motion_short_side": spec.motion_short_side,
            "window_s": config.corpus.window_s,
            "max_short_side": config.corpus.max_short_side,
            "max_fps": config.corpus.max_fps,
            "hdr": config.corpus.hdr,
            "interlaced": config.corpus.interlaced,
        },
    )
    return anchors


def choose_anchors(config: Config, layout: RunLayout, folder: Path) -> Anchors:
    """One anchor per quality level of the pool's undistorted and degraded videos, on which the teachers agree most."""
    members = {row["video_id"] for row in pool(layout)}
    table = read_table(layout.ensemble, ENSEMBLE)
    rows = [row for row in table.to_pylist() if row["video_id"] in members]
    mean = np.array([row["mean"] for row in rows])
    variance = np.array([row["variance"] for row in rows])
    ids = [row["video_id"] for row in rows]
    chosen = select_anchors(mean, variance, ids, config.scoring.anchors)
    features = read_encoded(config.student.name, layout.features).take([ids[k] for k in chosen])[:]
    first, second = (features[[pair[k] for pair in ANCHOR_PAIRS]] for k in (0, 1))
    with comparers(config.pools.compare.gpus, folder, features) as students:
        (logits,) = ordered(students, lambda actor, pairs: actor.pairs.remote(*pairs), [(first, second)])
    matrix = anchor_matrix(logits, config.scoring.anchor_temperature)
    return Anchors(features, matrix, mean[chosen], tuple(ids[k] for k in chosen), config.scoring.test_temperature)
