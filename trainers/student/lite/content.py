"""What a video's features owe to its content: predicted from coarse features, which distortions hardly move.

Two pictures of equal quality differ in every feature by what they show: dense foliage has more detail at every scale than
a wall. How much fine detail there ought to be can be told from the coarse scales, and what is left after that compares
better between contents.
"""

from __future__ import annotations

import numpy as np

STEADINESS = 10.0  # weight of what distortions do to the coarse features, against what contents do
RIDGE = 30.0  # a corpus has far fewer contents than there are coarse features
UNIT_FLOOR = 0.05
CLIP = 8.0  # units of a normalised feature, at most, so that one odd number cannot dominate


def content_map(features: np.ndarray, differences: np.ndarray, weights: np.ndarray, coarse: slice) -> np.ndarray:
    """The linear map M, float32 [C, D], by which `x[coarse] @ M` is the part of features x that follows the content.

    A ridge regression of all features on the coarse ones, over videos of many contents, in which a direction of the
    coarse features also costs as much as it moves between two copies of one content: the prediction shall stay where it
    is when a video is distorted, or it would take the quality out together with the content.

    Args:
        features: Of the videos of the training set [V, D], without labels.
        differences: Between distorted copies of one content [P, D].
        weights: Of these differences [P].
        coarse: Which C of the D features are coarse.
    """
    centred = features - features.mean(axis=0, dtype=np.float64)
    unit = centred[:, coarse].std(axis=0) + UNIT_FLOOR
    inputs, shifts = centred[:, coarse] / unit, differences[:, coarse] / unit
    penalty = RIDGE * np.eye(inputs.shape[1])
    if len(shifts):
        penalty += STEADINESS * (shifts.T * (weights / weights.sum())) @ shifts
    solution = np.linalg.solve(inputs.T @ inputs / len(inputs) + penalty, inputs.T @ centred / len(inputs))
    return np.asarray(solution / unit[:, None], np.float32)
