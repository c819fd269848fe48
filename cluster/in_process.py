"""The engine for small jobs: actors are objects in this process, and Ray is not started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from actors.media.rows import check_storage
from cluster import ClusterError
from cluster.capacity import Bundle
from cluster.engine import MAX_BLOCK_ROWS, Progress, Row, Rows, listed, silent
from cluster.pools import Pool

if TYPE_CHECKING:
    from trainers.job import ProgressCallback, TrainJob


@contextmanager
def chained(pools: Sequence[Pool]) -> Iterator[Callable[[Row], Row]]:
    """One actor of each pool, as a function that takes a row through all of them; they are closed at the end."""
    actors = [(pool.work(**pool.options), pool.batch) for pool in pools]

    def chain(row: Row) -> Row:
        for actor, batch in actors:
            row = actor(pa.Table.from_pylist([row])).to_pylist()[0] if batch > 1 else actor(row)
        return row

    try:
        yield chain
    finally:
        for actor, _ in actors:
            if hasattr(actor, "close"):
                actor.close()


class InProcess:
    """A `cluster.engine.Engine` that processes one row at a time here. A row that kills its process kills this process."""

    def start(self, needs: Mapping[str, Sequence[Bundle]] | None = None) -> None:
        """Do nothing: there is nothing to prepare."""

    def stream(
        self,
        table: Rows,
        pools: Sequence[Pool],
        progress: Progress = silent,
        key: str = "video_id",  # noqa: ARG002 - no row can be lost here
        most_rows: int = MAX_BLOCK_ROWS,  # noqa: ARG002 - there are no blocks
    ) -> Iterator[list[Row]]:
        """See `Engine.stream`; every row alone, in the order of the table."""
        rows = listed(table)
        if not rows:
            return
        with chained(pools) as chain:
            for row in rows:
                result = chain(row)
                check_storage([result])
                progress(1)
                yield [result]

    def calls(
        self,
        kind: type,
        arguments: tuple[Any, ...],
        method: str,
        work: Sequence[tuple[Any, ...]],
        gpus: float = 0.0,  # noqa: ARG002 - the object uses what this process has
    ) -> list[Any]:
        """As `Engine.calls`, with one object."""
        call = getattr(kind(*arguments), method)
        return [call(*item) for item in work]

    def train(self, job: TrainJob, on_progress: ProgressCallback | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Refuse: a training runs in processes of Ray.

        Raises:
            ClusterError: Always.
        """
        raise ClusterError(f"training {job.name} needs Ray; run it with a RayEngine")
