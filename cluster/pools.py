"""The actor pools of a stream: what each may use, how many actors it has, and their shares of the CPUs, with the reasons."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_RESTARTS = 4  # a row that kills its process is otherwise retried for ever
MAX_TASK_RETRIES = 2
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


def actor_counts(pools: Sequence[Pool], cpus: int, nodes_gib: Sequence[float] = (math.inf,)) -> list[int]:
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


def cpu_share(counts: Sequence[int], cpus: int) -> float:
    """CPUs that one actor asks for, so that every pool of the stream is alive at once with some room to spare.

    A pool that cannot place its first actor would stall the whole chain, so the shares add up to at most 90 % of the
    cluster.
    """
    return min(1.0, math.floor(900 * cpus / sum(counts)) / 1000)  # rounded up, the shares would add up to more
