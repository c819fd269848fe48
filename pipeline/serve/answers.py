"""Answers of the interface, described for OpenAPI, and the last of them, which an address of the page can name again."""

from __future__ import annotations

import base64
import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.serve.uploads import Upload
from pipeline.student.pictures import moments
from pipeline.student.scoring import FileScore
from pipeline.student.seconds import Curve, Second

KEPT = 128  # answers, some 100 KB each
_DATA = "data:image/jpeg;base64,"


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Score(_Facts):
    """The score of a file with its interval and all that it takes to read it, as `score --json` prints it."""

    video: str
    status: str
    score: float = Field(description="0-100 on the scale of the student's anchors, higher is better, not clipped")
    low: float = Field(description="lower end of the interval")
    high: float = Field(description="upper end of the interval")
    std: float
    mean: float
    raw: float
    kind: str = Field(description="video or still")
    seconds: float = Field(description="length of the file")
    seconds_seen: float = Field(description="length of the windows that the score is made of")
    windows: int | None = Field(default=None, description="how many")
    comparisons: int | None = Field(default=None, description="with anchors, of all windows together")
    order_gap: float | None = Field(default=None, description="position bias, where both orders were asked")
    note: str | None = None
    error: str | None = None
    student: str = Field(description="digest of the student's folder")
    sampling: str
    range: str
    better: str
    interval: float = Field(description="probability that the quality lies between low and high")


class SecondScore(_Facts):
    """One second of a file."""

    start_s: float
    length_s: float
    status: str
    score: float | None
    low: float | None
    high: float | None
    std: float | None
    pulls: dict[str, float] = Field(description="block of features -> points by which it raises the score")
    levels: dict[str, float] = Field(description="answer -> mean probability over the anchors")
    reason: str = Field(description="what differs from the file's median; empty where the second is not below it")
    error: str | None


class Worst(_Facts):
    """A stretch that is worse than the rest of the file."""

    start_s: float
    end_s: float
    score: float
    lowest: float
    lowest_s: float
    reason: str


class Moment(_Facts):
    """A second to look at."""

    start_s: float
    score: float
    mark: str = Field(description="why it is shown: worst stretch 1, 2, ..., low, or best")
    reason: str
    picture: str = Field(description="JPEG as a data URL")


class Course(_Facts):
    """The quality of a file over time."""

    median: float
    coverage: str
    seconds: tuple[SecondScore, ...]
    worst: tuple[Worst, ...] = Field(description="worst first; empty where nothing stands out")
    moments: tuple[Moment, ...] = Field(description="the lowest seconds, and the best one to compare them with")
    note: str | None = None


class Answer(_Facts):
    """What is known of an upload."""

    id: str = Field(description="16 hexadecimal digits of the SHA-256 of the file's bytes")
    kept: bool = Field(default=False, description="answered without scoring again: same bytes, same student")
    score: Score
    curve: Course | None = Field(default=None, description="absent if it was not asked for, or no second has a score")

    def renamed(self, name: str, *, kept: bool) -> Answer:
        """The same answer for a file of another name."""
        return self.model_copy(update={"kept": kept, "score": self.score.model_copy(update={"video": name})})


def answer_of(upload: Upload, score: FileScore, curve: Curve | None, facts: Mapping[str, Any]) -> Answer:
    """The answer about an upload that has a score.

    Args:
        upload: The file.
        score: Its score.
        curve: Its curve, or None.
        facts: What every row of the student carries (`pipeline.student.results.Results.facts`).
    """
    row = dataclasses.asdict(score) | dict(facts) | {"video": upload.name}
    row["note"] = _shown(score.note, upload)
    return Answer(id=upload.digest, score=Score(**row), curve=_course(upload, curve) if curve else None)


def _course(upload: Upload, curve: Curve) -> Course | None:
    if curve.median is None:
        return None
    return Course(
        median=curve.median,
        coverage=curve.coverage,
        seconds=tuple(_second(upload, second) for second in curve.seconds),
        worst=tuple(Worst(**dataclasses.asdict(stretch)) for stretch in curve.worst),
        moments=tuple(_moment(second, mark) for second, mark in moments(curve)),
        note=_shown(curve.note, upload),
    )


def _second(upload: Upload, second: Second) -> SecondScore:
    facts = {name: getattr(second, name) for name in SecondScore.model_fields}
    return SecondScore(**facts | {"error": _shown(second.error, upload)})


def _moment(second: Second, mark: str) -> Moment:
    picture = _DATA + base64.b64encode(second.picture).decode("ascii")
    assert second.score is not None, "only seconds with a score are shown"
    return Moment(start_s=second.start_s, score=second.score, mark=mark, reason=second.reason, picture=picture)


def _shown(text: str | None, upload: Upload) -> str | None:
    """Text about a file with the name that its owner knows."""
    return text.replace(str(upload.path), upload.name) if text else None


class Answers:
    """The last answers, by the digest of the file's bytes; nothing of them is on the disk.

    Args:
        most: Answers that are kept.
    """

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, digest: str, *, per_second: bool = False) -> Answer | None:
        """The answer about these bytes, with a curve if one is asked for; None if it is not kept."""
        with self._lock:
            answer = self._kept.get(digest)
            if answer is None or (per_second and answer.curve is None):
                return None
            self._kept.move_to_end(digest)
            return answer

    def keep(self, answer: Answer) -> None:
        """Keep an answer, in place of the one that was asked for longest ago if there are too many."""
        with self._lock:
            self._kept[answer.id] = answer
            self._kept.move_to_end(answer.id)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
