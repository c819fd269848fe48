"""Tells Prometheus how much waits in the streams of Ray Data."""

from __future__ import annotations

import time
from typing import Any

from ray.data._internal.execution.execution_callback import ExecutionCallback

from cluster.metrics import LOOK_S, put


class Depths(ExecutionCallback):
    """Tells how much waits for each stage of a stream."""

    def __init__(self) -> None:
        self._looked = 0.0

    def after_execution_succeeds(self, executor: Any) -> None:
        """Nothing waits any more."""
        for operator in executor._topology:  # noqa: SLF001
            put("w2s_queue_blocks", 0, stage=operator.name)

    def after_execution_fails(self, executor: Any, error: Exception) -> None:  # noqa: ARG002 - told by the stream
        """Nothing waits any more."""
        self.after_execution_succeeds(executor)

    def on_execution_step(self, executor: Any) -> None:
        """Look at the queues, now and then."""
        now = time.monotonic()
        if now - self._looked >= LOOK_S:
            self._looked = now
            for operator, state in executor._topology.items():  # noqa: SLF001
                put("w2s_queue_blocks", state.total_enqueued_input_blocks(), stage=operator.name)
