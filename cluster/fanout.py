"""Spread calls over a few actors and collect the results in order; calls whose actor died go to another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from cluster import ClusterError
from cluster.capacity import Capacity, Wants
from cluster.losses import MOST_RESTARTS, lost_node
from cluster.pools import Pool, Room

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

    The actors are stopped before this returns. Large constructor arguments are stored once for all actors. Calls whose actor
    died go to the other actors, or, when none is left, to new ones.

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
                        f"the processes of {kind.__name__}.{method}, or their nodes, went away {in_vain} times in a row before one "
                        "call ended; see `ray status`, then run the same command again"
                    ) from error
                capacity.say(
                    f"  a process or its node went away: beginning again with the {len(work) - len(answers)} calls that are left"
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
    left = [number for number in reversed(range(len(work))) if number not in answers]
    # Ray does not start these actors again: where no place is left, their calls would wait for one without an end.
    remote: Any = ray.remote(kind).options(
        num_cpus=_CPUS,
        num_gpus=gpus or None,
        **({"label_selector": dict(room.where)} if room.where else {}),
    )
    shared = [ray.put(argument) for argument in arguments]
    handles: list[Any] = [remote.remote(*shared) for _ in range(pool_size(len(left), room, gpus))]
    # An actor without a place has no call that would wait for it: where fewer nodes come, the others do the work.
    starting: dict[Any, Any] = {actor.__ray_ready__.remote(): actor for actor in handles}
    idle: list[Any] = []
    running: dict[Any, tuple[Any, int]] = {}
    try:
        while left or running:
            while left and idle:
                actor, number = idle.pop(), left.pop()
                running[getattr(actor, method).remote(*work[number])] = actor, number
            (done,), _ = ray.wait([*running, *starting], num_returns=1)
            if done in starting:
                actor = starting.pop(done)
                ray.get(done)
            else:
                actor, number = running.pop(done)
                try:
                    answers[number] = ray.get(done)
                except Exception as error:
                    if not lost_node(error) or not (idle or running):
                        raise
                    left.append(number)  # for one of the other actors
                    continue
            idle.append(actor)
    finally:
        for handle in handles:
            ray.kill(handle)


def pool_size(work: int, room: Room, gpus: float = 0.0) -> int:
    """Number of actors for `work` calls: at most one per call, per CPU, and per share of a GPU that they ask for."""
    most = int(room.gpus / gpus) if gpus else work
    return max(1, min(work, room.cpus, most))
