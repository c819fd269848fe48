"""How many pairs and copies each round makes: as its keys say, or the published numbers for a smaller corpus."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.settings.config import Config, per_round
from pipeline.settings.sections import FamilyCounts


@dataclass(frozen=True)
class Counts:
    """The numbers of one round.

    Attributes:
        homogeneous: Random pairs of real videos, in round 1.
        synthetic: Severity pairs of each family, in round 1.
        sources: Videos of which copies are made, for each family.
        mined: gMAD pairs of each teacher in each role, of the round's new videos.
        missed: Misjudged pairs of each family, of the round's new copies.
    """

    homogeneous: int
    synthetic: FamilyCounts
    sources: FamilyCounts
    mined: int
    missed: FamilyCounts


@dataclass(frozen=True)
class _Published:
    """A column of CVPR 2026, supplement, table of raw videos and pairs: the numbers of `videos` new videos."""

    videos: int
    homogeneous: int
    synthetic: FamilyCounts
    sources: FamilyCounts
    gmad: int
    missed: FamilyCounts


_NONE, _LATER = FamilyCounts(), FamilyCounts(spatial=2_000, temporal=1_000, streaming=1_000)
_MISSED = FamilyCounts(spatial=5_000, temporal=5_000, streaming=5_000)
TABLE = (
    _Published(
        200_000,
        250_000,
        FamilyCounts(spatial=160_000, temporal=40_000, streaming=50_000),
        FamilyCounts(spatial=50_000, temporal=20_000, streaming=10_000),
        0,
        _NONE,
    ),
    _Published(100_000, 0, _NONE, _LATER, 85_000, _MISSED),
    _Published(50_000, 0, _NONE, _LATER, 85_000, _MISSED),
)


def counts_of(config: Config, number: int, members: int) -> Counts:
    """The numbers of round `number`.

    Args:
        config: The configuration.
        number: The round, counted from 1.
        members: Videos of the pool that are new in it; the published numbers are scaled to them, and rounded up. What the keys
            make none of, such as the pairs that an ablation leaves out, stays none.
    """
    pairs, mining = config.pairs, config.mining
    keys = Counts(
        per_round(pairs.homogeneous, 1),
        per_round(pairs.synthetic, 1),
        per_round(config.distort.sources, number),
        mining.pairs,
        mining.missed,
    )
    if config.counts == "keys":
        return keys
    row = per_round(TABLE, number)
    games = 2 * len(config.teachers.voices)

    def scaled(count: int, key: int, share: float = 1.0) -> int:
        return math.ceil(share * count * members / row.videos) if key else 0

    def families(some: FamilyCounts, of_keys: FamilyCounts) -> FamilyCounts:
        both = ((name, count, getattr(of_keys, name)) for name, count in some.model_dump().items())
        return FamilyCounts(**{name: scaled(count, key) for name, count, key in both})

    return Counts(
        scaled(row.homogeneous, keys.homogeneous),
        families(row.synthetic, keys.synthetic),
        families(row.sources, keys.sources),
        scaled(row.gmad, keys.mined, 1 / games),
        families(row.missed, keys.missed),
    )


def counts_input(config: Config) -> dict[str, str]:
    """What a step whose numbers depend on `counts` has as an input; nothing where the keys, which it has, say them."""
    return {} if config.counts == "keys" else {"counts": config.counts}
