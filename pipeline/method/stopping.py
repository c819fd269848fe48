"""When another round of weak-to-strong training is wasted, told without any label of quality.

Three numbers are known after round k, from videos and copies that are new in round k + 1 and that no student has trained on:

* how many severity pairs of the new copies the student misjudges, and how much fewer it misjudges than its predecessor did, on the
  same pairs (the order of two levels of one distortion is known by construction);
* how far its order of the new videos is from that of its teachers, 1 - SRCC;
* how far its order of the new videos is that of its predecessor, SRCC.

Another round is wasted where nothing is left to mine, or where the last one has not been shown to teach: then the student before
it is kept, since a round that earns nothing may still cost what no pair asks about.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

MISJUDGED = 0.02  # share of new severity pairs below which there is nothing to learn from them
DISAGREEMENT = 0.02  # 1 - SRCC with the teachers below which gMAD finds nothing
SURE = 2.0  # standard errors of a gain above which a round has taught something, about 95 %


@dataclass(frozen=True)
class Gain:
    """How much less often a student misjudges pairs than its predecessor.

    Attributes:
        value: Share of pairs.
        error: Standard error over the sources of the pairs; infinite with one source.
    """

    value: float
    error: float


@dataclass(frozen=True)
class Signals:
    """What is known after a round.

    Attributes:
        asked: Number of severity pairs of new copies.
        videos: Number of new videos.
        misjudged: Share of these pairs that the student misjudges; None without any.
        gain: Over its predecessor; None after the first round, and where it cannot be measured.
        disagreement: 1 - SRCC of student and teachers on the new videos; None where it is undefined.
        agreement: SRCC of the student and its predecessor there; None after the first round.
    """

    asked: int
    videos: int
    misjudged: float | None
    gain: Gain | None
    disagreement: float | None
    agreement: float | None


@dataclass(frozen=True)
class Decision:
    """Whether to stop after a round, why, and which of its two last students is the better one.

    Attributes:
        stop: No further round.
        why: One sentence.
        keep_last: The student of this round is to be kept; False: its predecessor's.
    """

    stop: bool
    why: str
    keep_last: bool = True


def gain(before: ArrayLike, after: ArrayLike, sources: Sequence[Hashable]) -> Gain:
    """Compare the mistakes of two students on the same pairs.

    The copies of one source are alike, so the error is that of the mean of clusters (Cochran, *Sampling Techniques*, 1977, section
    9A.1, the ratio estimator for clusters of unequal sizes).

    Args:
        before: Whether the predecessor misjudges each pair `[P]`.
        after: Whether the student does `[P]`.
        sources: Source of each pair.

    Raises:
        ValueError: There is no pair, or the lengths differ.
    """
    earlier, later = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if earlier.size == 0 or not earlier.shape == later.shape == (len(sources),):
        raise ValueError(f"mistakes {earlier.shape} and {later.shape} of {len(sources)} pairs; at least one is needed")
    less = earlier - later
    names, place = np.unique(np.array([str(one) for one in sources]), return_inverse=True)
    value = float(less.mean())
    if names.size < 2:
        return Gain(value, math.inf)
    residues = np.bincount(place, less) - value * np.bincount(place)
    error = math.sqrt(names.size / (names.size - 1) * float((residues**2).sum())) / less.size
    return Gain(value, error)


def decide(
    signals: Signals,
    misjudged: float = MISJUDGED,
    disagreement: float = DISAGREEMENT,
    sure: float = SURE,
    *,
    first: bool = True,
) -> Decision:
    """Say whether another round is wasted.

    Args:
        signals: What is known after the round.
        misjudged: Share of misjudged pairs below which there is nothing to learn from.
        disagreement: 1 - SRCC with the teachers below which there is nothing to learn from.
        sure: Standard errors that a gain must exceed.
        first: Whether this is the first round, whose student has no predecessor; it changes only what is said of an unknown gain.
    """
    one, change = signals, signals.gain
    if not one.asked and not one.videos:
        return Decision(True, "there are no new videos and no new copies to mine")
    taught = change is None or change.value > sure * change.error
    few = one.misjudged is None or one.misjudged <= misjudged
    same = one.disagreement is None or one.disagreement <= disagreement
    if few and same:
        share = "no pairs to misjudge" if one.misjudged is None else f"{one.misjudged:.1%} misjudged"
        return Decision(
            True, f"nothing is left to mine: {share}, and the student orders new videos as its teachers do", taught
        )
    if change is None:
        return Decision(False, f"{_hard(one)}; {_no_gain(one, first)}")
    gained = f"{100 * change.value:+.1f} ± {100 * change.error:.1f} points of misjudged pairs fewer"
    before = (
        ""
        if one.agreement is None
        else f", and it orders new videos as the one before with an SRCC of {one.agreement:.3f}"
    )
    if not taught:
        return Decision(True, f"the last stage has not been shown to teach: {gained}{before}", keep_last=False)
    return Decision(False, f"the last stage has taught something: {gained}{before}; {_hard(one)}")


def _no_gain(one: Signals, first: bool) -> str:
    """Why the gain is unknown."""
    if first:
        return "there is no earlier student to compare with"
    why = (
        "the severity pairs of the new copies are of one source, which leaves its error unknown"
        if one.asked
        else "there are no severity pairs of new copies"
    )
    return f"what the last stage gained cannot be measured: {why}"


def _hard(one: Signals) -> str:
    parts = [] if one.misjudged is None else [f"{one.misjudged:.1%} of the new severity pairs are misjudged"]
    parts += [] if one.disagreement is None else [f"1 - SRCC with the teachers is {one.disagreement:.3f}"]
    return " and ".join(parts) or "hard pairs are unknown"
