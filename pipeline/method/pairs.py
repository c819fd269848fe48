"""Which videos are compared: random homogeneous pairs and severity pairs of one source (CVPR 2026, section 4.1).

Every choice depends only on the seed and the identifiers, not on the order in which workers deliver rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Pair = tuple[str, str]

MAX_USES = 5  # 250k pairs of 200k videos are 2.5 uses each; five keeps single videos from dominating
_ENUMERABLE = 200_000  # all pairs of about 630 videos; up to this number, listing and shuffling is cheaper than drawing


@dataclass(frozen=True)
class Copy:
    """A distorted copy: `level` 0 is the pristine source, higher is worse. Pairs stay within (source, distortion)."""

    video_id: str
    source_id: str
    distortion: str
    level: int


@dataclass(frozen=True)
class SyntheticPair:
    """Two copies of one source with the same distortion at different levels, in the order of presentation."""

    first: Copy
    second: Copy


def pair_id(first: str, second: str, origin: str) -> str:
    """A stable name (20 hexadecimal digits) of an ordered pair from `origin`."""
    return hashlib.sha256(json.dumps([first, second, origin]).encode()).hexdigest()[:20]


def presented(pair: Pair, seed: int) -> Pair:
    """Return the pair in a random order of presentation that depends only on the seed and the two videos."""
    low, high = min(pair), max(pair)
    digest = hashlib.sha256(json.dumps([seed, low, high]).encode()).digest()
    return (low, high) if digest[0] & 1 else (high, low)


def deduplicate(pairs: Sequence[Pair], earlier: Iterable[Pair] = ()) -> list[int]:
    """Indices of the first of equal *unordered* pairs, without those in `earlier` and without a video paired with itself."""
    keys = {frozenset(pair) for pair in earlier}
    indices = []
    for index, pair in enumerate(pairs):
        key = frozenset(pair)
        if len(key) == 2 and key not in keys:
            keys.add(key)
            indices.append(index)
    return indices


def sample_pairs(
    video_ids: Iterable[str],
    count: int,
    seed: int,
    max_uses: int = MAX_USES,
    exclude: Iterable[Pair] = (),
    accept: Callable[[str, str], bool] | None = None,
) -> list[Pair]:
    """Up to `count` random distinct unordered pairs in random order, each video in at most `max_uses` of them.

    Returns fewer pairs only if the pairs drawn so far, `max_uses`, `accept` and `exclude` leave no other pair.

    Args:
        video_ids: Ids of the videos.
        count: Number of pairs.
        seed: Seed of the choice.
        max_uses: Largest number of pairs that a video may occur in.
        exclude: Pairs that must not be drawn.
        accept: Whether two videos, in sorted order, may form a pair; default: any two.

    Raises:
        ValueError: `count` is negative or `max_uses` is not positive.
    """
    if count < 0 or max_uses < 1:
        raise ValueError(f"count {count} must not be negative and max_uses {max_uses} must be at least 1")
    ids = sorted(set(video_ids))
    position = {video: k for k, video in enumerate(ids)}
    sampler = _Sampler(
        len(ids), max_uses, (lambda a, b: accept(ids[min(a, b)], ids[max(a, b)])) if accept else lambda _a, _b: True
    )
    for a, b in exclude:
        if a in position and b in position:
            sampler.block(position[a], position[b])
    draws = sampler.draw(count, _generator(seed, "homogeneous"))
    return [presented((ids[a], ids[b]), seed) for a, b in draws]


def synthetic_pairs(
    copies: Iterable[Copy], count: int | None, seed: int, include_pristine: bool = False
) -> list[SyntheticPair]:
    """Up to `count` (None: all) random pairs of two levels of the same source and distortion, in random order.

    Uniform over all such pairs, without repetition; level 0 takes part only with `include_pristine`.

    Raises:
        ValueError: A level of a source occurs twice, so its severity label would be undefined.
    """
    rows = sorted(
        (copy for copy in copies if include_pristine or copy.level > 0),
        key=lambda copy: (copy.source_id, copy.distortion, copy.level, copy.video_id),
    )
    keys = [(copy.source_id, copy.distortion, copy.level) for copy in rows]
    for this, following in pairwise(keys):
        if this == following:
            raise ValueError(f"source {this[0]} has level {this[2]} of {this[1]} twice; keep one copy per level")
    first_of_group = [k for k in range(len(rows)) if k == 0 or keys[k][:2] != keys[k - 1][:2]]
    starts = np.array(first_of_group, dtype=np.int64)
    sizes = np.diff(np.append(starts, len(rows)))
    ends = np.cumsum(sizes * (sizes - 1) // 2)
    total = int(ends[-1]) if ends.size else 0
    number = total if count is None else min(count, total)
    pairs = []
    for pick in _generator(seed, "synthetic").permutation(total)[:number].tolist():
        group = int(np.searchsorted(ends, pick, side="right"))
        a, b = _unrank(int(ends[group]) - 1 - pick)
        low, high = rows[starts[group] + b], rows[starts[group] + a]
        swap = presented((low.video_id, high.video_id), seed)[0] != low.video_id
        pairs.append(SyntheticPair(high, low) if swap else SyntheticPair(low, high))
    return pairs


def _generator(seed: int, purpose: str) -> np.random.Generator:
    digest = hashlib.sha256(json.dumps([seed, purpose]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def _unrank(rank: int) -> tuple[int, int]:
    """The pair a > b >= 0 at place `rank` in (1,0), (2,0), (2,1), (3,0), ..."""
    a = 1
    while rank >= a:
        rank -= a
        a += 1
    return a, rank


class _Sampler:
    """Draws distinct unordered accepted pairs of 0..n-1, with a limit of uses per element."""

    def __init__(self, n: int, max_uses: int, accept: Callable[[int, int], bool]) -> None:
        self.n, self.max_uses, self.accept = n, max_uses, accept
        self.uses = [0] * n
        self.keys: set[int] = set()

    def block(self, a: int, b: int) -> None:
        self.keys.add(self._key(a, b))

    def draw(self, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        pairs: list[tuple[int, int]] = []
        while len(pairs) < count:
            # Listing costs memory, drawing wastes candidates: draw only while at most a quarter of all pairs is used.
            listable = max(4 * (count + len(self.keys)), _ENUMERABLE)
            available = np.flatnonzero(np.array(self.uses, dtype=np.int64) < self.max_uses)
            if available.size * (available.size - 1) // 2 <= listable:
                first, second = np.triu_indices(available.size, k=1)
                order = rng.permutation(first.size)
                self._accept(available[first[order]], available[second[order]], pairs, count)
                break
            draws = rng.choice(available, size=(2, count - len(pairs) + 16))
            self._accept(draws[0], draws[1], pairs, count)
        return pairs

    def _accept(self, first: Ints, second: Ints, pairs: list[tuple[int, int]], count: int) -> None:
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            if len(pairs) == count:
                return
            key = self._key(a, b)
            if a == b or key in self.keys or max(self.uses[a], self.uses[b]) >= self.max_uses:
                continue
            self.keys.add(key)
            if not self.accept(a, b):
                continue
            self.uses[a] += 1
            self.uses[b] += 1
            pairs.append((a, b))

    def _key(self, a: int, b: int) -> int:
        return min(a, b) * self.n + max(a, b)
