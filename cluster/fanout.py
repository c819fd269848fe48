"""Spread calls over a few actors and collect the results in order; actors that die are restarted a limited number of times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from cluster import ClusterError
from cluster.capacity import Capacity, Wants
from cluster.losses import MOST_RESTARTS, lost_node
from cluster.pools import MAX_RESTARTS, MAX_TASK_RETRIES, Pool, Room

_CPUS = 0.5  # of an actor: it waits for its calls most of the time


def calls(
    capacity: Capacity,
    kind: type,
    arguments: tuple[Any, ...],
    method: str,
    work: Sequence[tuple[Any, ...]],
    gpus: float = 0.0,
) -> list[Any]:
    """Call `method` on actors of class `kind` for each item of `work`; see `cluster.engine.Engine.calls`.

    The actors are stopped before this returns. Large constructor arguments are stored once for all actors. Calls that a node
    took with it are begun again.

    Raises:
        ClusterError: Nodes went away again and again before a call ended.
    """
    if not work:
        return []
    pool = [Pool(kind, gpus=gpus)]
    room = capacity.room(pool)
    count = pool_size(len(work), room, gpus)
    wants = Wants(_CPUS * count, gpus * count, _CPUS, gpus, room.off_gpus)
    answers: dict[int, Any] = {}
    in_vain = 0
    with capacity.held(wants):
        while len(answers) < len(work):
            before = len(answers)
            try:
                _round(kind, arguments, method, work, answers, gpus, capacity.room(pool))
            except Exception as error:
                if not lost_node(error):
                    raise
                in_vain = in_vain + 1 if len(answers) == before else 0
                if in_vain == MOST_RESTARTS:
                    raise ClusterError(
                        f"nodes of the cluster went away {in_vain} times in a row before {kind.__name__}.{method} ended once; "
                        "see `ray status`, then run the same command again"
                    ) from error
                capacity.say(
                    f"  a node went away: beginning again with the {len(work) - len(answers)} calls that are left"
                )
    return [answers[number] for number in range(len(work))]


def _round(
    kind: type,
    arguments: tuple[Any, ...],
    method: str,
    work: Sequence[tuple[Any, ...]],
    answers: dict[int, Any],
    gpus: float,
    room: Room,
) -> None:
    """Start actors and make the calls that have no answer yet; `answers` is filled as they come."""
    left = [number for number in range(len(work)) if number not in answers]
    remote: Any = ray.remote(kind).options(
        num_cpus=_CPUS,
        num_gpus=gpus or None,
        max_restarts=MAX_RESTARTS,
        max_task_retries=MAX_TASK_RETRIES,
        **({"label_selector": dict(room.where)} if room.where else {}),
    )
    shared = [ray.put(argument) for argument in arguments]
    handles: list[Any] = [remote.remote(*shared) for _ in range(pool_size(len(left), room, gpus))]
    # An actor without a place has no call that would wait for it: where fewer nodes come, the others do the work.
    running: dict[Any, tuple[Any, int | None]] = {actor.__ray_ready__.remote(): (actor, None) for actor in handles}
    waiting = len(left)
    try:
        while waiting:
            (done,), _ = ray.wait(list(running), num_returns=1)
            actor, number = running.pop(done)
            answer = ray.get(done)
            if number is not None:
                answers[number] = answer
                waiting -= 1
            if left:
                number = left.pop(0)
                running[getattr(actor, method).remote(*work[number])] = (actor, number)
    finally:
        for handle in handles:
            ray.kill(handle)


def pool_size(work: int, room: Room, gpus: float = 0.0) -> int:
    """Number of actors for `work` calls: at most one per call, per CPU, and per share of a GPU that they ask for."""
    most = int(room.gpus / gpus) if gpus else work
    return max(1, min(work, room.cpus, most))
