"""How hard a pair is, by rules that gMAD is compared with: each gives a number for every candidate, the hardest the highest.

The rules need no levels of equal quality: reviewers of the paper asked what gMAD adds to them (highest loss and lowest confidence
are those of active learning: Settles, *Active Learning Literature Survey*, 2009, sections 3.1 and 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]


def log_softmax(logits: ArrayLike) -> Floats:
    """Log-probabilities of logits `[P, C]`."""
    return np.asarray(special.log_softmax(np.asarray(logits, np.float64), axis=-1))


def loss(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Cross-entropy `[P]` of the student's answers, logits `[P, C]`, with the weak labels `[P]`, nats."""
    label = np.asarray(labels, dtype=np.int64)
    return np.asarray(-log_softmax(logits)[np.arange(label.size), label])


def low_confidence(logits: ArrayLike) -> Floats:
    """One less the probability of the student's most probable answer `[P]`, of logits `[P, C]`."""
    return np.asarray(1.0 - np.exp(log_softmax(logits).max(axis=-1)))


def disagreement(first: ArrayLike, second: ArrayLike) -> Floats:
    """Standard deviation over the teachers of how much better each calls the second video `[P]`.

    Args:
        first: Scores of the first videos on one scale `[P, T]`; NaN where a teacher has none.
        second: Scores of the second videos.

    Returns:
        NaN for a pair on which fewer than two teachers have an opinion.
    """
    gaps = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    present = np.isfinite(gaps)
    count = present.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(present, gaps, 0.0).sum(axis=1) / count
        spread = np.sqrt(np.where(present, (gaps - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)
    return np.where(count >= 2, spread, np.nan)


def hardest(
    hardness: ArrayLike, pairs: Sequence[tuple[str, str]], count: int, most_uses: int | None = None
) -> list[int]:
    """Places of the hardest pairs.

    Args:
        hardness: How hard each pair is `[P]`; pairs with NaN come last.
        pairs: The ids of each pair, which break ties.
        count: How many, at most.
        most_uses: Largest number of chosen pairs that a video is in, as long as other pairs are left; None for no limit.
    """
    values = np.asarray(hardness, dtype=np.float64)
    if values.shape != (len(pairs),):
        raise ValueError(f"hardness {values.shape} of {len(pairs)} pairs")
    order = sorted(range(len(pairs)), key=lambda k: (-values[k] if np.isfinite(values[k]) else np.inf, pairs[k]))
    if most_uses is None:
        return order[:count]
    uses: dict[str, int] = {}
    chosen: list[int] = []
    passed: list[int] = []
    for k in order:
        if len(chosen) == count:
            break
        if any(uses.get(video, 0) >= most_uses for video in pairs[k]):
            passed.append(k)
            continue
        for video in pairs[k]:
            uses[video] = uses.get(video, 0) + 1
        chosen.append(k)
    return chosen + passed[: count - len(chosen)]
