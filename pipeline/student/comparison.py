"""Compare many videos by a student, with its anchors or pair by pair, in actors that hold the student."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actors.compare import Comparer
from pipeline.run_folder.run import Run
from pipeline.student.folder import Anchors, read_anchors
from trainers.batches import Features
from trainers.levels import LEVELS
from trainers.places import Place
from trainers.videos import VideoStore


def anchor_logits(
    run: Run, folder: Place, encoded: Features | VideoStore, ids: Sequence[str]
) -> tuple[np.ndarray, Anchors]:
    """Compare videos with the anchors of a student.

    Args:
        run: The run, with its engine.
        folder: Folder of the student.
        encoded: Features of the videos.
        ids: Ids of N videos.

    Returns:
        Logits `[N, A, 5]` (the video is the second of each pair), and the A anchors.
    """
    anchors = read_anchors(folder)
    if not ids:
        return np.zeros((0, len(anchors.ids), len(LEVELS)), np.float32), anchors
    chunks = [(encoded.take(ids[k : k + encoded.at_once]),) for k in range(0, len(ids), encoded.at_once)]
    gpus = run.config.pools.compare.gpus
    parts = run.engine.calls(Comparer, (str(folder), anchors.features), "against_anchors", chunks, gpus)
    return np.concatenate(parts), anchors


def pair_logits(
    run: Run, folder: Place, encoded: Features | VideoStore, first: Sequence[str], second: Sequence[str]
) -> np.ndarray:
    """Compare videos pair by pair.

    Args:
        run: The run, with its engine.
        folder: Folder of the student.
        encoded: Features of the videos.
        first: Ids of P videos.
        second: Ids of the P videos to compare them with.

    Returns:
        Logits `[P, 5]`.
    """
    if not first:
        return np.zeros((0, len(LEVELS)), np.float32)
    at_once = encoded.at_once
    chunks = [
        (encoded.take(first[k : k + at_once]), encoded.take(second[k : k + at_once]))
        for k in range(0, len(first), at_once)
    ]
    gpus = run.config.pools.compare.gpus
    arguments = (str(folder), read_anchors(folder).features)
    return np.concatenate(run.engine.calls(Comparer, arguments, "pairs", chunks, gpus))
