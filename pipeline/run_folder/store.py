"""Parquet tables checked against their schema, and JSON; a reader gets the old file or the new one, never a partial one.

A local file is written under a temporary name, flushed to the disk and renamed. For object stores (`s3://`, `gs://`) the
bytes are prepared in memory and sent as one object, which appears only when it is complete.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from pipeline.console import UserError
from pipeline.run_folder.records import R, Table

REMOTE = ("s3://", "gs://")
TEMPORARY = re.compile(r"^\.[^/]+\.[0-9a-f]{8}\.tmp$")
_WIDE_ROW = 1 << 18  # bytes
_SHARD = re.compile(r"^shard-(\d{5})\.parquet$")


class StoreError(UserError):
    """A file of a run is missing, damaged or has another schema; exit code 2."""


def is_remote(path: str | Path) -> bool:
    """Whether `path` is an object in a store and not a local file."""
    return isinstance(path, str) and path.startswith(REMOTE)


def _remote(path: str | Path) -> tuple[pafs.FileSystem, str]:
    filesystem, inner = pafs.FileSystem.from_uri(str(path))
    return filesystem, str(inner)


def exists(path: str | Path) -> bool:
    """Whether there is a file at `path`."""
    if is_remote(path):
        filesystem, inner = _remote(path)
        return bool(filesystem.get_file_info(inner).type == pafs.FileType.File)
    return Path(path).is_file()


def write_bytes(path: str | Path, data: bytes | memoryview) -> None:
    """Write `data` to `path` atomically."""
    if is_remote(path):
        filesystem, inner = _remote(path)
        with filesystem.open_output_stream(inner) as stream:
            stream.write(data)
        return
    with atomic_file(Path(path)) as stream:
        stream.write(data)


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file.

    Raises:
        StoreError: There is no such file.
    """
    try:
        if is_remote(path):
            filesystem, inner = _remote(path)
            with filesystem.open_input_stream(inner) as stream:
                return bytes(stream.read())
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file; run the step that makes it first") from None


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; it replaces `path` if the block succeeds and is removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.tmp"
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep_temporary(root: Path) -> int:
    """Remove temporary files that a killed process left below `root`; return their number."""
    files = [path for path in root.rglob(".*.tmp") if TEMPORARY.match(path.name)]
    for path in files:
        path.unlink(missing_ok=True)
    return len(files)


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON, atomically. Non-finite numbers raise ValueError: JSON has none."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        StoreError: The file is missing or is not valid JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except ValueError:
        raise StoreError(f"{path}: damaged, not valid JSON; delete it and run the same command again") from None


def conform(data: pa.Table, table: Table[R], where: str | Path = "") -> pa.Table:
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


def write_table(path: str | Path, data: pa.Table, table: Table[R]) -> None:
    """Write `data` atomically as Parquet, checked against the schema and sorted by the key of `table`."""
    rows = normalise(conform(data, table, path), table)
    sink = pa.BufferOutputStream()
    # a row with a whole packed video is read alone, without its neighbours
    group = 1 if rows.nbytes > _WIDE_ROW * max(rows.num_rows, 1) else None
    pq.write_table(rows, sink, compression="zstd", row_group_size=group)
    write_bytes(path, memoryview(sink.getvalue()))


def read_table(path: str | Path, table: Table[R]) -> pa.Table:
    """Read a Parquet file and check it against the schema.

    Raises:
        StoreError: The file is missing, damaged, or has other columns.
    """
    data = read_bytes(path)
    try:
        content = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError):
        raise StoreError(
            f"{path}: damaged, not a valid Parquet file; delete it and run the same command again"
        ) from None
    return conform(content, table, path)


def append_shard(folder: Path, data: pa.Table, table: Table[R]) -> Path:
    """Write `data` as the next shard of `folder`; shards are numbered in order and never rewritten."""
    numbers = [int(match[1]) for name in _shards(folder) if (match := _SHARD.match(name))]
    path = folder / f"shard-{max(numbers, default=-1) + 1:05d}.parquet"
    write_table(path, data, table)
    return path


def read_shards(folder: Path, table: Table[R]) -> pa.Table:
    """Read all shards of `folder` as one table, sorted by the key; if a key occurs twice, the later shard wins."""
    parts = [read_table(folder / name, table) for name in _shards(folder)]
    if not parts:
        return table.schema.empty_table()
    return normalise(pa.concat_tables(parts), table)


def compact(folder: Path, table: Table[R], rows: int = 16_384) -> None:
    """Rewrite the shards of `folder` in the order of the key, so that equal rows give equal files.

    The new shards are written beside the folder and then replace it; a kill in between leaves one of the two.
    """
    whole = read_shards(folder, table)
    fresh = folder.with_name(f".{folder.name}.compact")
    shutil.rmtree(fresh, ignore_errors=True)
    for start in range(0, max(whole.num_rows, 1), rows):
        write_table(fresh / f"shard-{start // rows:05d}.parquet", whole.slice(start, rows), table)
    for path in folder.iterdir():
        if not _SHARD.match(path.name):
            path.replace(fresh / path.name)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old)


def _shards(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if _SHARD.match(path.name))
