"""Mining work that Ray spreads over the cluster: one gMAD game per teacher and role (CVPR 2026, section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from actors.gmad import Disagreement, select_pairs


@dataclass(frozen=True)
class Game:
    """One gMAD game: the defender rates two videos equal, the attacker rates them differently."""

    defender: str
    attacker: str


class Miner:
    """Ray actor: plays gMAD games over one pool of videos.

    Args:
        ids: Distinct ids `[V]` that break ties, such as the videos' places in the order of their names.
        scores: Scores `[V]` of each player on the common scale, higher is better; NaN for a missing score.
    """

    def __init__(self, ids: np.ndarray, scores: Mapping[str, np.ndarray]) -> None:
        self.ids = ids
        self.scores = scores

    def play(self, game: Game, count: int, levels: int, max_uses: int) -> Disagreement:
        """The pairs of one game, as chosen by `actors.gmad.select_pairs`."""
        return select_pairs(self.scores[game.defender], self.scores[game.attacker], self.ids, count, levels, max_uses)
