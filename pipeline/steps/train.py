"""Train: a fresh student on the round's pairs (CVPR 2026, section 4.2), then its anchors and its model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cluster.metrics import put
from pipeline.console import MACHINE, UserError
from pipeline.corpus.facts import corpus_facts
from pipeline.costs.large_student import is_large, training_gib
from pipeline.costs.loads import TRAINING_GIB, training_load
from pipeline.run_folder.digests import Digests
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import fingerprints
from pipeline.run_folder.records import PAIRS
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Resources, Step
from pipeline.run_folder.store import read_table, write_json
from pipeline.settings.config import Config, fingerprint, student_files
from pipeline.settings.sections import CorpusConfig
from pipeline.steps import pair
from pipeline.student.anchors import anchor_videos, complete
from pipeline.student.model_card import write_card
from trainers.job import TrainingError, TrainJob
from trainers.launch import worker_bundles
from trainers.places import remove
from trainers.student.table import student_row

_SHOWN = ("max_short_side", "max_fps", "hdr", "interlaced")
_CIRCUMSTANCES = ("seconds", "loop_seconds", "resumed_at")


def step(run: Run, number: int) -> Step:
    """The step that trains the student of round `number`."""
    config, layout = run.config, run.layout
    inputs: dict[str, Any] = {
        "pairs": layout.pairs(number),
        "ensemble": layout.ensemble,
        "student": config.student,
        "training": config.training,
        "scoring": config.scoring,
        "seed": config.seed,
    }
    version = student_row(config.student.name).training
    files = student_files(config)
    if files:  # nor one for a student without files
        inputs |= {"student's files": files}
    if version > 1:  # manifests of the first version have no such entry
        inputs |= {"version of the training": version}
    shown = {name: getattr(config.corpus, name) for name in _SHOWN}
    unusual = {name: value for name, value in shown.items() if value != CorpusConfig.model_fields[name].default}
    if unusual:  # the student's folder says how videos are to be shown to it, even where these look the same either way
        inputs |= {"how videos are shown": unusual}
    if counted_as_first(config, number):
        inputs |= {"pairs of round 1": layout.pairs(1)}
    if continues(config, number):
        inputs |= {"student before": layout.student(number - 1)}
    looks = [
        layout.POOL,
        *(layout.copies_look(k) for k in range(1, number + 1)),
    ]  # looks with videos that the round's pairs may name
    inputs |= {f"features {name}": layout.features_of(name) for name in looks}
    training_step = Step(
        "train",
        inputs,
        [layout.student(number), layout.training(number)],
        # The fingerprint is part of the training's name, so that no training resumes another one's checkpoint.
        lambda: train(run, number, fingerprint(fingerprints(training_step, Digests(layout)))),
        round=number,
        rows=lambda: pair.expected(run, number),
        resources=lambda _cpus: _resources(config),
        needs=lambda: worker_bundles(job_of(config, layout, number, "")),
        load=lambda: training_load(config, corpus_facts(run), _seen(run, number)),
    )
    return training_step


def _seen(run: Run, number: int) -> float:
    """Pairs that an epoch of the training of round `number` is long."""
    return pair.expected(run, 1 if counted_as_first(run.config, number) else number).count


def _resources(config: Config) -> Resources:
    workers = config.training.workers
    each = training_gib(config) if is_large(config) else TRAINING_GIB
    return Resources(workers, float(workers if config.run.train_on_gpus else 0), workers * each)


def train(run: Run, number: int, identity: str) -> dict[str, Any]:
    """Train the student of round `number` (from the base weights as published) and complete `round-<k>/student/`.

    Args:
        run: The run.
        number: The round.
        identity: Fingerprint of everything that decides this training.
    """
    config, layout = run.config, run.layout
    anchor_videos(run)  # too few of them end the step before hours of training, not after
    pairs = read_table(layout.pairs(number), PAIRS)
    first = read_table(layout.pairs(1), PAIRS).num_rows if counted_as_first(config, number) else None
    job = replace(job_of(config, layout, number, identity), epoch_pairs=first)
    total = job.steps(pairs.num_rows)
    last_step = 0
    with run.console.track(total, f"round {number}: training") as progress:

        def on_progress(step: int, steps: int, metrics: dict[str, float]) -> None:
            nonlocal last_step
            del steps  # the total is computed above, before the workers start
            progress.advance(step - last_step, f"loss {metrics.get('loss', float('nan')):.3f}")
            tell(number, step, total, metrics)
            last_step = step

        try:
            result = run.engine.train(job, on_progress)
        except TrainingError as error:
            raise UserError(str(error), MACHINE) from error
    anchors = complete(run, layout.student(number))
    # The manifest has the duration and the interruptions, so that this file is the same for the same seed.
    write_json(layout.training(number), {name: value for name, value in result.items() if name not in _CIRCUMSTANCES})
    # The checkpoints are no longer needed: the student is complete, and the manifest will commit it.
    remove(layout.train_storage / job.name)
    write_card(layout, config, number, result, pairs, anchors)
    return {
        "rows": pairs.num_rows,
        "what": f"{result['steps']} steps, order of {100 * result['order_accuracy']:.1f} % of the pairs learnt",
    }


def tell(number: int, step: int, steps: int, metrics: Mapping[str, float]) -> None:
    """Tell those who watch the run how far the training of a round is."""
    put("w2s_training_step", step, round=number)
    put("w2s_training_steps", steps, round=number)
    for name in ("loss", "lambda"):
        if name in metrics:
            put(f"w2s_training_{name}", metrics[name], round=number)


def job_of(config: Config, layout: RunLayout, number: int, identity: str) -> TrainJob:
    """The training job of round `number`; see `train` for `identity`."""
    return TrainJob(
        pairs=str(layout.pairs(number)),
        features=str(layout.features),
        output=str(layout.student(number)),
        name=layout.train_name(number, identity),
        storage=str(layout.train_storage),
        settings=config.training,
        student=config.student.name,
        student_options=dict(config.student.options),
        initial=str(layout.student(number - 1)) if continues(config, number) else None,
        seed=config.seed,
        gpu=config.run.train_on_gpus,
    )


def counted_as_first(config: Config, number: int) -> bool:
    """Whether the training of round `number` takes as many steps as that of the first one."""
    return config.training.same_steps and number > 1


def continues(config: Config, number: int) -> bool:
    """Whether the training of round `number` goes on from the student before, and not from the base weights."""
    return config.training.start == "student" and number > 1
