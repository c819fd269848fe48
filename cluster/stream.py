"""One way to run rows through actor pools: Ray Data streams them, the driver receives them, none is ever lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import ray.data

from actors.media.rows import check_storage
from cluster.chain import chain, cluster_cpus
from cluster.engine import MAX_BLOCK_ROWS, Progress, Row, silent
from cluster.pools import MAX_LOST_BLOCKS, Pool

_BLOCKS_PER_CPU = 8  # enough blocks that every actor has work until near the end


def block_rows(rows: int, cpus: int, most: int = MAX_BLOCK_ROWS) -> int:
    """Rows of one block: small enough to spread over all actors, large enough that Ray's per-block cost stays small."""
    return max(1, min(most, rows // (_BLOCKS_PER_CPU * cpus)))


def stream(
    table: pa.Table,
    pools: Sequence[Pool],
    progress: Progress = silent,
    key: str = "video_id",
    most_rows: int = MAX_BLOCK_ROWS,
) -> Iterator[list[Row]]:
    """Yield batches of finished rows, in no particular order.

    Args:
        table: Small rows (no pixels) with a unique ``key``.
        pools: The operators in order (`cluster.pools.chain`).
        progress: Called with the number of rows of every batch.
        key: Name of the unique column.
        most_rows: Most rows of a block; `PIXEL_ROWS` where rows carry decoded frames on their way.

    Raises:
        Failure: ``storage``: a row could not be written; what has been yielded stays.

    Rows whose process died with every retry come back with ``status`` failed and ``error_kind`` crash.
    """
    if table.num_rows == 0:
        return
    cpus = cluster_cpus()
    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = MAX_LOST_BLOCKS
    # A network's rows carry its views, some 100 MB. Of the shares of the object store that Ray reserves for each pool one such row
    # is too much: decoding then waits for the only row to be scored, and all but one of the scoring actors wait with it.
    context.op_resource_reservation_enabled = not any(pool.memory_gib for pool in pools)
    missing = {row[key]: row for row in table.to_pylist()}
    for rows, size, actors_for in _passes(missing, block_rows(table.num_rows, cpus, most_rows), cpus):
        # Blocks are cut here: a Ray Data operator that splits needs a CPU of its own, which the pools may have taken.
        source = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // size))
        batches = chain(source, pools, actors_for).iter_batches(
            batch_size=None, batch_format="pyarrow", prefetch_batches=0
        )
        for batch in batches:
            finished: list[Row] = batch.to_pylist()  # type: ignore[union-attr]  # the format asked for is Arrow
            check_storage(finished)
            for row in finished:
                missing.pop(row[key], None)
            progress(len(finished))
            yield finished
    if missing:
        yield [_crashed(row, key) for row in missing.values()]


def _passes(missing: Mapping[str, Row], size: int, cpus: int) -> Iterator[tuple[list[Row], int, int]]:
    """The rows of each execution, the rows of its blocks, and the CPUs that its actors share.

    With a row that kills its process the rest of its block is lost, and so are the blocks that wait for the same actor:
    those are tried again row by row. What is still missing then is tried with actors of its own, so that a row is only lost
    by its own fault.

    Args:
        missing: The rows that have not come back, whenever it is looked at.
        size: Rows of a block at first.
        cpus: Logical CPUs of the cluster.
    """
    for block in (size, 1) if size > 1 else (1,):
        if missing:
            yield list(missing.values()), block, cpus
    for row in list(missing.values()):
        yield [row], 1, 1


def _crashed(row: Row, key: str) -> Row:
    message = (
        f"{row[key]}: the worker process died every time that it met this row; look at the file {row.get('uri', '')}"
    )
    return {**row, "status": "failed", "error_kind": "crash", "error": message}
