"""Start a training: DeepSpeed in the workers of Ray Train, or in one process; checkpoints, resume. Imports no torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from trainers.bucket import BucketPath
from trainers.checkpoint import sweep_orphans, write_json
from trainers.job import Failpoint, ProgressCallback, TrainingError, TrainJob
from trainers.places import Place, node_folder, place
from trainers.videos import parquet_files

__all__ = ["Failpoint", "TrainJob", "TrainingError", "train"]

JOB_FILE = "job.json"
PROGRESS_FILE = "progress.json"
POLL_S = 0.5


def _worker(config: dict[str, Any]) -> dict[str, Any]:
    # the heavy imports happen here, in the worker, and not where the driver starts
    from trainers.group import Alone, RayTrainGroup
    from trainers.loop import train_worker

    run_folder, scratch = place(config["run_folder"]), Path(config["scratch"])
    scratch.mkdir(parents=True, exist_ok=True)  # of a run in a bucket, on this node
    group = Alone(run_folder) if config["alone"] else RayTrainGroup(run_folder)
    return train_worker(config["job"], run_folder, scratch, group)


def _claim(job: TrainJob, run_folder: Place) -> None:
    """Note what this run is, or refuse if its name belongs to another job or another number of workers."""
    path = run_folder / JOB_FILE
    digest = hashlib.sha256(job.fingerprint().encode())
    for file in parquet_files(job.pairs):
        digest.update(file.read_bytes())
    claim = {"job": digest.hexdigest(), "workers": job.settings.workers}
    if not path.exists():
        run_folder.mkdir(parents=True, exist_ok=True)
        write_json(path, claim)
        return
    earlier = json.loads(path.read_text(encoding="utf-8"))
    if earlier["workers"] != job.settings.workers:
        raise TrainingError(
            f"training '{job.name}' was started with {earlier['workers']} workers and cannot go on with {job.settings.workers}: "
            f"ask for {earlier['workers']} workers again, or start a run of another name from the weights of its last "
            f"student (initial = that folder), or delete {run_folder} to begin anew"
        )
    if earlier != claim:
        raise TrainingError(
            f"training '{job.name}' in {run_folder} belongs to other pairs or another configuration: "
            "give this one another name, or delete the folder to begin anew"
        )


@contextlib.contextmanager
def _progress(run_folder: Place, callback: ProgressCallback | None) -> Iterator[None]:
    """While the workers train, read the progress that rank 0 writes and hand it to the callback."""
    if callback is None:
        yield
        return
    path, ended = run_folder / PROGRESS_FILE, threading.Event()

    def follow() -> None:
        last_step = -1
        last_round = False
        while not last_round:
            last_round = ended.wait(POLL_S)
            try:
                state = json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
            if state["step"] != last_step:
                last_step = state["step"]
                callback(last_step, state["steps"], state["metrics"])

    thread = threading.Thread(target=follow, name="training-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def worker_bundles(job: TrainJob) -> list[dict[str, float]]:
    """What each worker runs on."""
    return [{"CPU": job.cpus_per_worker, **({"GPU": 1.0} if job.gpu else {})}] * job.settings.workers


def _written_to(storage: Place) -> tuple[str, Any]:
    """Path and filesystem under which Ray Train writes; on a disk it has its own."""
    if not isinstance(storage, BucketPath):
        return str(storage), None
    from trainers.arrow_storage import arrow_storage

    return arrow_storage(storage)


def train(job: TrainJob, on_progress: ProgressCallback | None = None, callbacks: Sequence[Any] = ()) -> dict[str, Any]:
    """Train a student and write it to `job.output`. Ray must be running; blocks until the end.

    on_progress(step, steps, metrics) is called from another thread about twice a second.
    callbacks: further Ray Train callbacks (`trainers.sweep` reports to Ray Tune through one); with any, Ray Train has the workers.
    A second call with the same name and storage goes on after the last checkpoint.
    Returns steps, loss (records of step, ce, entropy, lambda, loss), train_accuracy, order_accuracy, seconds, and
    validation_accuracy, validation_order_accuracy if the job has a validation table.
    Raises TrainingError with one line that says what to do.
    """
    started = time.monotonic()
    job = job.with_absolute_places()  # Ray Train changes the working directory of its workers
    storage = place(job.storage)
    run_folder, scratch = storage / job.name, node_folder(storage) / f".{job.name}.scratch"
    _claim(job, run_folder)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    place(job.output).parent.mkdir(parents=True, exist_ok=True)
    alone = job.alone and not callbacks
    config = {"job": job, "run_folder": str(run_folder), "scratch": str(scratch), "alone": alone}
    try:
        with _progress(run_folder, on_progress):
            result = _in_one_process(config) if alone else _under_ray_train(config, callbacks)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if "error" in result:
        raise TrainingError(result["error"])
    return {**result, "seconds": time.monotonic() - started}


def _in_one_process(config: dict[str, Any]) -> dict[str, Any]:
    """Train in a process of its own; one that dies is started again, and goes on after its last checkpoint."""
    import ray

    job: TrainJob = config["job"]
    # `max_calls`: the process ends with the training, and with it what torch and DeepSpeed hold. Ray's own retries would never end
    # where the memory is too small.
    task = ray.remote(num_cpus=job.cpus_per_worker, max_calls=1, max_retries=0)(_worker)
    failures = 0
    while True:
        try:
            return ray.get(task.remote(config))
        except ray.exceptions.RayError as error:
            if failures == job.max_failures:
                raise _failed(job, error) from error
            failures += 1


def _under_ray_train(config: dict[str, Any], callbacks: Sequence[Any]) -> dict[str, Any]:
    """Train in workers of Ray Train."""
    # the controller looks every 2 s by default whether the workers have ended: too seldom for small trainings
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    import ray.train
    import ray.train.torch

    job: TrainJob = config["job"]
    run_folder = place(config["run_folder"])
    sweep_orphans(run_folder)
    storage_path, filesystem = _written_to(place(job.storage))
    # Ray's annotations still say that a worker returns nothing and a result has no `return_value`
    trainer = ray.train.torch.TorchTrainer(
        cast("Callable[[dict[str, Any]], None]", _worker),
        train_loop_config=config,
        scaling_config=ray.train.ScalingConfig(
            num_workers=job.settings.workers,
            use_gpu=job.gpu,
            resources_per_worker=worker_bundles(job)[0],
        ),
        torch_config=ray.train.torch.TorchConfig(backend="nccl" if job.gpu else "gloo"),
        run_config=ray.train.RunConfig(
            name=job.name,
            storage_path=storage_path,
            storage_filesystem=filesystem,
            callbacks=list(callbacks),
            failure_config=ray.train.FailureConfig(max_failures=job.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
        ),
    )
    try:
        outcome = trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise _failed(job, error) from error
    finally:
        sweep_orphans(run_folder)  # what a worker was writing when it died
    return cast("dict[str, Any]", vars(outcome)["return_value"])


def _failed(job: TrainJob, error: Exception) -> TrainingError:
    reason = str(error).strip().splitlines()[-1]
    return TrainingError(f"training '{job.name}' failed after {job.max_failures} restarts: {reason}")
