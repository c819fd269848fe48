"""The actor pools of a stream: the resources of each, its number of actors, and their shares of the CPUs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.ceiling import Nodes
from cluster.metrics import metered

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
        parts: The pools that it joins, if it does.
    """

    work: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    gpus: float = 0.0
    weight: float = 1.0
    batch: int = 1
    memory_gib: float = 0.0
    parts: tuple[Pool, ...] = ()


@dataclass(frozen=True)
class Room:
    """What the actors of a stream share.

    Attributes:
        cpus: Logical CPUs, at most.
        gpus: GPUs, at most.
        nodes: The nodes that may be used, by kind, empty if there is one of all the CPUs. An actor lies on one of them: what
            several have left over is of no use to it.
        there: Share of the CPUs that is there when the stream begins.
        where: Labels of the nodes that may be used, in the form of Ray's label selectors; empty for all.
    """

    cpus: int
    gpus: float = math.inf
    nodes: Sequence[Nodes] = ()
    there: float = 1.0
    where: Mapping[str, str] = field(default_factory=dict)
    off_gpus: bool = False  # nodes with GPUs are left alone


def joined(pools: Sequence[Pool]) -> list[Pool]:
    """The pools with neighbours joined where nothing keeps them apart: an actor of theirs takes a row through all of them.

    What keeps pools apart is a GPU, much memory, or a batch. Actors of joined pools are fewer, none waits for another, and
    pixels do not travel between them; each costs a process that has to start and to import its libraries.
    """
    found: list[list[Pool]] = []
    for pool in pools:
        if found and _joins(found[-1][-1]) and _joins(pool):
            found[-1].append(pool)
        else:
            found.append([pool])
    return [group[0] if len(group) == 1 else _together(group) for group in found]


def _joins(pool: Pool) -> bool:
    return not pool.gpus and not pool.memory_gib and pool.batch == 1


def _together(pools: Sequence[Pool]) -> Pool:
    class Together:
        def __init__(self) -> None:
            self._actors = [metered(pool.work)(**pool.options) for pool in pools]

        def __call__(self, row: Any) -> Any:
            for actor in self._actors:
                row = actor(row)
            return row

    names = [getattr(pool.work, "__name__", "pool") for pool in pools]
    Together.__name__ = Together.__qualname__ = "And".join(names)  # the name that Ray shows
    return Pool(Together, weight=sum(pool.weight for pool in pools), parts=tuple(pools))


def actor_counts(pools: Sequence[Pool], room: Room) -> list[int]:
    """Number of actors of each pool: one, plus its share by weight of two per CPU (a chain is as fast as its slowest pool).

    A pool that is the only one has one per CPU, and one more: no other one is there to wait for.

    A pool with GPUs has as many as the GPUs hold beside one actor of every other such pool: Ray Data moves them to where
    the queue is.
    """
    total = sum(pool.weight for pool in pools)
    counts = [1 + int(2 * room.cpus * pool.weight / total) for pool in pools]
    if len(pools) == 1:
        counts = [room.cpus + 1]
    on_gpus = sum(pool.gpus for pool in pools)
    for k, pool in enumerate(pools):
        if pool.memory_gib:
            counts[k] = max(1, min(counts[k], room.cpus, *_held(pool.memory_gib, room)))
        if pool.gpus:
            counts[k] = max(1, int(min(counts[k], (room.gpus - on_gpus) / pool.gpus + 1)))
    return counts


def _held(memory_gib: float, room: Room) -> list[int]:
    """How many actors of that memory the nodes hold, not more of them than CPUs; empty if the nodes are not known."""
    each = [(node.count, min(node.cpus, node.memory_gib / memory_gib)) for node in room.nodes]
    return [int(sum(count * int(actors) for count, actors in each))] if each else []


def packed(pools: Sequence[Pool], room: Room) -> tuple[list[int], float]:
    """Number of actors of each pool, and the CPUs of one that has no GPU, so that all of these find a place on the nodes.

    One without a place waits, and an autoscaler starts any node for it that has a CPU, even one with GPUs. So there are a few
    fewer, or where that is not enough, their shares are smaller.

    An actor on a GPU asks for no CPU, as in Ray Data by itself: others could take the CPUs of all nodes with GPUs, and the
    chain would stand still beside GPUs that are free.
    """
    counts = actor_counts(pools, room)
    on_cpus = [k for k, pool in enumerate(pools) if not pool.gpus]
    if not on_cpus:
        return counts, 0.0
    fewer = list(counts)
    for _ in range(len(on_cpus) + 1):  # what each pool has beside its part of two per CPU
        share = cpu_share([fewer[k] for k in on_cpus], room.cpus)
        if places(room.nodes, share) >= sum(fewer[k] for k in on_cpus):
            return fewer, share
        largest = max(on_cpus, key=lambda k: (fewer[k], -pools[k].weight))
        fewer[largest] = max(1, fewer[largest] - 1)
    actors = [counts[k] for k in on_cpus]
    return counts, _fitting(room.nodes, sum(actors), cpu_share(actors, room.cpus))


def places(nodes: Sequence[Nodes], share: float) -> float:
    """Number of actors that find `share` CPUs each on some nodes; shares are whole thousandths."""
    if not nodes:
        return math.inf
    return sum(node.count * (int(1000 * node.cpus) // round(1000 * share)) for node in nodes)


def _fitting(nodes: Sequence[Nodes], actors: int, most: float) -> float:
    """The largest share, of at most `most` CPUs, of which `actors` find a place; `most` where there is none."""
    shares = {math.floor(1000 * node.cpus / each) / 1000 for node in nodes for each in range(1, actors + 1)}
    return max((share for share in shares if 0 < share <= most and places(nodes, share) >= actors), default=most)


def cpu_share(counts: Sequence[int], cpus: int) -> float:
    """CPUs that one actor requests, so that every pool of the stream can run at the same time.

    A pool that cannot place its first actor stalls the whole chain, so the shares add up to at most 90 % of the cluster.
    """
    return min(1.0, math.floor(900 * cpus / sum(counts)) / 1000)  # rounded up, the shares would add up to more
