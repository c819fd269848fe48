"""A chain of actor pools as one Ray Data execution, and the resources of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import ray
import ray.data

from cluster.pools import MAX_RESTARTS, MAX_TASK_RETRIES, Pool, actor_counts, cpu_share

_GIB = 2**30


def cluster_cpus() -> int:
    """Logical CPUs of the cluster that this process is connected to, at least one."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


def cluster_gpus() -> float:
    """GPUs of the cluster that this process is connected to."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources.get("GPU", 0.0)


def node_memory_gib() -> list[float]:
    """Memory that Ray gives to actors, GiB, of each living node of the cluster that this process is connected to."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"].get("memory", 0.0) / _GIB for node in nodes if node["Alive"]]


def chain(dataset: ray.data.Dataset, pools: Sequence[Pool], cpus: int) -> ray.data.Dataset:
    """Send every row of a dataset through all the pools, one after the other, in one streaming execution.

    Args:
        dataset: Rows in small blocks (the block is the unit that is retried and lost).
        pools: The operators in order.
        cpus: Logical CPUs of the cluster.
    """
    nodes = node_memory_gib()
    counts = [
        min(count, max(1, int(cluster_gpus() / pool.gpus))) if pool.gpus else count
        for pool, count in zip(pools, actor_counts(pools, cpus, nodes), strict=True)
    ]
    share = cpu_share(counts, cpus)
    for pool, count in zip(pools, counts, strict=True):
        work: Any = dataset.map
        if pool.batch > 1:
            work = partial(dataset.map_batches, batch_size=pool.batch, batch_format="pyarrow")
        dataset = work(
            pool.work,
            fn_constructor_kwargs=dict(pool.options),
            compute=_size(pool, count),
            num_cpus=share,
            num_gpus=pool.gpus or None,
            # Ray waits forever for memory that no node has, so a request is capped at the largest node.
            memory=int(min(pool.memory_gib, max(nodes)) * _GIB) or None,
            max_restarts=MAX_RESTARTS,
            max_task_retries=MAX_TASK_RETRIES,
        )
    return dataset


def _size(pool: Pool, count: int) -> ray.data.ActorPoolStrategy:
    """Number of actors of a pool, and how many rows may wait for each."""
    if pool.memory_gib:
        # Long rows must not queue for one actor while another is idle (Ray's default queue is four). With a queue of one,
        # Ray never restarts an actor that it released while the first rows were being decoded, so the size is fixed.
        return ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=1)
    return ray.data.ActorPoolStrategy(min_size=1, max_size=count, initial_size=1 if pool.gpus else count)
