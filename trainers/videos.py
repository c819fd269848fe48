"""Packed videos (`trainers.student.language.packing`) in files: packed as they are made, found by name, read when they are needed.

A packed video is megabytes long, so nothing holds many of them: a process that names videos holds their places, and the
process that computes with them opens each in turn. Every video is a row group of its own with its digest beside it, so that
footers alone tell which videos a file holds, and what of.

A video is first a file of its own, which outlives its process. As soon as an encoder has written `PACKED` of them it replaces
them by one file; `gather` packs what is left at the end and writes the index of the folder, which is what readers open.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainers.bucket import BucketError
from trainers.places import Place, files_below, made_whole, place, readable, remove_files
from trainers.student.language.packing import tokens_of_length

PACKED = 64  # videos of one file
INDEX = "index.parquet"
_AT_ONCE = 16  # footers that are read at the same time: in a bucket each waits for its answer
_SCHEMA = pa.schema([("video_id", pa.string()), ("features", pa.list_(pa.float32())), ("digest", pa.string())])
_INDEX_SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("size", pa.int64()),  # numbers of the packed video
        ("digest", pa.string()),
        ("file", pa.string()),
        ("group", pa.int64()),
        ("row", pa.int64()),
    ]
)

Location = tuple[str, int, int]  # file, row group, row within it


def parquet_files(path: str | Place) -> list[Place]:
    """The Parquet file itself, or all of a folder in order of name. Raises ValueError if there is none."""
    found = _found(place(path))
    if not found:
        raise ValueError(f"no Parquet file at {path}")
    return found


def _found(source: Place) -> list[Place]:
    try:
        found = sorted(name for name, _ in files_below(source) if name.endswith(".parquet") or not name)
    except FileNotFoundError:
        return []
    return [source / name if name else source for name in found]


def read_plain(path: str | Place, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of `parquet_files`, of the named columns, without dictionaries.

    Who writes a column may encode it as a dictionary in one shard and not in the next; Arrow joins only what has one type.
    """
    return pa.concat_tables(
        [_plain(pq.read_table(readable(file), columns=columns)) for file in parquet_files(path)],
        promote_options="permissive",
    )


def _plain(table: pa.Table) -> pa.Table:
    for number, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(number, field.name, table[field.name].cast(field.type.value_type))
    return table


class VideoWriter:
    """Writes packed videos into a folder that many processes write to: each whole or not at all, and packed as they come.

    The same video gives the same bytes whoever writes it, so a repeated write changes nothing that is read.
    """

    def __init__(self, folder: str | Place) -> None:
        self._folder = place(folder)
        self._single: dict[str, _Row] = {}

    def write(self, video: str, vector: np.ndarray) -> None:
        """Write one video, float32 [D].

        Raises:
            OSError: The folder, or the temporary folder of this node, cannot be written to.
        """
        values = np.ascontiguousarray(vector, np.float32)
        target = self._folder / f"{video}.parquet"
        with made_whole(target) as path, _writer(path) as file:
            file.write_table(_table(video, values))
        self._single[video] = _Row(video, len(values), _digest(values), str(target), 0, 0)
        if len(self._single) == PACKED:
            _pack(self._folder, list(self._single.values()))
            remove_files(place(row.file) for row in self._single.values())
            self._single = {}


def _pack(folder: Place, rows: Sequence[_Row]) -> list[_Row]:
    """Copy videos into one file, one after the other; returns where they lie there."""
    target = folder / f"pack-{secrets.token_hex(8)}.parquet"
    with made_whole(target) as path, _writer(path) as file:
        for row in rows:
            file.write_table(_table(row.video, read_video(row.location)))
    return [replace(row, file=str(target), group=group, row=0) for group, row in enumerate(rows)]


def _writer(path: Path) -> pq.ParquetWriter:
    # pixels hardly repeat: a dictionary of them would only be tried and given up
    return pq.ParquetWriter(path, _SCHEMA, compression="zstd", use_dictionary=False)


def _digest(values: np.ndarray) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]


def _table(video: str, values: np.ndarray) -> pa.Table:
    lists = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), pa.array(values))
    return pa.Table.from_arrays([pa.array([video]), lists, pa.array([_digest(values)])], schema=_SCHEMA)


def gather(folder: Place, keep: Collection[str]) -> None:
    """Pack the videos that still have files of their own, and write the index of the folder, also of one without any video.

    The memory holds one video at a time. The index is complete before anything is deleted, so a kill loses nothing.

    Args:
        folder: A folder that `VideoWriter` wrote to, of this version or of one before.
        keep: Names of the videos that the index lists; others, whose rows failed after they were written, are left out.
    """
    files = [file for file in _found(folder) if file.name != INDEX]
    listed = _listed(files)
    kept = {row.video: row for row in reversed(listed) if row.video in keep}
    counts = Counter(row.file for row in listed)
    single = [row for _, row in sorted(kept.items()) if counts[row.file] == 1]
    for start in range(0, len(single), PACKED):
        kept |= {row.video: row for row in _pack(folder, single[start : start + PACKED])}
    used = {row.file for row in kept.values()}
    columns = [[getattr(row, name) for _, row in sorted(kept.items())] for name in _FIELDS]
    columns[_FIELDS.index("file")] = [place(file).name for file in columns[_FIELDS.index("file")]]
    with made_whole(folder / INDEX) as path:
        arrays = [pa.array(values, kind) for values, kind in zip(columns, _INDEX_SCHEMA.types, strict=True)]
        pq.write_table(pa.Table.from_arrays(arrays, schema=_INDEX_SCHEMA), path)
    remove_files(file for file in files if str(file) not in used)


