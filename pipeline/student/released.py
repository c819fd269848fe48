"""A released checkpoint as a student: it has weights but no anchors, so five videos of known quality become its anchors.

They are encoded and compared once and kept beside the weights; from then on the folder scores like one of our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actors.media.rows import format_recipe
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from pipeline.console import Console, UserError
from pipeline.corpus.benchmark_file import read_benchmark
from pipeline.corpus.rating_scale import on_points, split_range
from pipeline.corpus.rules import PRISTINE
from pipeline.method.scale import ANCHORS, TEST_TEMPERATURE, anchor_matrix, anchor_pairs
from pipeline.student.folder import Anchors, write_anchors, write_processor
from trainers.places import Place
from trainers.student.table import load_student, student_row

# The released script takes the whole file as it is.
WHOLE_FILE: Mapping[str, Any] = {
    "key_frames": 1, "motion_frames": 1, "motion_short_side": 144, "window_s": 0.0, "max_short_side": None, "max_fps": None,
}  # fmt: skip


def add_anchors(folder: Place, table: str, console: Console) -> None:
    """Make a released checkpoint a complete student folder.

    Args:
        folder: The checkpoint.
        table: CSV or Parquet file of five videos (column video, from the file's own folder) and their scores (column
            score) from 0 to 100, or in another range that follows its name: `five.csv?range=1..5`.

    Raises:
        UserError: The table is no such table, a video cannot be read, the checkpoint cannot be loaded, or the folder
            cannot be written.
    """
    file, span = split_range(table, "--anchors")
    listed = read_benchmark(file, str(Path(file).expanduser().parent))
    if len(listed.videos) != ANCHORS or len(set(listed.labels)) != ANCHORS or listed.ambiguous:
        raise UserError(f"--anchors {table}: name exactly {ANCHORS} videos of different scores, as published")
    if listed.column.lower() == "dmos":
        raise UserError(f"--anchors {file}: of a dmos lower is better; give a column score where higher is better")
    points = on_points(listed.labels, listed.names, span, f"--anchors {file}")
    order = np.argsort(points)
    names = [listed.videos[k] for k in order]
    try:
        student = load_student(folder)
    except (ValueError, OSError) as error:
        raise UserError(f"{folder}: the checkpoint cannot be loaded: {error}") from error
    vectors = _encoded(student, names, console)
    features = np.zeros((len(vectors), max(map(len, vectors))), np.float32)
    for row, vector in zip(features, vectors, strict=True):
        row[: len(vector)] = vector
    first, second = (features[[pair[k] for pair in anchor_pairs()]] for k in (0, 1))
    matrix = anchor_matrix(student.compare_all(first, second))
    scores = points[order]
    try:
        write_processor(folder, dict(WHOLE_FILE))
        write_anchors(
            folder, Anchors(features, matrix, scores, tuple(Path(name).name for name in names), TEST_TEMPERATURE)
        )
    except OSError as error:
        raise UserError(f"{folder}: the anchors cannot be kept there ({error.strerror}); make it writable") from error


def _encoded(student: Any, names: list[str], console: Console) -> list[np.ndarray]:
    from actors.media.rows import unpack
    from actors.sample import Sampler

    reader = Sampler(SampleSpec(1, 1, views=student_row(student.name).views), EncodeOptions())
    vectors = []
    try:
        with console.track(len(names), "encoding anchors") as progress:
            for name in names:
                row = {"video_id": "anchor", "uri": name, "start_s": 0.0, "duration_s": 0.0, "still": False}
                done = reader({**row, "recipe": format_recipe([PRISTINE])})
                if done["status"] != "ok":
                    raise UserError(f"--anchors: {done['error_kind']}: {done['error']}")
                sample = unpack(done)
                vectors.append(student.encode(sample.key, sample.luma, sample.fps, sample.views))
                progress.advance()
    finally:
        reader.close()
    return vectors
