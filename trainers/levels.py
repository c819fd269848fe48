"""The five comparison levels (CVPR 2026, section 4.1.2), worst first: the index order of all logits and labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS: tuple[str, ...] = ("inferior", "worse", "similar", "better", "superior")
LEVEL_INDEX: dict[str, int] = {level: index for index, level in enumerate(LEVELS)}
SIMILAR = LEVEL_INDEX["similar"]


def at_least(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which levels ``[P, 5]`` are right for each label ``[P]`` that is read as a bound: *better* as at least better."""
    distance, side = np.arange(len(LEVELS)) - SIMILAR, np.sign(labels - SIMILAR)
    return np.asarray(distance[None, :] * side[:, None] >= np.abs(labels - SIMILAR)[:, None])
