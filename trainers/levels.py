"""The five comparison levels (CVPR 2026, section 4.1.2), worst first: the index order of all logits and labels."""

from __future__ import annotations

LEVELS: tuple[str, ...] = ("inferior", "worse", "similar", "better", "superior")
LEVEL_INDEX: dict[str, int] = {level: index for index, level in enumerate(LEVELS)}
