"""Telling work that ended because a node went from work that failed; the former is begun again, a limited number of times."""

from __future__ import annotations

from ray import exceptions

from cluster import causes

MOST_RESTARTS = 3  # in a row, without one row or call that ended
# A preempted or drained node takes its actors, their objects, and what was about to be placed there.
_OF_A_NODE = (
    exceptions.RayActorError,
    exceptions.NodeDiedError,
    exceptions.WorkerCrashedError,
    exceptions.ObjectLostError,
    exceptions.TaskUnschedulableError,
    exceptions.ActorUnschedulableError,
)


def lost_node(error: BaseException) -> bool:
    """Whether an error is that of a process or a node that is gone, and not of the work; not of an actor that cannot start."""
    return any(
        isinstance(cause, _OF_A_NODE) and not getattr(cause, "actor_init_failed", False) for cause in causes(error)
    )
