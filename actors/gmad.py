"""gMAD: pairs that one model calls equal and another calls most different (CVPR 2026, equation 1; Ma et al. 2018).

The range of the defender's scores is split into levels of equal width. Videos of one level count as equal, and the
attacker picks the pairs about which it disagrees most. Swap the two score arrays for the other role.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = 10
MAX_USES = 5


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Selected pairs, P of them.

    Attributes:
        high: Index of the video that the attacker prefers `[P]`.
        low: Index of the other video `[P]`.
        level: The defender's level, 0 = lowest `[P]`.
        gap: The attacker's score difference, always positive `[P]`.
        defender_gap: The defender's score difference without its sign `[P]`.
    """

    high: Ints
    low: Ints
    level: Ints
    gap: Floats
    defender_gap: Floats


def select_pairs(
    defender: ArrayLike,
    attacker: ArrayLike,
    ids: ArrayLike,
    count: int,
    levels: int = LEVELS,
    max_uses: int = MAX_USES,
) -> Disagreement:
    """Up to `count` pairs with the largest disagreement, spread evenly over the defender's levels that hold pairs.

    Inside a level, the attacker's k-th highest video meets its k-th lowest. When a level runs out of pairs, the lower half
    is shifted by one place and the matching repeats. Takes O(V log V).

    Args:
        defender: Scores `[V]`; the two videos of a pair differ by at most one level width. Non-finite scores are ignored.
        attacker: Scores `[V]`; non-finite scores are ignored.
        ids: Ids `[V]` that break ties, so that the choice does not depend on the order of the rows.
        count: Largest number of pairs.
        levels: Number of levels.
        max_uses: Largest number of pairs that a video may occur in.

    Raises:
        ValueError: The arrays differ in length, an id is repeated, or a number is out of range.
    """
    d, a, names = np.asarray(defender, dtype=np.float64), np.asarray(attacker, dtype=np.float64), np.asarray(ids)
    if d.ndim != 1 or not d.shape == a.shape == names.shape:
        raise ValueError(f"defender {d.shape}, attacker {a.shape}, ids {names.shape} must be vectors of equal length")
    if count < 0 or levels < 1 or max_uses < 1:
        raise ValueError(f"count {count}, levels {levels} and max_uses {max_uses} must be positive")
    if np.unique(names).size != names.size:
        raise ValueError("a video occurs twice in the pool; gMAD needs each video once")
    usable = np.flatnonzero(np.isfinite(d) & np.isfinite(a))
    place = _levels_of(d[usable], levels)
    # One sort for all levels: by level, then from the attacker's favourite down, ties by id.
    order = np.lexsort((names[usable], -a[usable], place))
    ranked, bounds = usable[order], np.searchsorted(place[order], np.arange(levels + 1))
    matches = [_match(ranked[bounds[k] : bounds[k + 1]], a, max_uses) for k in range(levels)]
    quotas = _spread(count, [len(high) for high, _ in matches])
    high = np.concatenate([pairs[0][:quota] for pairs, quota in zip(matches, quotas, strict=True)])
    low = np.concatenate([pairs[1][:quota] for pairs, quota in zip(matches, quotas, strict=True)])
    return Disagreement(high, low, np.repeat(np.arange(levels), quotas), a[high] - a[low], np.abs(d[high] - d[low]))


def _levels_of(scores: Floats, levels: int) -> Ints:
    """Equal-width level [V] of each score, 0 = lowest; one level if all scores are equal."""
    if scores.size == 0 or np.ptp(scores) == 0:
        return np.zeros(scores.size, dtype=np.int64)
    place = np.floor((scores - scores.min()) / np.ptp(scores) * levels).astype(np.int64)
    return np.asarray(np.minimum(place, levels - 1), dtype=np.int64)  # the highest score closes the last level


def _match(ranked: Ints, attacker: Floats, max_uses: int) -> tuple[Ints, Ints]:
    """All allowed pairs of one level, largest gaps first; `ranked` starts with the attacker's highest."""
    half = ranked.size // 2
    top, bottom = ranked[:half], ranked[::-1][:half]
    passes = range(min(max_uses, half))
    high = np.tile(top, len(passes))
    low = np.concatenate([np.roll(bottom, -shift) for shift in passes]) if half else bottom
    differs = attacker[high] > attacker[low]
    return high[differs], low[differs]


def _spread(count: int, capacities: list[int]) -> list[int]:
    """Split `count` evenly within the capacities; the part that small levels cannot use goes to the others."""
    quotas = [0] * len(capacities)
    rest = min(count, sum(capacities))
    while rest:
        hungry = [k for k, capacity in enumerate(capacities) if quotas[k] < capacity]
        share = max(rest // len(hungry), 1)
        for k in hungry:
            part = min(share, capacities[k] - quotas[k], rest)
            quotas[k] += part
            rest -= part
    return quotas
