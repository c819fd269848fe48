"""How a video travels between the pools: the columns of a row, and a sample packed into bytes.

Rows stay small and plain so that Ray Data can move them between processes: a decoded sample is two byte strings and
their shapes, and it is dropped as soon as the last pool has looked at it. A row is never lost to an exception: each
pool writes ``status``, ``error_kind`` and ``error`` instead of raising.

Columns given to the first pool:
    video_id, uri, start_s, duration_s: the window of a file.
    recipe: JSON list of ``[distortion, level, seed]`` applied one after the other; empty for the window as it is.
    still: whether the result of the recipe is one image (`actors.distortions.apply`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from actors.media.outcome import STORAGE, Failure
from actors.media.views import Sample

Row = dict[str, Any]
Recipe = list[tuple[str, int, int]]

SAMPLE_COLUMNS = ("key", "key_shape", "luma", "luma_shape", "sample_fps", "views", "views_shapes")


def parse_recipe(text: str) -> Recipe:
    """Read a recipe column: ``[(distortion, level, seed), ...]``, empty for no distortion."""
    return [(str(name), int(level), int(seed)) for name, level, seed in json.loads(text)] if text else []


def format_recipe(recipe: Recipe) -> str:
    """Write a recipe as one canonical JSON line (the same recipe gives the same text)."""
    return json.dumps([list(step) for step in recipe], separators=(",", ":")) if recipe else ""


def pack(sample: Sample) -> Row:
    """Columns that carry a `Sample`."""
    return {
        "key": sample.key.tobytes(),
        "key_shape": list(sample.key.shape),
        "luma": sample.luma.tobytes(),
        "luma_shape": list(sample.luma.shape),
        "sample_fps": float(sample.fps),
        "views": b"".join(np.ascontiguousarray(view).data for view in sample.views.values()),
        "views_shapes": json.dumps({name: view.shape for name, view in sample.views.items()}),
    }


def empty_sample() -> Row:
    """The same columns for a row that has failed, so that all rows have one schema."""
    return {
        "key": b"",
        "key_shape": [0],
        "luma": b"",
        "luma_shape": [0],
        "sample_fps": 0.0,
        "views": b"",
        "views_shapes": "{}",
    }


def unpack(row: Row) -> Sample:
    """The `Sample` of a row; the arrays are read-only views of the row's bytes."""
    key = np.frombuffer(row["key"], np.uint8).reshape([int(n) for n in row["key_shape"]])
    luma = np.frombuffer(row["luma"], np.uint8).reshape([int(n) for n in row["luma_shape"]])
    views, at = {}, 0
    for name, shape in json.loads(row["views_shapes"]).items():
        views[name] = np.frombuffer(row["views"], np.uint8, math.prod(shape), at).reshape(shape)
        at += math.prod(shape)
    return Sample(key, luma, float(row["sample_fps"]), views)


def without_views(row: Row, names: Collection[str]) -> Row:
    """The columns of a row's views without the named ones, which no later pool is shown: they need not travel on."""
    kept, at = [], 0
    shapes: dict[str, list[int]] = json.loads(row["views_shapes"])
    data = memoryview(row["views"])
    for name, shape in shapes.items():
        end = at + math.prod(shape)
        if name not in names:
            kept.append(data[at:end])
        at = end
    left = {name: shape for name, shape in shapes.items() if name not in names}
    return {"views": b"".join(kept), "views_shapes": json.dumps(left)}


def without_sample(row: Row) -> Row:
    """The row without its decoded sample."""
    return {name: value for name, value in row.items() if name not in SAMPLE_COLUMNS}


def attempt(row: Row, work: Callable[[], Row], otherwise: Row) -> Row:
    """Run ``work`` for a row that is still ok and merge what it returns; a `Failure` becomes the row's status.

    Args:
        row: The row so far; untouched work is skipped when its status is not ``ok``.
        work: Returns the new columns.
        otherwise: The same columns for a row that failed, now or earlier.
    """
    if row["status"] != "ok":
        return {**row, **otherwise}
    try:
        return {**row, **work()}
    except Failure as failure:
        return failed({**row, **otherwise}, failure.kind, failure.message)


def check_storage(rows: Iterable[Row]) -> None:
    """Stop at a row that failed for want of disk space: to record it would lose the video for a fault that is not its own.

    Raises:
        Failure: ``storage``, with the row's message.
    """
    for row in rows:
        if row.get("error_kind") == STORAGE:
            raise Failure(STORAGE, str(row["error"]))


def failed(row: Row, kind: str, error: str) -> Row:
    """The row as one that failed."""
    return {**row, "status": "failed", "error_kind": kind, "error": error}


def fresh(row: Row) -> Row:
    """A row at the start of its way: status ok, no error."""
    return {**row, "status": "ok", "error_kind": "", "error": ""}
