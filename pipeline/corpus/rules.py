"""Who belongs to what: names by content, the held-out contents, the round in which a window enters the pool, its recipe.

Everything here is a rule of seeds and names; nothing is read and nothing is decoded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from actors.distortions.table import DISTORTIONS, suite
from actors.distortions.table import PRISTINE as PRISTINE_NAME
from actors.media.rows import Recipe, format_recipe

PRISTINE = (PRISTINE_NAME, 0, 0)  # the window itself in the run's common form
_ROUND_SHARES = (4, 2, 1)  # 200k, 100k and 50k new videos feed rounds 1, 2 and 3 (CVPR 2026, table 2)


def short_id(*parts: object) -> str:
    """16 hexadecimal digits that name a thing by what it is made of."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def shuffled(ids: Sequence[str], seed: int, purpose: str) -> list[str]:
    """The ids in an order that depends only on the seed, the purpose and each id."""
    return sorted(ids, key=lambda name: short_id(seed, purpose, name))


def heldout_contents(contents: Sequence[str], share: float, seed: int) -> set[str]:
    """The contents that no training ever sees: a seeded share, at least one, never all."""
    order = shuffled(sorted(set(contents)), seed, "heldout")
    return set(order[: heldout_count(len(order), share)])


def heldout_count(contents: int, share: float) -> int:
    """How many of so many contents are held out."""
    return min(max(1, round(share * contents)), max(0, contents - 2))


def pool_rounds(ids: Sequence[str], seed: int) -> dict[str, int]:
    """The round (1, 2, 3) in which each training window enters the pool, in the published shares."""
    order = shuffled(ids, seed, "round")
    return {name: 1 + int(number) for name, number in zip(order, _numbers(len(order)), strict=True)}


def round_sizes(count: int) -> dict[int, int]:
    """How many of so many training windows enter in each round."""
    sizes = np.bincount(_numbers(count), minlength=len(_ROUND_SHARES))
    return {number: int(size) for number, size in enumerate(sizes, 1)}


def _numbers(count: int) -> np.ndarray:
    """Of windows in their seeded order, the round less 1."""
    edges = np.cumsum(_ROUND_SHARES) / sum(_ROUND_SHARES) * count
    return np.searchsorted(edges, np.arange(count) + 0.5)


def degradation(video_id: str, copy: int, seed: int) -> Recipe:
    """A seeded chain of one or two training simulators: how an upload of a clean window may have been treated."""
    rng = np.random.default_rng(int(short_id(seed, "degrade", video_id, copy), 16))
    names = [row.name for row in suite("train")]
    chosen = rng.choice(len(names), size=1 + int(rng.random() < 0.5), replace=False)
    recipe = [
        (names[k], 1 + int(rng.integers(len(DISTORTIONS[names[k]].levels))), int(rng.integers(2**31))) for k in chosen
    ]
    # Codecs come last: a file is encoded after everything that happened to its frames.
    return sorted(recipe, key=lambda step: DISTORTIONS[step[0]].family == "streaming")


def pool_recipe(video_id: str, copy: int, seed: int) -> str:
    """The recipe column of a pool member: copy 0 is the window itself in the run's common form."""
    return format_recipe(degradation(video_id, copy, seed) if copy else [PRISTINE])
