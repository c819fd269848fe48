"""Complete a trained student so that it can score any video: choose its anchors and store the sampling of a window."""

from __future__ import annotations

import numpy as np

from actors.compare import Comparer
from actors.media.views import SampleSpec
from pipeline.console import UserError
from pipeline.corpus.members import pool
from pipeline.method.scale import anchor_matrix, anchor_pairs, select_anchors
from pipeline.run_folder.records import ENSEMBLE
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import read_table
from pipeline.student.folder import Anchors, write_anchors, write_processor
from trainers.batches import read_encoded
from trainers.places import Place


def complete(run: Run, folder: Place) -> Anchors:
    """Choose the anchors of a student; write them and the sampling into its folder."""
    anchors = choose_anchors(run, folder)
    write_anchors(folder, anchors)
    teachers, corpus = run.config.teachers, run.config.corpus
    spec = SampleSpec(teachers.key_frames, teachers.motion_frames)
    write_processor(
        folder,
        {
            "key_frames": spec.key_frames,
            "motion_frames": spec.motion_frames,
            "motion_short_side": spec.motion_short_side,
            "window_s": corpus.window_s,
            "max_short_side": corpus.max_short_side,
            "max_fps": corpus.max_fps,
            "hdr": corpus.hdr,
            "interlaced": corpus.interlaced,
        },
    )
    return anchors


def anchor_videos(run: Run) -> tuple[list[str], np.ndarray]:
    """One video per quality level of the pool's undistorted and degraded videos, on which the teachers agree most.

    Returns:
        Ids of A videos, lowest quality first, and their scores 0-100 `[A]`.

    Raises:
        UserError: The pool has fewer videos than anchors are asked for.
    """
    layout, count = run.layout, run.config.scoring.anchors
    members = {row["video_id"] for row in pool(layout)}
    rows = [row for row in read_table(layout.ensemble, ENSEMBLE).to_pylist() if row["video_id"] in members]
    mean = np.array([row["mean"] for row in rows])
    variance = np.array([row["variance"] for row in rows])
    ids = [row["video_id"] for row in rows]
    try:
        chosen = select_anchors(mean, variance, ids, count)
    except ValueError as error:
        raise UserError(f"scoring.anchors: {error}; ask for fewer anchors, or give the pool more videos") from error
    return [ids[k] for k in chosen], mean[chosen]


def choose_anchors(run: Run, folder: Place) -> Anchors:
    """The anchors of a trained student: their features, and how it compares them with each other."""
    config = run.config
    ids, scores = anchor_videos(run)
    features = read_encoded(config.student.name, run.layout.features).take(ids)[:]
    first, second = (features[[pair[k] for pair in anchor_pairs(len(ids))]] for k in (0, 1))
    gpus = config.pools.compare.gpus
    (logits,) = run.engine.calls(Comparer, (str(folder), features), "pairs", [(first, second)], gpus)
    matrix = anchor_matrix(logits, config.scoring.anchor_temperature)
    return Anchors(features, matrix, scores, tuple(ids), config.scoring.test_temperature)
