"""Ray Tune over lambda, the weight of the confidence loss: each value a whole training, by synchronous successive halving."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainers.job import TrainJob
from trainers.launch import train
from trainers.passed import read_passed

METRIC = "validation_order_accuracy"
TRIAL_CPUS = 0.5  # a trial waits for the training that it started
LEAST_SHARE = 0.5  # of a CPU for a worker: with less, two workers would only wait for each other


@dataclass(frozen=True)
class SweepRow:
    """One trial. `stopped_at` is its last step: below `steps` if the trial was ended early."""

    lambda_: float | str
    output: str
    stopped_at: int
    steps: int
    validation_order_accuracy: float
    validation_accuracy: float
    cross_entropy: float
    entropy: float
    error: str

    @property
    def complete(self) -> bool:
        """Whether nothing is left to train."""
        return bool(self.error) or self.stopped_at >= self.steps


Rung = Callable[[Sequence[float | str], int], list[SweepRow]]


def trial_job(job: TrainJob, lambda_: float | str, until: int | None = None) -> TrainJob:
    """The job of one trial: its own name, and its own folder beside the others under `job.output`.

    The same sweep resumes the same trials.
    """
    return replace(
        job.changed(lambda_=lambda_),
        name=f"{job.name}-lambda-{lambda_}",
        output=str(Path(job.output) / f"lambda-{lambda_}"),
        until=until,
    )


def fitted(job: TrainJob, cluster: dict[str, float]) -> TrainJob:
    """The job with workers that ask for less than a CPU each where a small machine could not start one trial otherwise.

    What a worker asks for decides where it runs, not what it computes.
    """
    share = (cluster.get("CPU", 0.0) - TRIAL_CPUS) / job.settings.workers
    return replace(job, cpus_per_worker=min(job.cpus_per_worker, share)) if share >= LEAST_SHARE else job


def concurrent_trials(job: TrainJob, cluster: dict[str, float]) -> int:
    """How many trials fit the cluster at once; Ray Tune does not count the resources of the trainings it starts.

    Raises ValueError if not even one fits.
    """
    workers = job.settings.workers
    needs = {"CPU": workers * job.cpus_per_worker + TRIAL_CPUS, "GPU": float(workers if job.gpu else 0)}
    fits = min(math.floor(cluster.get(kind, 0) / need) for kind, need in needs.items() if need)
    if fits < 1:
        has = ", ".join(f"{cluster.get(kind, 0):g} {kind}" for kind, need in needs.items() if need)
        wants = ", ".join(f"{need:g} {kind}" for kind, need in needs.items() if need)
        raise ValueError(f"a sweep trial needs {wants}, the cluster has {has}: ask for fewer workers")
    return fits


def best_first(rows: Sequence[SweepRow]) -> list[SweepRow]:
    """The rows by order accuracy, failed ones last; equal ones in the order of their lambda."""
    return sorted(rows, key=lambda row: (bool(row.error), -row.validation_order_accuracy, str(row.lambda_)))


def halve(values: Sequence[float | str], grace: int, rung: Rung) -> list[SweepRow]:
    """Synchronous successive halving (Jamieson and Talwalkar 2016): one row for each value, best first.

    All values train for `grace` steps; the better half of them goes on to twice as many, and so on to the end. Every decision
    waits for all trials of its rung, so it depends neither on the order of the values nor on how many run at once. (An
    asynchronous scheduler that runs one trial at a time ends every later one that is behind by anything: it prefers the first.)

    Args:
        values: Values of lambda.
        grace: Steps before the first decision.
        rung: Trains the given values up to a step and gives their rows.
    """
    ended: list[SweepRow] = []
    while True:
        rows = best_first(rung(values, grace))
        going = [row for row in rows if not row.complete]
        if not going:
            return best_first([*rows, *ended])
        # trials that are complete beside others that are not have failed
        half = going[: math.ceil(len(going) / 2)]
        ended += [row for row in rows if row not in half]
        values, grace = [row.lambda_ for row in half], 2 * grace
        if len(half) == 1:
            return best_first([*rung(values, going[0].steps), *ended])


def _trial(config: dict[str, Any]) -> None:
    from ray.tune.integration.ray_train import TuneReportCallback

    train(trial_job(config["job"], config["lambda"], config["until"]), callbacks=[TuneReportCallback()])  # type: ignore[no-untyped-call]


def sweep(job: TrainJob, values: Sequence[float | str], grace_steps: int | None = None) -> list[SweepRow]:
    """Train once per value of lambda and return a table, best first by order accuracy on `job.validation`.

    Trials are ended early by `halve`, after `grace_steps` at the earliest (default: twice `checkpoint_every`, so that a
    shorter training ends none). Every training checkpoints under its own name, and keeps how it stood at every checkpoint. So a
    second call with the same job goes on where the first stopped and decides the same, and one with other values decides as if it
    were the first.

    Raises:
        ValueError: The job has no validation table, the cluster is too small, or a training of an earlier version is too far.
    """
    if job.validation is None:
        raise ValueError("a sweep compares by held-out pairs: give the job a validation table")
    # Tune prints tables of its own whatever its verbosity, unless it is asked for the older output
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    import ray

    logging.getLogger("ray.tune").setLevel(logging.WARNING)
    job = job.with_absolute_places()  # a trial runs in another working directory
    cluster: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    job = fitted(job, cluster)
    at_once = concurrent_trials(job, cluster)
    unique = list(dict.fromkeys(values))
    return halve(
        unique,
        grace_steps or 2 * job.settings.checkpoint_every,
        lambda some, until: _rung(job, some, until, lambda left: _trials(job, left, until, at_once)),
    )


def _rung(
    job: TrainJob,
    values: Sequence[float | str],
    until: int,
    run: Callable[[Sequence[float | str]], list[SweepRow]],
) -> list[SweepRow]:
    """The rows of a rung: of trainings that have passed it, in this sweep or another, as they stood there; else those of `run`.

    What has failed, and what is complete, is always run: it is tried again, or its student written where it may be gone.

    Raises:
        ValueError: A training has passed the rung, and how it stood there was not kept.
    """
    kept = [row for value in values if (row := _passed_row(job, value, until)) is not None]
    left = [value for value in values if value not in [row.lambda_ for row in kept]]
    rows = run(left) if left else []
    for row in rows:
        if not row.error and until < row.stopped_at:
            folder = Path(job.storage) / trial_job(job, row.lambda_).name
            raise ValueError(
                f"the training of lambda {row.lambda_} is at step {row.stopped_at}, and how it stood at step {until} was not "
                f"kept (an earlier version began it): delete {folder} to train it again"
            )
    return [*kept, *rows]


def _passed_row(job: TrainJob, lambda_: float | str, until: int) -> SweepRow | None:
    trial = trial_job(job, lambda_)
    metrics = read_passed(Path(job.storage) / trial.name, trial, until)
    if metrics is None:
        return None
    row = _row(job, lambda_, metrics, "")
    return None if row.complete else row


def _row(job: TrainJob, lambda_: float | str, metrics: Mapping[str, Any], error: str) -> SweepRow:
    return SweepRow(
        lambda_=lambda_,
        output=trial_job(job, lambda_).output,
        stopped_at=int(metrics.get("step", 0)),
        steps=int(metrics.get("steps", 0)),
        validation_order_accuracy=float(metrics.get(METRIC, math.nan)),
        validation_accuracy=float(metrics.get("validation_accuracy", math.nan)),
        cross_entropy=float(metrics.get("ce", math.nan)),
        entropy=float(metrics.get("entropy", math.nan)),
        error=error,
    )


def _trials(job: TrainJob, values: Sequence[float | str], until: int, at_once: int) -> list[SweepRow]:
    """Train the values up to a step under Ray Tune."""
    from ray import tune

    tuner = tune.Tuner(
        tune.with_resources(_trial, {"CPU": TRIAL_CPUS}),
        param_space={"job": job, "until": until, "lambda": tune.grid_search(list(values))},
        tune_config=tune.TuneConfig(max_concurrent_trials=at_once),
        run_config=tune.RunConfig(name=f"{job.name}-trials-{until}", storage_path=job.storage, verbose=0),
    )
    rows = []
    results = tuner.fit()
    for number in range(len(results)):
        result = results[number]
        lambda_ = result.config["lambda"] if result.config else ""
        error = str(result.error).strip().splitlines()[-1] if result.error else ""
        rows.append(_row(job, lambda_, result.metrics or {}, error))
    return rows
