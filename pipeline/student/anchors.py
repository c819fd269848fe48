"""Complete a trained student so that it can score any video: choose its anchors and store the sampling of a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actors.compare import Comparer
from actors.media.views import SampleSpec
from pipeline.corpus.members import pool
from pipeline.method.scale import ANCHOR_PAIRS, anchor_matrix, select_anchors
from pipeline.run_folder.records import ENSEMBLE
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import read_table
from pipeline.student.folder import Anchors, write_anchors, write_processor
from trainers.batches import read_encoded


def complete(run: Run, folder: Path) -> Anchors:
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
        },
    )
    return anchors


def choose_anchors(run: Run, folder: Path) -> Anchors:
    """Choose one anchor per quality level from the pool (windows and degraded copies): those on which the teachers agree most."""
    config, layout = run.config, run.layout
    members = {row["video_id"] for row in pool(layout)}
    rows = [row for row in read_table(layout.ensemble, ENSEMBLE).to_pylist() if row["video_id"] in members]
    mean = np.array([row["mean"] for row in rows])
    variance = np.array([row["variance"] for row in rows])
    ids = [row["video_id"] for row in rows]
    selection = select_anchors(mean, variance, ids, config.scoring.anchors)
    features = read_encoded(config.student.name, layout.features).take([ids[k] for k in selection])[:]
    first, second = (features[[pair[k] for pair in ANCHOR_PAIRS]] for k in (0, 1))
    gpus = config.pools.compare.gpus
    (logits,) = run.engine.calls(Comparer, (str(folder), features), "pairs", [(first, second)], gpus)
    matrix = anchor_matrix(logits, config.scoring.anchor_temperature)
    return Anchors(features, matrix, mean[selection], tuple(ids[k] for k in selection), config.scoring.test_temperature)
