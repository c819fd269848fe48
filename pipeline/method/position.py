"""Position bias: what a student says of a pair in one order and in the other should mirror each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from pipeline.method.labels import LEVELS, SIMILAR

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class PositionBias:
    """How a student depends on which video it is shown first.

    Attributes:
        disagreeing: Share of pairs whose most probable label is not mirrored in the other order.
        second: Levels by which the second place is preferred: the mean expected level over both orders, 0 without a bias.
    """

    disagreeing: float
    second: float


def agreed_labels(logits: ArrayLike, swapped: ArrayLike) -> tuple[Labels, NDArray[np.bool_], PositionBias]:
    """The student's own labels of pairs, where both orders agree.

    Args:
        logits: Of the second video against the first `[P, 5]`.
        swapped: Of the first against the second `[P, 5]`.

    Returns:
        Labels `[P]` of the given order, whether both orders agree on each `[P]`, and the bias.

    Raises:
        ValueError: There is no pair, or the shapes differ.
    """
    here, there = np.asarray(logits, dtype=np.float64), np.asarray(swapped, dtype=np.float64)
    if here.shape != there.shape or here.ndim != 2 or here.shape[1] != LEVELS or not len(here):
        raise ValueError(f"answers {here.shape} and {there.shape}: both orders of one pair at least are needed")
    labels = here.argmax(axis=1)
    agree = labels == LEVELS - 1 - there.argmax(axis=1)
    levels = np.arange(LEVELS) - SIMILAR
    expected = [softmax(one, axis=-1) @ levels for one in (here, there)]
    bias = PositionBias(float(1 - agree.mean()), float((expected[0] + expected[1]).mean() / 2))
    return np.asarray(labels, dtype=np.int64), agree, bias
