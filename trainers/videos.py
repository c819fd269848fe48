"""Packed videos (`trainers.student.language.packing`) on the disk: written one by one, found by name, read when they are needed.

A packed video is megabytes long, so nothing holds many of them: a process that names videos holds their places, and the
process that computes with them opens each in turn.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainers.student.language.packing import tokens_of_length

Place = tuple[str, int, int]  # file, row group, row within it


def parquet_files(path: str | Path) -> list[Path]:
    """The Parquet file itself, or all of a folder in order of name. Raises ValueError if there is none."""
    source = Path(path)
    files = sorted(source.rglob("*.parquet")) if source.is_dir() else [source]
    if not files or not files[0].is_file():
        raise ValueError(f"no Parquet file at {path}")
    return files


def read_plain(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of `parquet_files`, of the named columns, without dictionaries.

    Who writes a column may encode it as a dictionary in one shard and not in the next; Arrow joins only what has one type.
    """
    return pa.concat_tables(
        [_plain(pq.read_table(file, columns=columns)) for file in parquet_files(path)], promote_options="permissive"
    )


def _plain(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(field.type.value_type))
    return table


def write_video(folder: str | Path, video: str, vector: np.ndarray) -> None:
    """Write a packed video, float32 [D], as `folder`/`video`.parquet, whole or not at all.

    The same video gives the same bytes whoever writes it, so a repeated write changes nothing.
    """
    path = Path(folder) / f"{video}.parquet"
    values = pa.array(np.ascontiguousarray(vector, np.float32))
    lists = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)
    # a name that the pipeline knows for an unfinished write: it is no content, and is swept after a kill
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with partial.open("xb") as stream:
            # pixels hardly repeat: a dictionary of them would only be tried and given up
            table = pa.Table.from_arrays([pa.array([video]), lists], names=["video_id", "features"])
            pq.write_table(table, stream, compression="zstd", use_dictionary=False)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_video(place: Place) -> np.ndarray:
    """The packed video at a place, float32 [D]."""
    path, group, row = place
    with pq.ParquetFile(path) as file:
        table = file.read_row_group(group, columns=["features"]).slice(row, 1)
    return np.array(pc.list_flatten(table["features"]).to_numpy(), np.float32)


@dataclass(frozen=True)
class PackedVideos:
    """Packed videos by their places: cheap to send to another process, opened there one by one.

    Iterating gives one vector after the other, float32 [D]; a slice gives a matrix, float32 [n, D], zeros behind the shorter
    ones. Nothing that was read is kept.
    """

    places: tuple[Place, ...]

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(read_video, self.places)

    def __getitem__(self, rows: slice) -> np.ndarray:
        vectors = [read_video(place) for place in self.places[rows]]
        matrix = np.zeros((len(vectors), max(map(len, vectors), default=0)), np.float32)
        for row, vector in zip(matrix, vectors, strict=True):
            row[: len(vector)] = vector
        return matrix


Vectors = np.ndarray | PackedVideos  # encoded videos [N, D]; a slice of either is a matrix


class VideoStore:
    """The packed videos of a folder, in Parquet files of any number of rows.

    `row_of` is the place of each video, `tokens` int [V] how many tokens it takes in a sequence. Row groups of one video,
    as `write_video` writes them, are read without neighbours, and are listed by their headers alone.

    Raises ValueError if there is no video, or one twice.
    """

    at_once = 64  # videos in one call of an actor

    def __init__(self, folder: str | Path) -> None:
        videos: dict[str, tuple[int, Place]] = {}
        for path in parquet_files(folder):
            for video, size, place in _listed(path):
                if video in videos:
                    raise ValueError(f"the feature folder {folder} holds a video twice: remove it and encode again")
                videos[video] = (size, place)
        if not videos:
            raise ValueError(f"the feature folder {folder} holds no video")
        ids = sorted(videos)
        self.row_of: Mapping[str, int] = {video: row for row, video in enumerate(ids)}
        self._places = [videos[video][1] for video in ids]
        self.tokens = np.array([tokens_of_length(videos[video][0]) for video in ids], np.int64)

    def vector(self, row: int) -> np.ndarray:
        """The packed video of a row, float32 [D]."""
        return read_video(self._places[row])

    def take(self, ids: Sequence[str]) -> PackedVideos:
        """The named videos in the order of `ids`, none of them read. Raises KeyError for a video that is not there."""
        return PackedVideos(tuple(self._places[self.row_of[video]] for video in ids))


def _listed(path: Path) -> Iterator[tuple[str, int, Place]]:
    """Name, length and place of every video of a file."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            facts = file.metadata.row_group(group)
            columns = {
                column.path_in_schema.split(".")[0]: column for column in map(facts.column, range(facts.num_columns))
            }
            names = columns["video_id"].statistics
            if facts.num_rows == 1 and names is not None and names.has_min_max:
                yield names.min, columns["features"].num_values, (str(path), group, 0)
                continue
            part = file.read_row_group(group, columns=["video_id", "features"])
            sizes = pc.list_value_length(part["features"]).to_pylist()
            for row, (video, size) in enumerate(zip(part["video_id"].to_pylist(), sizes, strict=True)):
                yield video, size, (str(path), group, row)
