"""What a run tells Prometheus through Ray: one table of metrics, and the few functions that set them.

Ray exports them on every node under the names of `exported`, beside its own. Without a Ray that is connected nothing is done.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

_values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}  # of the gauges of this process
logger = logging.getLogger(__name__)
LOOK_S = 5.0  # between two looks at queues and resources


@dataclass(frozen=True)
class Metric:
    """A metric: a sum that only grows, or a value that goes up and down; its meaning, and its labels."""

    kind: Literal["counter", "gauge"]
    description: str
    labels: tuple[str, ...] = ()


METRICS: Mapping[str, Metric] = {
    "w2s_videos": Metric(
        "counter", "Videos that a step has finished; result is ok or the kind of the failure", ("step", "result")
    ),
    "w2s_stage_seconds": Metric("counter", "Seconds that actors spent on rows, by the class of the actor", ("stage",)),
    "w2s_queue_blocks": Metric("gauge", "Blocks that wait for a stage of the running stream", ("stage",)),
    "w2s_step_running": Metric("gauge", "1 while a step of the run is at work", ("step",)),
    "w2s_cpus": Metric("gauge", "Logical CPUs of the cluster"),
    "w2s_cpus_busy": Metric("gauge", "Logical CPUs that tasks and actors hold"),
    "w2s_gpus": Metric("gauge", "GPUs of the cluster"),
    "w2s_gpus_busy": Metric("gauge", "GPUs that tasks and actors hold"),
    "w2s_training_loss": Metric("gauge", "Loss of the running training", ("round",)),
    "w2s_training_lambda": Metric("gauge", "Weight of the confidence loss of the running training", ("round",)),
    "w2s_training_step": Metric("gauge", "Step of the running training", ("round",)),
    "w2s_training_steps": Metric("gauge", "Steps that the running training has", ("round",)),
    "w2s_pairs_mined": Metric("counter", "Pairs that were mined for later rounds, by their origin", ("origin",)),
}


def exported(name: str) -> str:
    """The name under which Prometheus finds a metric."""
    return f"ray_{name}{'_total' if METRICS[name].kind == 'counter' else ''}"


@lru_cache(maxsize=64)
def _metric(name: str, _session: str) -> Any:
    from ray.util.metrics import Counter, Gauge

    metric = METRICS[name]
    kind = Counter if metric.kind == "counter" else Gauge
    return kind(name, metric.description, metric.labels)


def _connected(name: str) -> Any:
    """The metric, or None where no Ray is connected."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    return _metric(name, ray.get_runtime_context().get_job_id())


@contextmanager
def _never_in_the_way() -> Iterator[None]:
    """A Ray that goes away, or that does not take a number, is no reason to stop the work that the number is about."""
    try:
        yield
    except (RuntimeError, ValueError, AttributeError) as error:
        logger.debug("a metric is not told: %s", error)


def add(name: str, amount: float, **labels: object) -> None:
    """Add to a counter; 0 is nothing."""
    if amount:
        with _never_in_the_way():
            metric = _connected(name)
            if metric is not None:
                metric.inc(amount, {key: str(value) for key, value in labels.items()})


def put(name: str, value: float, **labels: object) -> None:
    """Set a gauge, until it is set again: Ray forgets a value that is not repeated, which `watched` does."""
    with _never_in_the_way():
        metric = _connected(name)
        if metric is not None:
            tags = {key: str(value) for key, value in labels.items()}
            _values[name, tuple(tags.items())] = value
            metric.set(value, tags)


def metered(work: Callable[..., Any]) -> Callable[..., Any]:
    """The same class of actors, which counts the seconds of its calls under its name."""
    if not isinstance(work, type):
        return work
    stage = work.__name__

    class Metered:
        def __init__(self, **options: Any) -> None:
            self._work = work(**options)

        def __call__(self, rows: Any) -> Any:
            began = time.monotonic()
            try:
                return self._work(rows)
            finally:
                add("w2s_stage_seconds", time.monotonic() - began, stage=stage)

    Metered.__name__ = Metered.__qualname__ = stage  # the name that Ray shows
    return Metered


@contextmanager
def watched() -> Iterator[None]:
    """While the block runs, tell what the cluster has and what of it is in use, and repeat all gauges."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.is_set():
            try:
                _resources()
                for (name, tags), value in list(_values.items()):
                    put(name, value, **dict(tags))
            except Exception as error:  # noqa: BLE001 - a cluster that goes away is told by the work itself
                logger.debug("the cluster cannot be asked: %s", error)
            ended.wait(LOOK_S)

    thread = threading.Thread(target=follow, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        _values.clear()


def _resources() -> None:
    import ray

    have = ray.cluster_resources()  # type: ignore[no-untyped-call]
    free = ray.available_resources()  # type: ignore[no-untyped-call]
    for kind, name in (("CPU", "w2s_cpus"), ("GPU", "w2s_gpus")):
        put(name, have.get(kind, 0.0))
        put(f"{name}_busy", have.get(kind, 0.0) - free.get(kind, 0.0))
