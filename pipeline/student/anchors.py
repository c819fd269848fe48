"""Complete a trained student so that it can score any video: choose its anchors and store the sampling of a window."""

from __future__ import annotations

from collections.abc import Sequence

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
    chosen = [anchor_videos(run, candidates)]
    chosen += _more(*chosen[0], candidates)
    anchors, *more = _compared(run, folder, chosen)
    write_anchors(folder, anchors)
    for one in more:
        write_anchors(folder, one, more=True)
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


def choose_anchors(run: Run, folder: Place) -> Anchors:
    """The anchors of a trained student: their features, and how it compares them with each other."""
    return _compared(run, folder, [anchor_videos(run)])[0]


def _more(ids: list[str], scores: np.ndarray, candidates: Candidates) -> list[tuple[list[str], np.ndarray]]:
    """The anchors and up to `MORE` others, spread over the scale like them, with their scores; nothing without others."""
    names, mean, variance = candidates
    left = [k for k, name in enumerate(names) if name not in ids and np.isfinite([mean[k], variance[k]]).all()]
    count = min(MORE, len(left))
    if not count:
        return []
    chosen = [left[k] for k in select_anchors(mean[left], variance[left], [names[k] for k in left], count)]
    known = dict(zip(ids, scores.tolist(), strict=True)) | {names[k]: float(mean[k]) for k in chosen}
    order = sorted(known, key=lambda name: (known[name], name))
    return [(order, np.array([known[name] for name in order]))]


def _compared(run: Run, folder: Place, chosen: Sequence[tuple[list[str], np.ndarray]]) -> list[Anchors]:
    """Sets of anchors, given by their ids and scores, as the student compares the videos of each."""
    config = run.config
    store = read_encoded(config.student.name, run.layout.features)
    features = [store.take(ids)[:] for ids, _ in chosen]
    sets = [(some, anchor_pairs(len(some))) for some in features]
    gpus = config.pools.compare.gpus
    (logits,) = run.engine.calls(Comparer, (str(folder), features[0]), "among", [(sets,)], gpus)
    scoring = config.scoring
    return [
        Anchors(some, anchor_matrix(said, scoring.anchor_temperature), scores, tuple(ids), scoring.test_temperature)
        for (ids, scores), some, said in zip(chosen, features, logits, strict=True)
    ]
