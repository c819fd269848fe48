"""Telling work that ended because a node went from work that failed; the former is begun again, a limited number of times."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray import exceptions
from ray.data._internal.execution.execution_callback import ExecutionCallback

from cluster import causes

MOST_RESTARTS = 3  # in a row, without one row or call that ended
_LOOK_S = 2.0  # between two looks at the nodes


class NodeGone(Exception):  # noqa: N818 - the work is fine, and goes on elsewhere
    """A node is gone, and what Ray Data left to its actors waits for a place that does not come."""


# A preempted or drained node takes its actors, their objects, and what was about to be placed there.
_OF_A_NODE = (
    exceptions.RayActorError,
    exceptions.NodeDiedError,
    exceptions.WorkerCrashedError,
    exceptions.ObjectLostError,
    exceptions.TaskUnschedulableError,
    exceptions.ActorUnschedulableError,
    NodeGone,
)


def lost_node(error: BaseException) -> bool:
    """Whether an error is that of a process or a node that is gone, and not of the work; not of an actor that cannot start."""
    return any(
        isinstance(cause, _OF_A_NODE) and not getattr(cause, "actor_init_failed", False) for cause in causes(error)
    )


class NodeWatch(ExecutionCallback):
    """Ends an execution of Ray Data that stands still after a node went away.

    Rows that were handed to an actor wait for that actor. Ray starts it again where there is room; where there is none, they
    would wait until Ray Data notices after half an hour that nothing moves, while other actors are idle.

    Args:
        patience_s: Seconds without any progress after a node went away.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._nodes: set[str] = set()
        self._gone = False
        self._seen: list[tuple[int, int]] = []
        self._looked = self._moved = time.monotonic()

    def on_execution_step(self, executor: Any) -> None:
        """Look at the nodes and at the progress of the operators, now and then."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        living = {node["NodeID"] for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
        self._gone = self._gone or bool(self._nodes - living)
        self._nodes |= living
        seen = [
            (operator.metrics.num_outputs_taken, operator.metrics.num_tasks_finished)
            for operator in executor._topology  # noqa: SLF001
        ]
        if seen != self._seen:
            self._seen, self._moved = seen, now
        elif self._gone and now - self._moved >= self._patience_s:
            raise NodeGone(f"no row moved for {self._patience_s:.0f} s after a node went away")
