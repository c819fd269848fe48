"""From configuration to Ray Data pools: sizes, shares of a CPU, and bounded restarts, with the reasons."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
import ray.data

MAX_RESTARTS = 4  # a row that kills its process is otherwise retried for ever
MAX_TASK_RETRIES = 2
_GIB = 2**30
MAX_LOST_BLOCKS = (
    64  # a poisoned block is dropped after its retries; the driver finds its rows missing and records them
)


@dataclass(frozen=True)
class Pool:
    """One operator of a stream: a class whose instances live in actors and map a row to a row.

    Attributes:
        work: The class; called with ``options`` once per actor and then with every row.
        options: Keyword arguments of the constructor.
        gpus: GPUs per actor; fractions must divide 1, or the autoscaler never serves them.
        weight: Rough cost of a row relative to the other pools; costly pools get more actors.
        batch: Rows of one call. With more than one, ``work`` maps a `pyarrow.Table` of that many rows, or fewer, to a table.
        memory_gib: Of an actor that computes without pause and holds much; never more of these than CPUs, nor than the
            nodes have memory for. 0: too little to count.
    """

    work: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    gpus: float = 0.0
    weight: float = 1.0
    batch: int = 1
    memory_gib: float = 0.0


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


def actor_counts(pools: list[Pool], cpus: int, nodes_gib: Sequence[float] = (math.inf,)) -> list[int]:
    """Actors of each pool: one each, and two more per CPU shared by weight, since a chain is as fast as its slowest pool.

    Args:
        pools: Of one stream.
        cpus: Logical CPUs of the cluster.
        nodes_gib: Memory of each node, GiB.
    """
    total = sum(pool.weight for pool in pools)
    counts = [1 + int(2 * cpus * pool.weight / total) for pool in pools]
    for k, pool in enumerate(pools):
        if pool.memory_gib:
            room = sum(int(min(cpus, node / pool.memory_gib)) for node in nodes_gib)
            counts[k] = max(1, min(counts[k], cpus, room))
    return counts


def cpu_share(counts: list[int], cpus: int) -> float:
    """CPUs that one actor asks for, so that every pool of the stream is alive at once with some room to spare.

    A pool that cannot place its first actor would stall the whole chain, so the shares add up to at most 90 % of the
    cluster.
    """
    return min(1.0, math.floor(900 * cpus / sum(counts)) / 1000)  # rounded up, the shares would add up to more


def chain(dataset: ray.data.Dataset, pools: list[Pool], cpus: int) -> ray.data.Dataset:
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
            # what no node has would be waited for for ever: such an actor gets the largest node and the system's judgement
            memory=int(min(pool.memory_gib, max(nodes)) * _GIB) or None,
            max_restarts=MAX_RESTARTS,
            max_task_retries=MAX_TASK_RETRIES,
        )
    return dataset


def _size(pool: Pool, count: int) -> ray.data.ActorPoolStrategy:
    """How many actors a pool has, and how many rows wait for one of them."""
    if pool.memory_gib:
        # Long rows must not queue for one actor while another is idle (Ray gives each four). With one at a time Ray would
        # never call back an actor that it let go while the first rows were being decoded: so it may let none go.
        return ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=1)
    return ray.data.ActorPoolStrategy(min_size=1, max_size=count, initial_size=1 if pool.gpus else count)
