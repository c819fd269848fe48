"""Spread calls over a few actors and collect the results in order; actors that die are restarted a limited number of times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray
from ray.util import ActorPool

from cluster.chain import cluster_cpus, cluster_gpus
from cluster.pools import MAX_RESTARTS, MAX_TASK_RETRIES

_CPUS = 0.5  # of an actor: it waits for its calls most of the time


def calls(
    kind: type, arguments: tuple[Any, ...], method: str, work: Sequence[tuple[Any, ...]], gpus: float = 0.0
) -> list[Any]:
    """Call `method` on actors of class `kind` for each item of `work`; see `cluster.engine.Engine.calls`.

    The actors are stopped before this returns. Large constructor arguments are stored once for all actors.
    """
    if not work:
        return []
    remote: Any = ray.remote(kind).options(
        num_cpus=_CPUS, num_gpus=gpus or None, max_restarts=MAX_RESTARTS, max_task_retries=MAX_TASK_RETRIES
    )
    shared = [ray.put(argument) for argument in arguments]
    handles: list[Any] = [remote.remote(*shared) for _ in range(pool_size(len(work), gpus))]
    try:
        answers = ActorPool(handles).map(lambda actor, item: getattr(actor, method).remote(*item), list(work))
        return list(answers)
    finally:
        for handle in handles:
            ray.kill(handle)


def pool_size(work: int, gpus: float = 0.0) -> int:
    """Number of actors for `work` calls: at most one per call, per CPU, and per share of a GPU that they ask for."""
    most = int(cluster_gpus() / gpus) if gpus else work
    return max(1, min(work, cluster_cpus(), most))
