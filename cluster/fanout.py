"""Spread calls over a few actors and take the answers in order; actors that die are started again a bounded number of times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.util import ActorPool

from actors.compare import Comparer
from cluster.pools import MAX_RESTARTS, MAX_TASK_RETRIES, cluster_cpus, cluster_gpus


@contextmanager
def actors(
    kind: type, arguments: tuple[Any, ...], count: int, cpus: float = 0.5, gpus: float = 0.0
) -> Iterator[ActorPool]:
    """A pool of ``count`` actors of class ``kind``, gone when the block ends. Large arguments are stored once."""
    remote: Any = ray.remote(kind).options(
        num_cpus=cpus, num_gpus=gpus or None, max_restarts=MAX_RESTARTS, max_task_retries=MAX_TASK_RETRIES
    )
    shared = [ray.put(argument) for argument in arguments]
    handles: list[Any] = [remote.remote(*shared) for _ in range(count)]
    try:
        yield ActorPool(handles)
    finally:
        for handle in handles:
            ray.kill(handle)


@contextmanager
def comparers(gpus: float, student: Path, anchors: np.ndarray, work: int = 1) -> Iterator[ActorPool]:
    """Actors that hold the student of a folder and its anchors' features, for ``work`` calls, each on ``gpus`` GPUs."""
    most = int(cluster_gpus() / gpus) if gpus else work
    with actors(Comparer, (str(student), anchors), max(1, min(pool_size(work), most)), gpus=gpus) as pool:
        yield pool


def ordered(pool: ActorPool, call: Callable[[Any, Any], Any], work: Sequence[Any]) -> list[Any]:
    """``call(actor, item)`` for each item of ``work``, the answers in the order of ``work``."""
    return list(pool.map(call, list(work)))


def pool_size(work: int) -> int:
    """Actors for ``work`` calls: no more than the cluster has CPUs, no more than there is work."""
    return max(1, min(work, cluster_cpus()))
