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

MORE = 7  # anchors beyond the usual ones, where the pool has them
Candidates = tuple[list[str], np.ndarray, np.ndarray]  # ids, means and variances of videos that may be anchors


def complete(run: Run, folder: Place) -> Anchors:
    """Choose the anchors of a student; write them, more of them, and the sampling into its folder."""
    candidates = _candidates(run)
    anchors = choose_anchors(run, folder, candidates)
    write_anchors(folder, anchors)
    more = more_anchors(run, folder, anchors, candidates)
    if more is not None:
        write_anchors(folder, more, more=True)
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


def anchor_videos(run: Run, candidates: Candidates | None = None) -> tuple[list[str], np.ndarray]:
    """One video per quality level of the pool's undistorted and degraded videos, on which the teachers agree most.

    Returns:
        Ids of A videos, lowest quality first, and their scores 0-100 `[A]`.

    Raises:
        UserError: The pool has fewer videos than anchors are asked for.
    """
    ids, mean, variance = candidates or _candidates(run)
    try:
        chosen = select_anchors(mean, variance, ids, run.config.scoring.anchors)
    except ValueError as error:
        raise UserError(f"scoring.anchors: {error}; ask for fewer anchors, or give the pool more videos") from error
    return [ids[k] for k in chosen], mean[chosen]


def _candidates(run: Run) -> Candidates:
    """Ids, means and variances of the pool's videos on which the teachers have an opinion."""
    members = {row["video_id"] for row in pool(run.layout)}
    rows = [row for row in read_table(run.layout.ensemble, ENSEMBLE).to_pylist() if row["video_id"] in members]
    mean, variance = (np.array([row[name] for row in rows], np.float64) for name in ("mean", "variance"))
    return [row["video_id"] for row in rows], mean, variance


def choose_anchors(run: Run, folder: Place, candidates: Candidates | None = None) -> Anchors:
    """The anchors of a trained student: their features, and how it compares them with each other."""
    return _compared(run, folder, *anchor_videos(run, candidates))


def more_anchors(run: Run, folder: Place, anchors: Anchors, candidates: Candidates) -> Anchors | None:
    """The anchors of a student and up to `MORE` others, spread over the scale like them; None if the pool has no other."""
    ids, mean, variance = candidates
    left = [k for k, name in enumerate(ids) if name not in anchors.ids and np.isfinite([mean[k], variance[k]]).all()]
    count = min(MORE, len(left))
    if not count:
        return None
    chosen = [left[k] for k in select_anchors(mean[left], variance[left], [ids[k] for k in left], count)]
    known = dict(zip(anchors.ids, anchors.scores.tolist(), strict=True)) | {ids[k]: float(mean[k]) for k in chosen}
    names = sorted(known, key=lambda name: (known[name], name))
    return _compared(run, folder, names, np.array([known[name] for name in names]))


def _compared(run: Run, folder: Place, ids: list[str], scores: np.ndarray) -> Anchors:
    config = run.config
    features = read_encoded(config.student.name, run.layout.features).take(ids)[:]
    first, second = (features[[pair[k] for pair in anchor_pairs(len(ids))]] for k in (0, 1))
    gpus = config.pools.compare.gpus
    (logits,) = run.engine.calls(Comparer, (str(folder), features), "pairs", [(first, second)], gpus)
    matrix = anchor_matrix(logits, config.scoring.anchor_temperature)
    return Anchors(features, matrix, scores, tuple(ids), config.scoring.test_temperature)
