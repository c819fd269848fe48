"""When the pools of a stream grow and shrink, where Ray Data's own rules leave GPUs idle or load networks twice."""

from __future__ import annotations

import time
from typing import Any

from ray.data._internal.actor_autoscaler.autoscaling_actor_pool import ActorPoolScalingRequest
from ray.data._internal.execution.execution_callback import ExecutionCallback

KEEP_S = 120.0  # more than a network takes to load
_LOOK_S = 1.0  # between two looks at the free GPUs
_FULL = 1.75  # tasks per actor from which Ray Data, too, calls a pool full


class Resizing(ExecutionCallback):
    """Keeps actors that are needed again a moment later, and gives free GPUs to the pool that waits longest.

    Ray Data takes an actor away as soon as a pool has nothing to do for one moment, ten seconds after it came, and starts
    another one at the next full queue. A pool of networks would load its weights again and again.

    It also divides the GPUs that are free by the number of operators, and a pool may take its own part only. With five pools and
    one free GPU each part is a fifth, and a pool whose actors need a whole GPU never gets it.
    """

    def __init__(self) -> None:
        self._looked = time.monotonic()

    def on_execution_step(self, executor: Any) -> None:
        """Look at all pools, those of operators that have just begun too."""
        for operator in executor._topology:  # noqa: SLF001
            for pool in operator.get_autoscaling_actor_pools():
                pool._debounce_period_s = KEEP_S  # noqa: SLF001
        if time.monotonic() - self._looked >= _LOOK_S:
            self._looked = time.monotonic()
            _hand_out(executor)


def _hand_out(executor: Any) -> None:
    """Let one full pool grow by one actor, if its GPUs are free; the longest queue for each actor comes first."""
    resources = executor._resource_manager  # noqa: SLF001
    free = resources.get_global_limits().subtract(resources.get_global_usage())
    waiting = []
    for operator, state in executor._topology.items():  # noqa: SLF001
        for pool in operator.get_autoscaling_actor_pools():
            actor = pool.per_actor_resource_usage()
            if not actor.gpu or actor.gpu > free.gpu or actor.cpu > free.cpu or actor.memory > free.memory:
                continue
            if pool.num_pending_actors() or not pool.num_running_actors() or pool.current_size() >= pool.max_size():
                continue
            queue = state.total_enqueued_input_blocks()
            if queue and pool.get_pool_util() >= _FULL:
                waiting.append(((queue + pool.num_tasks_in_flight()) / pool.num_running_actors(), pool))
    if waiting:
        _, pool = max(waiting, key=lambda each: each[0])
        pool.scale(ActorPoolScalingRequest.upscale(delta=1, reason="a free GPU, and the longest queue"))