def packed_digest(folder: Place, *, check: bool) -> str:
    """Digest of the names and contents of a folder with an index; of what was damaged or is gone it is another one.

    Args:
        folder: The folder.
        check: Read every video and compare it with its digest; otherwise the digests are believed.
    """
    index = _index(folder)
    hasher = hashlib.sha256()
    for row in index:
        hasher.update(f"{row.video}\0{row.digest if not check or _intact(row) else 'damaged'}\0".encode())
    return hasher.hexdigest()[:16]


def _intact(row: _Row) -> bool:
    try:
        return _digest(read_video(row.location)) == row.digest
    except BucketError:
        raise
    except (OSError, ValueError, KeyError, IndexError):  # pyarrow's errors are of these kinds
        return False


def read_video(location: Location) -> np.ndarray:
    """The packed video at a location, float32 [D]."""
    path, group, row = location
    with pq.ParquetFile(readable(place(path))) as file:
        table = file.read_row_group(group, columns=["features"]).slice(row, 1)
    return np.array(pc.list_flatten(table["features"]).to_numpy(), np.float32)


@dataclass(frozen=True)
class PackedVideos:
    """Packed videos by their locations: cheap to send to another process, opened there one by one.

    Iterating gives one vector after the other, float32 [D]; a slice gives a matrix, float32 [n, D], zeros behind the shorter
    ones. Nothing that was read is kept.
    """

    locations: tuple[Location, ...]

    def __len__(self) -> int:
        return len(self.locations)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(read_video, self.locations)

    def __getitem__(self, rows: slice) -> np.ndarray:
        vectors = [read_video(location) for location in self.locations[rows]]
        matrix = np.zeros((len(vectors), max(map(len, vectors), default=0)), np.float32)
        for row, vector in zip(matrix, vectors, strict=True):
            row[: len(vector)] = vector
        return matrix


Vectors = np.ndarray | PackedVideos  # encoded videos [N, D]; a slice of either is a matrix


class VideoStore:
    """The packed videos below a folder, by the indices of its folders, or by the footers of files without one.

    `row_of` is the place of each video, `tokens` int [V] how many tokens it takes in a sequence.

    Raises ValueError if there is no video, or one twice.
    """

    at_once = 64  # videos in one call of an actor

    def __init__(self, folder: str | Place) -> None:
        files: dict[Place, list[Place]] = {}
        for file in parquet_files(folder):
            files.setdefault(file.parent, []).append(file)
        rows: list[_Row] = []
        for parent, inner in files.items():
            rows += _index(parent) if parent / INDEX in inner else _listed(inner)
        rows.sort(key=lambda row: row.video)
        self.row_of: Mapping[str, int] = {row.video: number for number, row in enumerate(rows)}
        if len(self.row_of) != len(rows):
            raise ValueError(f"the feature folder {folder} holds a video twice: remove it and encode again")
        if not rows:
            raise ValueError(f"the feature folder {folder} holds no video")
        self._locations = [row.location for row in rows]
        self.tokens = np.array([tokens_of_length(row.size) for row in rows], np.int64)

    def vector(self, row: int) -> np.ndarray:
        """The packed video of a row, float32 [D]."""
        return read_video(self._locations[row])

    def take(self, ids: Sequence[str]) -> PackedVideos:
        """The named videos in the order of `ids`, none of them read. Raises KeyError for a video that is not there."""
        return PackedVideos(tuple(self._locations[self.row_of[video]] for video in ids))


@dataclass(frozen=True)
class _Row:
    """Where one video lies, and what it is; a row of an index."""

    video: str
    size: int
    digest: str
    file: str
    group: int
    row: int

    @property
    def location(self) -> Location:
        return self.file, self.group, self.row


_FIELDS = tuple(field.name for field in fields(_Row))


def _index(folder: Place) -> list[_Row]:
    """What the index of a folder says, in order of name; videos of one file share the text of its place."""
    columns = pq.read_table(readable(folder / INDEX)).to_pydict()
    places = {name: str(folder / name) for name in set(columns["file"])}
    columns["file"] = [places[name] for name in columns["file"]]
    return [_Row(*row) for row in zip(*(columns[name] for name in _INDEX_SCHEMA.names), strict=True)]


def _listed(files: Sequence[Place]) -> list[_Row]:
    """What the footers of files say."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(itertools.chain.from_iterable(pool.map(_footer, files)))


def _footer(path: Place) -> list[_Row]:
    rows = []
    with pq.ParquetFile(readable(path)) as file:
        for group in range(file.num_row_groups):
            facts = file.metadata.row_group(group)
            columns = {
                column.path_in_schema.split(".")[0]: column for column in map(facts.column, range(facts.num_columns))
            }
            video, digest = (_only(columns[name]) if name in columns else "" for name in ("video_id", "digest"))
            if facts.num_rows == 1 and video and digest:
                rows.append(_Row(video, columns["features"].num_values, digest, str(path), group, 0))
                continue
            part = file.read_row_group(group, columns=["video_id", "features"])  # of another version or writer
            for row, video in enumerate(part["video_id"].to_pylist()):
                vector = pc.list_flatten(part["features"].slice(row, 1)).to_numpy()
                values = np.ascontiguousarray(vector, np.float32)
                rows.append(_Row(video, len(values), _digest(values), str(path), group, row))
    return rows


def _only(column: Any) -> str:
    """The value of a column of one row, from its statistics; empty if they do not say."""
    statistics = column.statistics
    return str(statistics.min) if statistics is not None and statistics.has_min_max else ""
