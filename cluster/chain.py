"""A chain of actor pools as one Ray Data execution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray.data

from cluster.capacity import Wants, least, whole
from cluster.metrics import metered
from cluster.pools import MAX_RESTARTS, MAX_TASK_RETRIES, Pool, Room, packed

_GIB = 2**30


@dataclass(frozen=True)
class Sizes:
    """How many actors the pools of a chain have.

    Attributes:
        most: Of each pool, at most.
        first: Of each pool, when the stream begins.
        share: CPUs of each actor that has no GPU.
    """

    most: list[int]
    first: list[int]
    share: float


def sizes(pools: Sequence[Pool], room: Room, rows: int) -> Sizes:
    """The sizes of the pools of one stream; an actor without a row is of no use."""
    counts, share = packed(pools, room)
    most = [min(count, max(1, math.ceil(rows / pool.batch))) for pool, count in zip(pools, counts, strict=True)]
    return Sizes(most, [max(1, int(count * room.there)) for count in most], share)


def wants(pools: Sequence[Pool], room: Room, rows: int) -> Wants:
    """What a chain can use, and what it cannot begin without: one actor of each pool."""
    plan = sizes(pools, room, rows)
    gpus = sum(count * pool.gpus for pool, count in zip(pools, plan.most, strict=True))
    on_cpus = [count for pool, count in zip(pools, plan.most, strict=True) if not pool.gpus]
    return Wants(
        cpus=min(room.cpus, math.ceil(plan.share * sum(on_cpus))),
        gpus=min(room.gpus, gpus),
        least_cpus=plan.share * len(on_cpus),
        least_gpus=math.ceil(whole(least(pools)).gpus),
        off_gpus=room.off_gpus,
    )


def chain(dataset: ray.data.Dataset, pools: Sequence[Pool], room: Room, rows: int) -> ray.data.Dataset:
    """Send every row of a dataset through all the pools, one after the other, in one streaming execution.

    Args:
        dataset: Rows in small blocks (the block is the unit that is retried and lost).
        pools: The operators in order.
        room: What their actors share.
        rows: Number of rows.
    """
    plan = sizes(pools, room, rows)
    largest = max((node.memory_gib for node in room.nodes if node.cpus), default=math.inf)
    for pool, first, most in zip(pools, plan.first, plan.most, strict=True):
        work: Any = dataset.map
        if pool.batch > 1:
            work = partial(dataset.map_batches, batch_size=pool.batch, batch_format="pyarrow")
        dataset = work(
            pool.work if pool.parts else metered(pool.work),  # joined pools are metered one by one
            fn_constructor_kwargs=dict(pool.options),
            compute=_size(pool, first, most),
            num_cpus=0 if pool.gpus else plan.share,
            num_gpus=pool.gpus or None,
            # Ray waits forever for memory that no node has, so a request is capped at the largest node.
            memory=int(min(pool.memory_gib, largest) * _GIB) or None,
            max_restarts=MAX_RESTARTS,
            max_task_retries=MAX_TASK_RETRIES,
            **_placing(pool, room),
        )
    return dataset


def _placing(pool: Pool, room: Room) -> dict[str, Any]:
    """Where Ray may put the actors of a pool."""
    where: dict[str, Any] = {"label_selector": dict(room.where)} if room.where else {}
    if pool.gpus:
        # Ray Data spreads actors over the nodes. Actors with a part of a GPU would then take a part of many, and none
        # would be left whole for an actor that needs a whole one.
        where["scheduling_strategy"] = "DEFAULT"
    return where


def _size(pool: Pool, first: int, most: int) -> ray.data.ActorPoolStrategy:
    """Number of actors of a pool, and how many rows may wait for each."""
    if pool.memory_gib:
        # Long rows must not queue for one actor while another is idle (Ray's default queue is four). With a queue of one,
        # Ray never restarts an actor that it released while the first rows were being decoded, so the size is fixed.
        return ray.data.ActorPoolStrategy(size=most, max_tasks_in_flight_per_actor=1)
    return ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=1 if pool.gpus else first)
