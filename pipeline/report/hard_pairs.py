"""The hardest pairs of every round, with what each judge says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.method.labels import severity_labels
from pipeline.report.scores import Scores, maps, raw_scores, student_scores
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import DISTORTED, MINED, PREFERENCES
from pipeline.run_folder.store import exists, read_table
from trainers.levels import LEVELS

Row = dict[str, Any]

GMAD_PAIRS, MISSED_PAIRS = 4, 2  # shown of each round
STUDENT = "student"


def hard_pairs(layout: RunLayout, calibration: Mapping[str, Any], number: int) -> list[Row]:
    """The pairs of `round-<k>/mined.parquet` that are shown: the widest gaps of gMAD, and the surest mistakes.

    Returns:
        Rows with `origin`, the ids `first` and `second`, and `opinions`: `judge`, `role`, `says` (a sentence), and for
        gMAD `scores`, of both videos.
    """
    if not exists(layout.mined(number)):
        return []
    rows = read_table(layout.mined(number), MINED).to_pylist()
    games = sorted(
        (row for row in rows if row["origin"] == "gmad"),
        key=lambda row: (-abs(row["attacker_gap"] or 0.0), row["first"], row["second"]),
    )
    chosen = list(_distinct(games))[:GMAD_PAIRS]
    names = {name for row in chosen for name in (row["defender"], row["attacker"])}
    scores = _judges(layout, calibration, number, names)
    pairs = [_game(row, scores) for row in chosen]
    return [*pairs, *_missed(layout, number, [row for row in rows if row["origin"] == "missed"])]


def _distinct(rows: Sequence[Row]) -> Iterator[Row]:
    """Pairs none of whose videos was in one before: the same two clips again show nothing new."""
    seen: set[str] = set()
    for row in rows:
        if seen.isdisjoint({row["first"], row["second"]}):
            seen |= {row["first"], row["second"]}
            yield row


def _judges(
    layout: RunLayout, calibration: Mapping[str, Any], number: int, names: set[str | None]
) -> dict[str, Scores]:
    """Scores of each judge on the common scale."""
    found: dict[str, Scores] = {}
    for name, logistic in maps(calibration).items():
        if name in names:
            raw = raw_scores(layout.scores(name))
            found[name] = dict(zip(raw, logistic(list(raw.values())).tolist(), strict=True))
    return found | {STUDENT: student_scores(layout.student_scores(number), "score")}


def _game(row: Row, scores: Mapping[str, Scores]) -> Row:
    if row["attacker"] is None:  # chosen in another way than by a game: what the student says of it
        said = [_opinion(STUDENT, STUDENT, row, scores[STUDENT], None)]
        return {"origin": "gmad", "first": row["first"], "second": row["second"], "opinions": said}
    opinions = [
        _opinion(row[role], role, row, scores.get(row[role], {}), row[f"{role}_gap"])
        for role in ("defender", "attacker")
    ]
    return {"origin": "gmad", "first": row["first"], "second": row["second"], "opinions": opinions}


def _opinion(judge: str, role: str, row: Row, scores: Scores, gap: float | None) -> Row:
    both = [scores.get(row["first"]), scores.get(row["second"])]
    if None in both:
        says = f"gap {abs(gap):.1f} points" if gap is not None else "its scores are not in this run folder"
        return {"judge": judge, "role": role, "says": says, "scores": None}
    first, second = (value for value in both if value is not None)
    better = "first" if first > second else "second"
    says = "about equal" if role == "defender" else f"the {better} is better"
    return {"judge": judge, "role": role, "says": f"{first:.0f} and {second:.0f}: {says}", "scores": [first, second]}


def _missed(layout: RunLayout, number: int, rows: Sequence[Row]) -> list[Row]:
    """Copies of one source that the student of a round ranks wrongly, one pair of each distortion, the surest first."""
    if not rows or not exists(layout.distorted(number + 1)):
        return []
    copies = {row["video_id"]: row for row in read_table(layout.distorted(number + 1), DISTORTED).to_pylist()}
    known = [row for row in rows if row["first"] in copies and row["second"] in copies]
    answers = _answers(layout, number)
    pairs = []
    for row in known:
        first, second = copies[row["first"]], copies[row["second"]]
        (label,) = severity_labels([first["level"]], [second["level"]])
        answer = answers.get((row["first"], row["second"]))
        pairs.append((float(answer[label]) if answer is not None else 1.0, first, second, int(label), answer))
    pairs.sort(key=lambda pair: (pair[0], pair[1]["video_id"], pair[2]["video_id"]))
    shown: dict[str, Row] = {}
    for _, first, second, label, answer in pairs:
        shown.setdefault(first["distortion"], _mistake(first, second, label, answer))
    return list(shown.values())[:MISSED_PAIRS]


def _answers(layout: RunLayout, number: int) -> dict[tuple[str, str], np.ndarray]:
    if not exists(layout.mined_answers(number)):
        return {}
    rows = read_table(layout.mined_answers(number), PREFERENCES).to_pylist()
    return {(row["first"], row["second"]): np.array([row[level] for level in LEVELS]) for row in rows}


def _mistake(first: Row, second: Row, label: int, answer: np.ndarray | None) -> Row:
    levels = " against ".join(f"level {row['level']}" if row["level"] else "undistorted" for row in (first, second))
    said = "not kept by the version that made this run"
    if answer is not None:
        best = int(answer.argmax())
        said = f"the second is {LEVELS[best]}, {100 * answer[best]:.0f} % sure"
    opinions = [
        {
            "judge": first["distortion"],
            "role": "teacher",
            "says": f"the second is {LEVELS[label]}: {levels}",
            "scores": None,
        },
        {"judge": STUDENT, "role": STUDENT, "says": said, "scores": None},
    ]
    return {"origin": "missed", "first": first["video_id"], "second": second["video_id"], "opinions": opinions}
