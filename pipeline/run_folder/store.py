"""Parquet tables checked against their schema, and JSON; a reader gets the old file or the new one, never a partial one.

A file is written as `trainers.places` says: on a disk under a temporary name, flushed and renamed; in a bucket as one object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.console import UserError
from pipeline.run_folder.records import R, Table
from trainers.bucket import BucketError
from trainers.places import TEMPORARY, Place, place, readable, remove_files, write_whole

_WIDE_ROW = 1 << 18  # bytes
_GROUP_ROWS = 512  # of shards that will be merged: a part of one is read without the rest
_SHARD = re.compile(r"^shard-(\d{5,})\.parquet$")


class StoreError(UserError):
    """A file of a run is missing, damaged or has another schema; exit code 2."""


def exists(path: str | Place) -> bool:
    """Whether there is a file at `path`."""
    return place(path).is_file()


def write_bytes(path: str | Place, data: bytes | memoryview) -> None:
    """Write `data` to `path` atomically."""
    write_whole(place(path), data)


def read_bytes(path: str | Place) -> bytes:
    """Read a whole file.

    Raises:
        StoreError: There is no such file.
    """
    try:
        return place(path).read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file; run the step that makes it first") from None


def sweep_temporary(root: Place) -> int:
    """Remove temporary files that a killed process left below `root`; return their number. A bucket has none."""
    files = [path for path in root.rglob(".*.tmp") if TEMPORARY.match(path.name)] if isinstance(root, Path) else []
    remove_files(files)
    return len(files)


def write_json(path: str | Place, value: object) -> None:
    """Write `value` as indented JSON, atomically. Non-finite numbers raise ValueError: JSON has none."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: str | Place) -> Any:
    """Read a JSON file.

    Raises:
        StoreError: The file is missing or is not valid JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except ValueError:
        raise StoreError(f"{path}: damaged, not valid JSON; delete it and run the same command again") from None


def conform(data: pa.Table, table: Table[R], where: str | Place = "") -> pa.Table:
    """Return `data` with exactly the columns of `table`, in the same order; a column with a default may be absent.

    Raises:
        StoreError: A column is missing, cannot be read as its type, or is empty where a value is required.
    """
    for name in table.optional - set(data.column_names):
        data = data.append_column(name, pa.nulls(data.num_rows, table.schema.field(name).type))
    missing = [name for name in table.schema.names if name not in data.column_names]
    if missing:
        raise StoreError(
            f"{where}: the {table.name} table has no column {missing[0]!r}; it was not written by this version"
        )
    try:
        cast = data.select(table.schema.names).cast(table.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise StoreError(f"{where}: the columns of the {table.name} table do not fit: {error}") from None
    for field in table.schema:
        if not field.nullable and cast.column(field.name).null_count:
            raise StoreError(f"{where}: column {field.name!r} of the {table.name} table is empty in some rows")
    return cast


def normalise(data: pa.Table, table: Table[R]) -> pa.Table:
    """Return `data` sorted by the key, with only the last of several rows with the same key."""
    if data.num_rows == 0:
        return data
    order = "__row"
    ranked = data.append_column(order, pa.array(range(data.num_rows), pa.int64()))
    last = ranked.select([*table.key, order]).group_by(list(table.key)).aggregate([(order, "max")])
    rows = data.take(last.column(f"{order}_max"))
    return rows.take(pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in table.key])).combine_chunks()


def write_table(path: str | Place, data: pa.Table, table: Table[R], group: int | None = None) -> None:
    """Write `data` atomically as Parquet, checked against the schema and sorted by the key of `table`.

    Args:
        path: The file.
        data: The rows.
        table: Their schema.
        group: Rows of a row group; default: one for very wide rows, so that a row is read without its neighbours.
    """
    rows = normalise(conform(data, table, path), table)
    sink = pa.BufferOutputStream()
    if rows.nbytes > _WIDE_ROW * max(rows.num_rows, 1):
        group = 1
    pq.write_table(rows, sink, compression="zstd", row_group_size=group)
    write_bytes(path, memoryview(sink.getvalue()))


def read_table(path: str | Place, table: Table[R]) -> pa.Table:
    """Read a Parquet file and check it against the schema.

    Raises:
        StoreError: The file is missing, damaged, or has other columns.
    """
    data = read_bytes(path)
    with _intact(path):
        content = pq.read_table(pa.BufferReader(data))
    return conform(content, table, path)


@contextmanager
def _intact(path: str | Place) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file; run the step that makes it first") from None
    except BucketError:
        raise
    except (pa.ArrowInvalid, OSError):
        raise StoreError(
            f"{path}: damaged, not a valid Parquet file; delete it and run the same command again"
        ) from None


class ShardWriter:
    """Appends rows to a folder shard by shard: numbered in order, never rewritten, the later shard wins.

    Every `merged` shards become one, so that a folder of many rows never holds many files.
    """

    def __init__(self, folder: Place, table: Table[R], merged: int = 64) -> None:
        self._folder, self._table, self._merged = folder, table, merged
        self._number = _next_number(folder)
        self._small: list[tuple[Place, pa.Table]] = []

    def append(self, data: pa.Table) -> None:
        """Write `data` as the next shard."""
        self._small.append((self._write(data), data))
        if len(self._small) == self._merged:
            # a kill before the small ones are gone leaves rows twice, which readers take once
            self._write(pa.concat_tables([part for _, part in self._small]))
            remove_files(path for path, _ in self._small)
            self._small = []

    def _write(self, data: pa.Table) -> Place:
        path = _shard(self._folder, self._number)
        write_table(path, data, self._table, _GROUP_ROWS)
        self._number += 1
        return path


def append_shard(folder: Place, data: pa.Table, table: Table[R]) -> None:
    """Write `data` as the next shard of `folder`; see `ShardWriter`."""
    ShardWriter(folder, table).append(data)


def read_shards(folder: Place, table: Table[R]) -> pa.Table:
    """Read all shards of `folder` as one table, sorted by the key; if a key occurs twice, the later shard wins."""
    parts = [read_table(path, table) for path in shards(folder)]
    if not parts:
        return table.schema.empty_table()
    return normalise(pa.concat_tables(parts), table)


def read_keys(folder: Place, table: Table[R]) -> pa.Table:
    """The key columns of all shards of `folder`, in the order of the shards, with the columns `shard` and `row`."""
    parts = []
    for number, path in enumerate(shards(folder)):
        with _intact(path), pq.ParquetFile(readable(path)) as file:
            keys = file.read(columns=list(table.key))
        places = {"shard": np.full(keys.num_rows, number), "row": np.arange(keys.num_rows)}
        parts.append(keys.select(list(table.key)).append_column("shard", pa.array(places["shard"])))
        parts[-1] = parts[-1].append_column("row", pa.array(places["row"]))
    if not parts:
        empty = pa.schema([table.schema.field(name) for name in table.key])
        return empty.append(pa.field("shard", pa.int64())).append(pa.field("row", pa.int64())).empty_table()
    return pa.concat_tables(parts, promote_options="permissive")


def compact(folder: Place, table: Table[R], rows: int = 16_384) -> None:
    """Rewrite the shards of `folder` in the order of the key, so that equal rows give equal files.

    The memory holds the keys and the rows of one shard. The new shards are written behind the old ones and then take their
    places; whenever this is killed, every row is in at least one shard.
    """
    old = shards(folder)
    keys = read_keys(folder, table)
    order = "__order"
    keys = keys.append_column(order, pa.array(np.arange(keys.num_rows)))
    last = keys.select([*table.key, order]).group_by(list(table.key)).aggregate([(order, "max")])
    keys = keys.take(last.column(f"{order}_max"))
    keys = keys.take(pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in table.key]))
    number = _next_number(folder)
    fresh: list[Place] = []
    for start in range(0, max(keys.num_rows, 1), rows):
        part = keys.slice(start, rows)
        fresh.append(_shard(folder, number + len(fresh)))
        write_table(fresh[-1], _gathered(old, part, table), table)
    for k, path in enumerate(fresh):
        if path != _shard(folder, k):
            path.replace(_shard(folder, k))  # type: ignore[arg-type]  # both lie in one folder
    remove_files(path for path in shards(folder)[len(fresh) :])


def _gathered(paths: Sequence[Place], keys: pa.Table, table: Table[R]) -> pa.Table:
    """The rows that columns `shard` and `row` name, shard by shard."""
    numbers, rows = keys["shard"].to_numpy(), keys["row"].to_numpy()
    parts = [_rows(paths[k], np.sort(rows[numbers == k]), table) for k in np.unique(numbers)]
    return pa.concat_tables(parts) if parts else table.schema.empty_table()


def _rows(path: Place, rows: np.ndarray, table: Table[R]) -> pa.Table:
    """Some rows of a file, ascending; reads only the row groups that hold them."""
    with _intact(path), pq.ParquetFile(readable(path)) as file:
        sizes = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
        ends = np.cumsum(sizes)
        groups = np.searchsorted(ends, rows, side="right")
        used = np.unique(groups)
        data = file.read_row_groups(used.tolist())
    before = np.concatenate([[0], np.cumsum(np.array(sizes)[used])])[:-1]
    places = rows - (ends - sizes)[groups] + before[np.searchsorted(used, groups)]
    return conform(data, table, path).take(pa.array(places))


def shards(folder: Place) -> list[Place]:
    """The shards of a folder in their order."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _SHARD.match(path.name)), key=_number_of)


def _shard(folder: Place, number: int) -> Place:
    return folder / f"shard-{number:05d}.parquet"


def _number_of(path: Place) -> int:
    match = _SHARD.match(path.name)
    return int(match[1]) if match else -1


def _next_number(folder: Place) -> int:
    return max(map(_number_of, shards(folder)), default=-1) + 1
