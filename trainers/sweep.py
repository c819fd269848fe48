"""Ray Tune over the weight lambda of the confidence loss: fixed values and "adaptive", each trial a whole training."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainers.job import TrainJob
from trainers.launch import train

METRIC = "validation_order_accuracy"
TRIAL_CPUS = 0.5  # a trial waits for the training that it started
LEAST_SHARE = 0.5  # of a CPU for a worker: with less, two workers would only wait for each other


@dataclass(frozen=True)
class SweepRow:
    """One trial. `stopped_at` is the last step that was reported: below `steps` if ASHA ended the trial early."""

    confidence: float | str
    output: str
    stopped_at: int
    steps: int
    validation_order_accuracy: float
    validation_accuracy: float
    cross_entropy: float
    entropy: float
    error: str


def trial_name(job: TrainJob, confidence: float | str) -> str:
    """Name of a trial's run; the same sweep resumes the same trials."""
    return f"{job.name}-lambda-{confidence}"


def trial_job(job: TrainJob, confidence: float | str) -> TrainJob:
    """The job of one trial: its own name, and its own folder beside the others under `job.output`."""
    return replace(
        job,
        confidence=confidence,
        name=trial_name(job, confidence),
        output=str(Path(job.output) / f"lambda-{confidence}"),
    )


def fitted(job: TrainJob, cluster: dict[str, float]) -> TrainJob:
    """The job with workers that ask for less than a CPU each where a small machine could not start one trial otherwise.

    What a worker asks for decides where it runs, not what it computes.
    """
    share = (cluster.get("CPU", 0.0) - TRIAL_CPUS) / job.workers
    return replace(job, cpus_per_worker=min(job.cpus_per_worker, share)) if share >= LEAST_SHARE else job


def concurrent_trials(job: TrainJob, cluster: dict[str, float]) -> int:
    """How many trials fit the cluster at once; Ray Tune does not count the resources of the trainings it starts.

    Raises ValueError if not even one fits.
    """
    needs = {"CPU": job.workers * job.cpus_per_worker + TRIAL_CPUS, "GPU": float(job.workers if job.gpu else 0)}
    fits = min(math.floor(cluster.get(kind, 0) / need) for kind, need in needs.items() if need)
    if fits < 1:
        has = ", ".join(f"{cluster.get(kind, 0):g} {kind}" for kind, need in needs.items() if need)
        wants = ", ".join(f"{need:g} {kind}" for kind, need in needs.items() if need)
        raise ValueError(f"a sweep trial needs {wants}, the cluster has {has}: ask for fewer workers")
    return fits


def _trial(config: dict[str, Any]) -> None:
    from ray.tune.integration.ray_train import TuneReportCallback

    train(trial_job(config["job"], config["confidence"]), callbacks=[TuneReportCallback()])  # type: ignore[no-untyped-call]


def _absolute(job: TrainJob) -> TrainJob:
    # a trial runs in another working directory
    paths = {
        name: str(Path(value).resolve())
        for name in ("pairs", "features", "output", "storage", "initial", "validation")
        if (value := getattr(job, name))
    }
    return replace(job, **paths)  # type: ignore[arg-type]


def sweep(job: TrainJob, confidences: Sequence[float | str], grace_steps: int | None = None) -> list[SweepRow]:
    """Train once per value and return a table, best first by order accuracy on `job.validation`.

    ASHA ends trials that are clearly behind, after `grace_steps` at the earliest (default: half of a short training).
    Every training checkpoints under its own name, so a second call with the same job goes on where the first stopped.
    Raises ValueError if the job has no validation table or the cluster is too small.
    """
    if job.validation is None:
        raise ValueError("a sweep compares by held-out pairs: give the job a validation table")
    # Tune prints tables of its own whatever its verbosity, unless it is asked for the older output
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    logging.getLogger("ray.tune").setLevel(logging.WARNING)
    job = _absolute(job)
    values = list(dict.fromkeys(confidences))
    cluster: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    job = fitted(job, cluster)
    scheduler = ASHAScheduler(
        time_attr="step", metric=METRIC, mode="max", max_t=1 << 40, grace_period=grace_steps or 2 * job.checkpoint_every
    )
    tuner = tune.Tuner(
        tune.with_resources(_trial, {"CPU": TRIAL_CPUS}),
        param_space={"job": job, "confidence": tune.grid_search(values)},
        tune_config=tune.TuneConfig(scheduler=scheduler, max_concurrent_trials=concurrent_trials(job, cluster)),
        run_config=tune.RunConfig(name=f"{job.name}-trials", storage_path=job.storage, verbose=0),
    )
    rows = []
    results = tuner.fit()
    for number in range(len(results)):
        result = results[number]
        found = result.metrics or {}
        confidence = result.config["confidence"] if result.config else ""
        rows.append(
            SweepRow(
                confidence=confidence,
                output=trial_job(job, confidence).output,
                stopped_at=int(found.get("step", 0)),
                steps=int(found.get("steps", 0)),
                validation_order_accuracy=float(found.get(METRIC, math.nan)),
                validation_accuracy=float(found.get("validation_accuracy", math.nan)),
                cross_entropy=float(found.get("ce", math.nan)),
                entropy=float(found.get("entropy", math.nan)),
                error=str(result.error).strip().splitlines()[-1] if result.error else "",
            )
        )
    return sorted(rows, key=lambda row: (bool(row.error), -row.validation_order_accuracy, str(row.confidence)))
