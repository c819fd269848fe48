"""Other choices of a later round's pairs than the published one, for comparison: at random, or the hardest by a simpler rule.

Each chooses as many pairs as the published selection would, among the same new videos and the same new copies, so that rows that
differ in `mining.select` have equal budgets. Pairs keep the origins `gmad` and `missed`, and with them their weights in the loss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from cluster.engine import Row
from pipeline.corpus.rules import short_id
from pipeline.method import hardness
from pipeline.method.calibration import Calibrated
from pipeline.method.pairs import Pair, presented, sample_pairs
from pipeline.opinions import label_rule
from pipeline.run_folder.records import MINED
from pipeline.run_folder.run import Run
from pipeline.student.comparison import pair_logits
from trainers.batches import read_encoded

# Real pairs that are looked at for each that is chosen: all of them would be half the square of the videos.
CANDIDATES = 8


@dataclass(frozen=True, eq=False)
class Candidates:
    """P pairs, from which some are chosen.

    Attributes:
        pairs: Ids of the first and the second video.
        labels: Weak labels `[P]`.
        logits: The student's answers `[P, 5]`, when they are needed.
        opinions: Scores of both videos by the teachers, `[P, T]` each; None for copies, which teachers do not score.
        seed: Of random choices.
    """

    pairs: Sequence[Pair]
    labels: np.ndarray
    logits: Callable[[], np.ndarray]
    opinions: tuple[np.ndarray, np.ndarray] | None
    seed: int


def at_random(some: Candidates) -> np.ndarray:
    """A number for each pair that depends on the seed and its videos alone."""
    return np.array([int(short_id(some.seed, "random", *sorted(pair)), 16) for pair in some.pairs], np.float64)


# mining.select -> how hard each candidate is, the hardest the highest; gMAD is none of them (`pipeline.steps.mine`)
SELECTIONS: dict[str, Callable[[Candidates], np.ndarray]] = {
    "random": at_random,
    "loss": lambda some: hardness.loss(some.logits(), some.labels),
    "low_confidence": lambda some: hardness.low_confidence(some.logits()),
    "disagreement": lambda some: hardness.disagreement(*some.opinions) if some.opinions else np.zeros(len(some.pairs)),
}
OF_COPIES = ("random", "loss", "low_confidence")  # the others leave the published choice of copies: misjudged pairs


def real_pairs(run: Run, number: int, members: Sequence[str], teachers: Calibrated, instead_of: pa.Table) -> pa.Table:
    """Table `Mined`: as many pairs of the new videos as gMAD chose, no video in more of them than in gMAD's.

    None where gMAD found none: with `mining.pairs=0`, or among too few new videos.

    Args:
        run: The run.
        number: The round of the student.
        members: Ids of the V new videos.
        teachers: The teachers' opinions on them.
        instead_of: Table `Mined` of gMAD's choice.
    """
    if not instead_of.num_rows:
        return instead_of
    config, layout = run.config, run.layout
    used = Counter(instead_of["first"].to_pylist()) + Counter(instead_of["second"].to_pylist())
    wanted, most_uses = instead_of.num_rows, max(used.values())
    every = len(members) * (len(members) - 1) // 2
    if every <= CANDIDATES * wanted:
        pairs = [presented(pair, config.seed) for pair in combinations(sorted(members), 2)]
    else:
        pairs = sample_pairs(members, CANDIDATES * wanted, config.seed, CANDIDATES * wanted)
    place = {video: k for k, video in enumerate(members)}
    first, second = (np.array([place[pair[side]] for pair in pairs], np.int64) for side in (0, 1))
    rule = label_rule(config, layout)
    labels = rule(teachers.mean[first], teachers.variance[first], teachers.mean[second], teachers.variance[second])[0]

    def logits() -> np.ndarray:
        encoded = read_encoded(config.student.name, layout.features)
        return pair_logits(run, layout.student(number), encoded, *([pair[side] for pair in pairs] for side in (0, 1)))

    some = Candidates(pairs, labels, logits, (teachers.mapped[first], teachers.mapped[second]), config.seed)
    chosen = hardness.hardest(SELECTIONS[config.mining.select](some), pairs, wanted, most_uses)
    empty: Row = dict.fromkeys(MINED.schema.names)
    return MINED.table([empty | {"first": pairs[k][0], "second": pairs[k][1], "origin": "gmad"} for k in chosen])


def copy_pairs(
    select: str, seed: int, pairs: Sequence[Any], labels: np.ndarray, logits: np.ndarray, count: int
) -> list[int]:
    """Places of the severity pairs (`SyntheticPair`) of one family that take part, `count` of them."""
    ids = [(pair.first.video_id, pair.second.video_id) for pair in pairs]
    some = Candidates(ids, labels, lambda: logits, None, seed)
    return hardness.hardest(SELECTIONS[select](some), ids, count)
