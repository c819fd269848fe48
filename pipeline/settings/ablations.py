"""The published ablations by name (CVPR 2026, main table and iteration ablation): each a small set of keys of the configuration.

The paper's rows add one part of the method after another. A run with `ablation=NAME` is the preset with the keys of that row;
what is given beside it (`--set`, named flags) still wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The teacher of the single-teacher row: the paper's, or the best known of those that need no download; else the first one.
SINGLE = ("minimalistic_ix", "niqe")
_BY_ONE = "the single teacher"  # stands in the table where a teacher's name goes

_NO_COPIES = [{"spatial": 0, "temporal": 0, "streaming": 0}]
_REAL_ONLY: dict[str, Any] = {"pairs.synthetic": _NO_COPIES, "distort.sources": _NO_COPIES}
_IV: dict[str, Any] = {"stages": 1, "training.lambda": "adaptive"}
_V: dict[str, Any] = {**_IV, "stages": 2, "mining.select": "gmad"}


@dataclass(frozen=True)
class Ablation:
    """A row of the table.

    Attributes:
        title: What the row adds or changes, in a few words.
        meaning: What its students learn from.
        keys: Dotted key -> value.
        against: The row that differs in this part alone; None for the first.
    """

    title: str
    meaning: str
    keys: Mapping[str, Any]
    against: str | None


ABLATIONS: dict[str, Ablation] = {
    "I": Ablation(
        "single teacher",
        "homogeneous pairs of round 1, labelled by the levels of one teacher",
        {"stages": 1, "teachers.labels": _BY_ONE, **_REAL_ONLY, "training.lambda": 0.0},
        None,
    ),
    "II": Ablation(
        "ensemble",
        "homogeneous pairs of round 1, labelled by the mean and the variance of all teachers",
        {"stages": 1, **_REAL_ONLY, "training.lambda": 0.0},
        "I",
    ),
    "III": Ablation(
        "+ synthetic pairs",
        "the same, and pairs of two levels of one distortion",
        {"stages": 1, "training.lambda": 0.0},
        "II",
    ),
    "IV": Ablation(
        "+ confidence loss",
        "the same pairs, with the adaptive confidence loss",
        _IV,
        "III",
    ),
    "V": Ablation(
        "+ stage 2",
        "the same, and in round 2 hard pairs, labelled by the student of round 1",
        _V,
        "IV",
    ),
    "VI": Ablation(
        "+ stage 3",
        "the same, and in round 3 hard pairs, labelled by the student of round 2",
        {**_V, "stages": 3},
        "V",
    ),
    "V-a": Ablation(
        "random instead of hard pairs",
        "as V, but as many pairs of the same new videos and copies are drawn at random",
        {**_V, "mining.select": "random"},
        "V",
    ),
    "V-b": Ablation(
        "hard pairs, not relabelled",
        "as V, but hard pairs keep the label of the teachers",
        {**_V, "pairs.relabel": "none"},
        "V",
    ),
    "IV-reliability": Ablation(
        "teachers weighted by reliability",
        "as IV, but a teacher counts by how closely it follows the target of the common scale",
        {**_IV, "teachers.weights": "reliability"},
        "IV",
    ),
    "IV-regression": Ablation(
        "regression instead of ranking",
        "as IV, but real pairs teach the difference of the ensemble's means",
        {**_IV, "training.loss": "regression"},
        "IV",
    ),
    "V-loss": Ablation(
        "hardest by loss",
        "as V, but the pairs with the highest cross-entropy",
        {**_V, "mining.select": "loss"},
        "V",
    ),
    "V-confidence": Ablation(
        "hardest by low confidence",
        "as V, but the pairs of which the student is least sure",
        {**_V, "mining.select": "low_confidence"},
        "V",
    ),
    "V-disagreement": Ablation(
        "hardest by the teachers' disagreement",
        "as V, but the real pairs that the teachers see most differently",
        {**_V, "mining.select": "disagreement"},
        "V",
    ),
    "V-answer": Ablation(
        "relabelled by the student's answer",
        "as V, but the student of round 1 labels hard pairs by its own answer where both orders agree",
        {**_V, "pairs.relabel_by": "answer"},
        "V",
    ),
    "V-severity": Ablation(
        "all severity pairs of the new copies",
        "as V, and from all severity pairs of the new copies, not from the misjudged ones alone",
        {**_V, "pairs.severity": "all"},
        "V",
    ),
    "VI-severity": Ablation(
        "the same in stage 3",
        "as V-severity, and in round 3 in the same way",
        {**_V, "stages": 3, "pairs.severity": "all"},
        "VI",
    ),
    "V-copies": Ablation(
        "severity pairs of the new copies alone",
        "round 1's pairs, and in round 2 all severity pairs of the new copies, without hard pairs",
        {**_V, "pairs.severity": "all", "mining.pairs": 0},
        "V-severity",
    ),
    "V-continued": Ablation(
        "trained on from the student before",
        "as V, but round 2 goes on from the student of round 1",
        {**_V, "training.start": "student"},
        "V",
    ),
    "V-all": Ablation(
        "pairs of all videos so far",
        "as V, but hard pairs of the new and of the old videos",
        {**_V, "mining.videos": "all"},
        "V",
    ),
}

# the rows of the paper's tables; those after them are what reviewers asked for
PUBLISHED = ("I", "II", "III", "IV", "V", "VI", "V-a", "V-b")


def keys_of(name: str, teachers: Sequence[str]) -> dict[str, Any]:
    """The keys of an ablation.

    Args:
        name: A key of `ABLATIONS`.
        teachers: The names of the run's teachers, one of which is the single one.
    """
    single = next((teacher for teacher in SINGLE if teacher in teachers), teachers[0])
    return {key: single if value == _BY_ONE else value for key, value in ABLATIONS[name].keys.items()}
