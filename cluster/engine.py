"""The interface between a step and the machines that do its work.

`RayEngine` is a cluster; `cluster.processes` are some processes of this machine, `cluster.in_process` is this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import pyarrow as pa

from cluster import ClusterError
from cluster.capacity import Bundle, Capacity, whole
from cluster.pools import Pool

if TYPE_CHECKING:
    from cluster.session import Session
    from trainers.job import ProgressCallback, TrainJob

Row = dict[str, Any]
# A table, or a list: Arrow imports pandas before it makes a table of rows, and here they become rows again.
Rows: TypeAlias = pa.Table | Sequence[Row]
Progress = Callable[[int], object]  # called with the number of rows just finished
MAX_BLOCK_ROWS = 32  # a lost block loses this many rows at most
# Of a block whose rows carry decoded frames; it is cut apart again as it grows (`cluster.session.MAX_BLOCK_BYTES`). The decodes
# of a block may all run into their time-outs before a stream counts as standing still (`SessionSettings.no_progress_timeout_s`).
PIXEL_ROWS = 12


def listed(table: Rows) -> list[Row]:
    """The rows of a table, or of a list."""
    rows: list[Row] = table.to_pylist() if isinstance(table, pa.Table) else list(table)
    return rows


def silent(_count: int) -> None:
    """A `Progress` that shows nothing."""


def crashed(row: Row, key: str) -> Row:
    """The row as one whose process died at every try."""
    message = f"{row[key]}: the worker process died at every try of this row; check the file {row.get('uri', '')}"
    return {**row, "status": "failed", "error_kind": "crash", "error": message}


class Engine(Protocol):
    """Runs rows through actor pools, calls of actors, and trainings."""

    def start(self, needs: Mapping[str, Sequence[Bundle]] | None = None) -> None:
        """Get ready for work; called before the first step that has to run. Further calls cost nothing.

        Args:
            needs: Name of each step -> the processes without which it cannot work; refused at once if they never fit.
        """

    def stream(
        self,
        table: Rows,
        pools: Sequence[Pool],
        progress: Progress = silent,
        key: str = "video_id",
        most_rows: int = MAX_BLOCK_ROWS,
    ) -> Iterator[list[Row]]:
        """Yield batches of finished rows, in no particular order.

        Args:
            table: Small rows (no pixels) with a unique `key`.
            pools: The operators in order.
            progress: Called with the number of rows of every batch.
            key: Name of the unique column.
            most_rows: Largest number of rows in a block; `PIXEL_ROWS` if rows carry decoded frames.
        """

    def calls(
        self, kind: type, arguments: tuple[Any, ...], method: str, work: Sequence[tuple[Any, ...]], gpus: float = 0.0
    ) -> list[Any]:
        """Call a method of some actors once for every item of `work`.

        Args:
            kind: The class of the actors.
            arguments: Arguments of its constructor.
            method: Name of the method.
            work: The arguments of each call.
            gpus: GPUs of each actor.

        Returns:
            The results, in the order of `work`.
        """

    def train(self, job: TrainJob, on_progress: ProgressCallback | None = None) -> dict[str, Any]:
        """Train a student; see `trainers.launch.train`."""


def collect(
    engine: Engine,
    table: Rows,
    pools: Sequence[Pool],
    finish: Callable[[Row], Row] = dict,
    progress: Progress = silent,
) -> list[Row]:
    """Run `Engine.stream` to its end and return `finish(row)` of every row, ordered by `video_id`."""
    rows = [finish(row) for batch in engine.stream(table, pools, progress) for row in batch]
    return sorted(rows, key=lambda row: str(row["video_id"]))


class RayEngine:
    """A Ray cluster that is joined when a step first needs it; a finished run never joins one.

    Args:
        session: Opens the connection, such as `lambda: cluster.session.connect(address, settings)`.
    """

    def __init__(self, session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._session = session
        self._stack: ExitStack | None = None
        self._joined: Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stack is not None:
            self._stack.__exit__(kind, error, trace)
            self._stack = self._joined = None

    def start(self, needs: Mapping[str, Sequence[Bundle]] | None = None) -> None:
        """Join the cluster, once; see `Engine.start`.

        Raises:
            ClusterError: There is no cluster, or it can never satisfy a need.
        """
        if self._stack is None:
            with ExitStack() as stack:
                self._joined = stack.enter_context(self._session())
                self._stack = stack.pop_all()
        self.capacity.require(needs or {})

    @property
    def capacity(self) -> Capacity:
        """What the cluster has and can have; it must have been joined."""
        if self._joined is None:
            raise ClusterError("no Ray has been joined yet")
        return self._joined.capacity

    def stream(
        self,
        table: Rows,
        pools: Sequence[Pool],
        progress: Progress = silent,
        key: str = "video_id",
        most_rows: int = MAX_BLOCK_ROWS,
    ) -> Iterator[list[Row]]:
        """See `Engine.stream`; a row whose process died at every retry comes back failed, with the kind `crash`."""
        from cluster.stream import stream

        self.start()
        yield from stream(self.capacity, table, pools, progress, key, most_rows)

    def calls(
        self, kind: type, arguments: tuple[Any, ...], method: str, work: Sequence[tuple[Any, ...]], gpus: float = 0.0
    ) -> list[Any]:
        """See `Engine.calls`; actors that die are restarted a limited number of times."""
        from cluster.fanout import calls

        self.start()
        return calls(self.capacity, kind, arguments, method, work, gpus)

    def train(self, job: TrainJob, on_progress: ProgressCallback | None = None) -> dict[str, Any]:
        """See `Engine.train`; begins once all its workers have a place."""
        from trainers.launch import train, worker_bundles

        self.start()
        with self.capacity.held(whole(worker_bundles(job))):
            return train(job, on_progress)
