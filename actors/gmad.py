"""gMAD: pairs that one model calls equal and another calls most different (CVPR 2026, equation 1; Ma et al. 2018).

The defender's scores are cut into levels of equal width; inside a level its videos count as equal, and the attacker
picks the pairs it disagrees about most. Swap the two score arrays for the other role.
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
    """Selected pairs, each array [P]: indices of the video that the attacker prefers (`high`) and of its partner
    (`low`), the defender's `level` (0 = lowest) and `gap`, the attacker's score difference (always positive)."""

    high: Ints
    low: Ints
    level: Ints
    gap: Floats


def select_pairs(
    defender: ArrayLike,
    attacker: ArrayLike,
    ids: ArrayLike,
    count: int,
    levels: int = LEVELS,
    max_uses: int = MAX_USES,
) -> Disagreement:
    """Up to `count` pairs with the largest disagreement, spread evenly over the defender's levels that hold pairs.

    defender, attacker: scores [V] (rows with a non-finite score are passed over); ids [V] break ties, so the choice
    does not depend on the order of the rows. Inside a level the k-th highest by the attacker meets the k-th lowest;
    when a level runs out, the lower half is shifted by one place and the matching repeats, so that each video occurs
    at most `max_uses` times.
    Two scores of a pair differ by at most one level width for the defender. O(V log V).

    Raises ValueError for arrays of different lengths, repeated ids or numbers out of range.
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
    return Disagreement(high, low, np.repeat(np.arange(levels), quotas), a[high] - a[low])


def _levels_of(scores: Floats, levels: int) -> Ints:
    """Equal-width level [V] of each score, 0 = lowest; one level if all scores are equal."""
    if scores.size == 0 or np.ptp(scores) == 0:
        return np.zeros(scores.size, dtype=np.int64)
    place = np.floor((scores - scores.min()) / np.ptp(scores) * levels).astype(np.int64)
    return np.asarray(np.minimum(place, levels - 1), dtype=np.int64)  # the highest score closes the last level


def _match(ranked: Ints, attacker: Floats, max_uses: int) -> tuple[Ints, Ints]:
    """All allowed pairs of one level, most extreme matching first; `ranked` runs from the attacker's highest down."""
    half = ranked.size // 2
    top, bottom = ranked[:half], ranked[::-1][:half]
    passes = range(min(max_uses, half))
    high = np.tile(top, len(passes))
    low = np.concatenate([np.roll(bottom, -shift) for shift in passes]) if half else bottom
    differs = attacker[high] > attacker[low]
    return high[differs], low[differs]


def _spread(count: int, capacities: list[int]) -> list[int]:
    """Even shares of `count` within the capacities; what small levels cannot use goes to the others."""
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
