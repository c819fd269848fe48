"""Run rows through actor pools: Ray Data streams them to the driver, and every row comes back, finished or failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import ray.data

from actors.media.rows import check_storage
from cluster import ClusterError
from cluster.capacity import Capacity
from cluster.chain import chain, wants
from cluster.engine import MAX_BLOCK_ROWS, Progress, Row, Rows, crashed, listed, silent
from cluster.losses import MOST_RESTARTS, lost_node
from cluster.pools import MAX_LOST_BLOCKS, Pool, Room, joined

_BLOCKS_PER_CPU = 8  # enough blocks to keep every actor busy until near the end


def block_rows(rows: int, cpus: int, most: int = MAX_BLOCK_ROWS) -> int:
    """Rows of one block: small enough to spread over all actors, large enough that Ray's per-block cost stays small."""
    return max(1, min(most, rows // (_BLOCKS_PER_CPU * cpus)))


def stream(
    capacity: Capacity,
    table: Rows,
    pools: Sequence[Pool],
    progress: Progress = silent,
    key: str = "video_id",
    most_rows: int = MAX_BLOCK_ROWS,
) -> Iterator[list[Row]]:
    """Yield batches of finished rows, in no particular order.

    Args:
        capacity: The cluster.
        table: Small rows (no pixels) with a unique `key`.
        pools: The operators in order (`cluster.pools.chain`).
        progress: Called with the number of rows of every batch.
        key: Name of the unique column.
        most_rows: Largest number of rows in a block; `PIXEL_ROWS` if rows carry decoded frames.

    Raises:
        Failure: `storage`: a row could not be written; what has been yielded stays.
        ClusterError: Nodes went away again and again before a row was finished; what has been yielded stays.

    Rows whose process died at every retry come back with `status` failed and `error_kind` crash.
    """
    missing = {row[key]: row for row in listed(table)}
    count = len(missing)
    if not count:
        return
    pools = joined(pools)
    context = ray.data.DataContext.get_current()
    context.max_errored_blocks = MAX_LOST_BLOCKS
    # A row of a network carries its views, about 100 MB. That is more than the share of the object store that Ray reserves for
    # each pool: decoding would wait until that one row is scored, and all other scoring actors would be idle.
    context.op_resource_reservation_enabled = not any(pool.memory_gib for pool in pools)
    room = capacity.room(pools)
    with capacity.held(wants(pools, room, count)):
        for rows, size in _passes(missing, block_rows(count, room.cpus, most_rows)):
            for finished in _execute(capacity, rows, size, pools, key):
                check_storage(finished)
                for row in finished:
                    missing.pop(row[key], None)
                progress(len(finished))
                yield finished
    if missing:
        yield [crashed(row, key) for row in missing.values()]


def _execute(capacity: Capacity, rows: list[Row], size: int, pools: Sequence[Pool], key: str) -> Iterator[list[Row]]:
    """One pass over some rows, begun again for those that are left when a node took it with it.

    A pass over a single row ends there: its own process is what died.
    """
    left = {row[key]: row for row in rows}
    in_vain = 0
    while left:
        before = len(left)
        room = capacity.room(pools)  # nodes come and go
        if len(rows) == 1:
            room = replace(room, cpus=1)
        try:
            for finished in _batches(list(left.values()), size, room, pools):
                for row in finished:
                    left.pop(row[key], None)
                yield finished
        except Exception as error:
            if not lost_node(error):
                raise
            in_vain = in_vain + 1 if len(left) == before else 0
            if len(rows) == 1 and in_vain == MOST_RESTARTS:
                return
            if in_vain == MOST_RESTARTS:
                raise ClusterError(
                    f"nodes of the cluster went away {in_vain} times in a row before one of {before} rows was finished; "
                    "see `ray status`, then run the same command again: it goes on from what is finished"
                ) from error
            capacity.say(f"  a process or its node went away: beginning again with the {len(left)} rows that are left")
        else:
            return  # what is missing now was lost by its own fault, or by that of a neighbour


def _batches(rows: list[Row], size: int, room: Room, pools: Sequence[Pool]) -> Iterator[list[Row]]:
    # Blocks are cut here: a Ray Data operator that splits needs a CPU, and the pools may use all of them.
    source = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // size))
    batches = chain(source, pools, room, len(rows)).iter_batches(
        batch_size=None, batch_format="pyarrow", prefetch_batches=0
    )
    for batch in batches:
        yield batch.to_pylist()  # type: ignore[union-attr]  # the format asked for is Arrow


def _passes(missing: Mapping[str, Row], size: int) -> Iterator[tuple[list[Row], int]]:
    """The rows of each execution, and the rows of its blocks.

    A row that kills its process also loses the rest of its block and the blocks that wait for the same actor; these are
    retried row by row. Each row that is then still missing gets actors of its own, so a row fails only by its own fault.

    Args:
        missing: The rows that have not come back yet; the caller updates it between passes.
        size: Rows of a block at first.
    """
    for block in (size, 1) if size > 1 else (1,):
        if missing:
            yield list(missing.values()), block
    for row in list(missing.values()):
        yield [row], 1
