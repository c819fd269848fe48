"""The five comparison levels (CVPR 2026, section 4.1.2), worst first: the index order of all logits and labels.

The words stand here and nowhere else, because here is where words are needed: in the prompt, in the tables of pairs, in the
folders of students. The method's mathematics (`pipeline.method`) works with their indices alone, 0 for the worst.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

LEVELS: tuple[str, ...] = ("inferior", "worse", "similar", "better", "superior")
LEVEL_INDEX: dict[str, int] = {level: index for index, level in enumerate(LEVELS)}
SIMILAR = LEVEL_INDEX["similar"]


def level_names(labels: NDArray[np.int64]) -> list[str]:
    """The words for labels ``[P]``."""
    return [LEVELS[int(label)] for label in labels]


def level_indices(names: Iterable[str]) -> NDArray[np.int64]:
    """The labels ``[P]`` for words.

    Raises:
        ValueError: A word is none of `LEVELS`.
    """
    words = list(names)
    unknown = sorted({str(word) for word in words if word not in LEVEL_INDEX})
    if unknown:
        raise ValueError(f"unknown label {unknown[0]!r}; the labels are {', '.join(LEVELS)}")
    return np.array([LEVEL_INDEX[word] for word in words], np.int64)


def at_least(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which levels ``[P, 5]`` are right for each label ``[P]`` that is read as a bound: *better* as at least better."""
    distance, side = np.arange(len(LEVELS)) - SIMILAR, np.sign(labels - SIMILAR)
    return np.asarray(distance[None, :] * side[:, None] >= np.abs(labels - SIMILAR)[:, None])
