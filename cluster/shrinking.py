"""Keeps the pools of a stream from giving up actors that they need again a moment later."""

from __future__ import annotations

from typing import Any

from ray.data._internal.execution.execution_callback import ExecutionCallback

KEEP_S = 120.0  # more than a network takes to load


class Steady(ExecutionCallback):
    """Lets a pool shrink only when it has not grown for two minutes.

    Ray Data takes an actor away as soon as a pool has nothing to do for one moment, ten seconds after it came, and starts
    another one at the next full queue. A pool of networks would load its weights again and again.
    """

    def on_execution_step(self, executor: Any) -> None:
        """Tell all pools, those of operators that have just begun too."""
        for operator in executor._topology:  # noqa: SLF001
            for pool in operator.get_autoscaling_actor_pools():
                pool._debounce_period_s = KEEP_S  # noqa: SLF001
