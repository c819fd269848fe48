"""Mining work that Ray spreads over the cluster: one gMAD game per teacher and role (CVPR 2026, section 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actors.gmad import select_pairs


@dataclass(frozen=True)
class Game:
    """One gMAD game: the defender rates two videos equal, the attacker rates them differently."""

    defender: str
    attacker: str


@dataclass(frozen=True)
class HardPair:
    """A pair of a game: indices into the pool, the defender's level, and both models' score differences."""

    high: int
    low: int
    level: int
    attacker_gap: float
    defender_gap: float


class Miner:
    """Ray actor: plays gMAD games over one pool of videos.

    Args:
        ids: Video ids `[V]`.
        scores: Scores `[V]` of each player on the common scale, higher is better; NaN for a missing score.
    """

    def __init__(self, ids: list[str], scores: dict[str, np.ndarray]) -> None:
        self.ids = np.asarray(ids)
        self.scores = scores

    def play(self, game: Game, count: int, levels: int, max_uses: int) -> list[HardPair]:
        """The pairs of one game, as chosen by `actors.gmad.select_pairs`."""
        defender, attacker = self.scores[game.defender], self.scores[game.attacker]
        selection = select_pairs(defender, attacker, self.ids, count, levels, max_uses)
        return [
            HardPair(int(high), int(low), int(level), float(gap), float(abs(defender[high] - defender[low])))
            for high, low, level, gap in zip(selection.high, selection.low, selection.level, selection.gap, strict=True)
        ]
