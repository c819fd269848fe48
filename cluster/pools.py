"""The actor pools of a stream: the resources of each, its number of actors, and their shares of the CPUs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_RESTARTS = 4  # without a limit, a row that kills its process would be retried forever
MAX_TASK_RETRIES = 2
MAX_LOST_BLOCKS = 64  # a block that keeps failing is dropped; the driver notices the missing rows and records them


@dataclass(frozen=True)
class Pool:
    """One operator of a stream: a class whose instances live in actors and map a row to a row.

    Attributes:
        work: The class; created with `options` once per actor, then called with every row.
        options: Keyword arguments of the constructor.
        gpus: GPUs per actor; a fraction must divide 1, or the autoscaler never provides it.
        weight: Rough cost of a row relative to the other pools; costly pools get more actors.
        batch: Rows of one call. With more than one, `work` maps a `pyarrow.Table` of that many rows, or fewer, to a table.
        memory_gib: Memory of an actor that is always busy and needs much of it, GiB. There are never more such actors than
            CPUs, or than fit into the memory of the nodes. 0: too little to count.
    """

    work: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    gpus: float = 0.0
    weight: float = 1.0
    batch: int = 1
    memory_gib: float = 0.0


@dataclass(frozen=True)
class Room:
    """What the actors of a stream share.

    Attributes:
        cpus: Logical CPUs, at most.
        gpus: GPUs, at most.
        nodes_gib: Memory of each node, GiB.
        there: Share of the CPUs that is there when the stream begins.
        where: Labels of the nodes that may be used, in the form of Ray's label selectors; empty for all.
    """

    cpus: int
    gpus: float = math.inf
    nodes_gib: Sequence[float] = (math.inf,)
    there: float = 1.0
    where: Mapping[str, str] = field(default_factory=dict)
    off_gpus: bool = False  # nodes with GPUs are left alone


def actor_counts(pools: Sequence[Pool], room: Room) -> list[int]:
    """Number of actors of each pool: one, plus its share by weight of two per CPU (a chain is as fast as its slowest pool).

    A pool with GPUs has as many as the GPUs hold beside one actor of every other such pool: Ray Data moves them to where
    the queue is.
    """
    total = sum(pool.weight for pool in pools)
    counts = [1 + int(2 * room.cpus * pool.weight / total) for pool in pools]
    on_gpus = sum(pool.gpus for pool in pools)
    for k, pool in enumerate(pools):
        if pool.memory_gib:
            fits = sum(int(min(room.cpus, node / pool.memory_gib)) for node in room.nodes_gib)
            counts[k] = max(1, min(counts[k], room.cpus, fits))
        if pool.gpus:
            counts[k] = max(1, int(min(counts[k], (room.gpus - on_gpus) / pool.gpus + 1)))
    return counts


def cpu_share(counts: Sequence[int], cpus: int) -> float:
    """CPUs that one actor requests, so that every pool of the stream can run at the same time.

    A pool that cannot place its first actor stalls the whole chain, so the shares add up to at most 90 % of the cluster.
    """
    return min(1.0, math.floor(900 * cpus / sum(counts)) / 1000)  # rounded up, the shares would add up to more
