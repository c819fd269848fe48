"""The quality of a file over time: a score for every second, what pulled it down, and the worst stretches.

A second is judged by its own pictures alone, as a window of that length. What pulled it down is told in two ways, neither of
which names a distortion:

* `pulls`, for a student whose features have blocks: the score less the score that the second would have if this block were as in
  the average video of the training. A block is what is left of it when the content has been taken out, so blocks answer for
  quality as the student sees it; they do not add up exactly, since the score is no linear function of them.
* `levels`, for every student: the mean probability of its five answers over the anchors.

A reason compares a second with the file's own median, so a file that is bad throughout has none; its `pulls` say it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import softmax

from actors.media.rows import Row
from actors.seconds import Answer, unpack_answers
from pipeline.method.stretches import worst_stretches
from pipeline.student.scoring import FAILED, OK, Model
from trainers.levels import LEVELS

BLOCKS = {  # what the blocks of a student's features look at, in words
    "degradation": "visible degradations",
    "native": "detail at full size",
    "half": "detail at half size",
    "quarter": "detail at quarter size",
    "freeze": "held pictures",
    "shake": "shaking",
    "naturalness": "unnatural texture",
}
_LEAST = 1.0  # points, and percent of answers: smaller changes are no reason
_NAMED = 3  # in a reason at most
_SHARE = 0.25  # of the largest change: smaller ones are not named beside it


@dataclass(frozen=True)
class Second:
    """One second of a file; scores are on the 0-100 scale of `FileScore`, and empty where the second failed.

    Attributes:
        start_s: Where it begins.
        length_s: How long it is: 1, but the last one takes what is left of the file; 0 for a still.
        status: "ok" or "failed".
        score: Score.
        low: Lower end of the 68 % interval.
        high: Its upper end.
        std: Posterior standard deviation.
        pulls: Block of features -> points by which it raises the score against the average video; empty for other students.
        levels: Answer -> mean probability over the anchors.
        reason: What differs from the file's median, worst first; empty where the second is not below it.
        error: "kind: message" of a failed second.
        picture: JPEG of a picture from its middle; empty unless asked for.
    """

    start_s: float
    length_s: float
    status: str
    score: float | None = None
    low: float | None = None
    high: float | None = None
    std: float | None = None
    pulls: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    error: str | None = None
    picture: bytes = field(default=b"", repr=False)

    @property
    def end_s(self) -> float:
        """Where it ends."""
        return self.start_s + self.length_s


@dataclass(frozen=True)
class Stretch:
    """A stretch of a file that is worse than the rest.

    Attributes:
        start_s: Where its first second begins.
        end_s: Where its last one ends.
        score: Mean score.
        lowest: Lowest score.
        lowest_s: Where the second with the lowest score begins.
        reason: That second's.
    """

    start_s: float
    end_s: float
    score: float
    lowest: float
    lowest_s: float
    reason: str


@dataclass(frozen=True)
class Curve:
    """The quality of a file over time.

    Attributes:
        video: The file as the user named it.
        status: "ok", or "failed" if no second has a score.
        kind: "video" or "still".
        length_s: Length of the file.
        seen_s: Seconds that have a score.
        median: Median score of these.
        seconds: What was judged, in order; the seconds of a long file are spread evenly over it.
        worst: The worst stretches, worst first; empty where none stands out.
        note: What is odd about the file.
        error: "kind: message" of a file that failed.
    """

    video: str
    status: str
    kind: str | None = None
    length_s: float | None = None
    seen_s: float = 0.0
    median: float | None = None
    seconds: tuple[Second, ...] = ()
    worst: tuple[Stretch, ...] = ()
    note: str | None = None
    error: str | None = None

    @property
    def coverage(self) -> str:
        """How much of the file was looked at, in words."""
        if self.kind == "still":
            return "a still picture"
        failed = sum(second.status == FAILED for second in self.seconds)
        bad = f", {failed} second{'s' * (failed > 1)} failed" if failed else ""
        return f"{self.seen_s:.1f} of {self.length_s or 0:.1f} s{bad}"


def curve_of(name: str, header: Row, rows: Sequence[Row], model: Model) -> Curve:
    """The curve of one file from its pieces, in their order."""
    if header["status"] != OK:
        return Curve(name, FAILED, error=f"{header['error_kind']}: {header['error']}")
    length = float(header["length_s"])
    places: list[tuple[float, float]] = []
    answers: list[Answer] = []
    for row in rows:
        some = [(float(start), float(size)) for start, size in json.loads(row["spans"])]
        places += [(start, size or length) for start, size in some]
        if row["status"] == OK:
            answers += unpack_answers(row, len(model.anchors.ids))
        else:
            answers += [Answer(kind=row["error_kind"], error=row["error"])] * len(some)
    seconds = _seconds(places, answers, model)
    good = [second for second in seconds if second.score is not None]
    failed = next((second.error for second in seconds if second.status == FAILED), None)
    return Curve(
        name,
        OK if good else FAILED,
        kind="video" if length else "still",
        length_s=length,
        seen_s=sum(second.length_s for second in good),
        median=float(np.median([second.score for second in good if second.score is not None])) if good else None,
        seconds=seconds,
        worst=_stretches(seconds),
        note=header.get("note") or None,
        error=None if good else failed,
    )


def _seconds(places: Sequence[tuple[float, float]], answers: Sequence[Answer], model: Model) -> tuple[Second, ...]:
    good = [k for k, answer in enumerate(answers) if answer.logits is not None]
    rows = [
        Second(start, size, FAILED, error=f"{answer.kind}: {answer.error}", picture=answer.picture)
        for (start, size), answer in zip(places, answers, strict=True)
    ]
    if not good:
        return tuple(rows)
    anchors = model.anchors
    logits = np.stack([np.asarray(answers[k].logits) for k in good])
    judged = anchors.score(logits)
    names = list(answers[good[0]].blocks or {})
    usual = {name: np.stack([(answers[k].blocks or {})[name] for k in good]) for name in names}
    scale = anchors.scale()
    pulls = {name: judged.score - scale(anchors.raw(some)) for name, some in usual.items()}
    shares = softmax(logits.astype(np.float64) / anchors.temperature, axis=-1).mean(axis=1)
    levels = {name: shares[:, k] for k, name in enumerate(LEVELS)}
    reasons = _reasons(judged.score, pulls, levels)
    for n, k in enumerate(good):
        rows[k] = Second(
            *places[k],
            OK,
            score=float(judged.score[n]),
            low=float(judged.low[n]),
            high=float(judged.high[n]),
            std=float(judged.std[n]),
            pulls={name: float(some[n]) for name, some in pulls.items()},
            levels={name: float(some[n]) for name, some in levels.items()},
            reason=reasons[n],
            picture=answers[k].picture,
        )
    return tuple(rows)


def _reasons(scores: np.ndarray, pulls: Mapping[str, np.ndarray], levels: Mapping[str, np.ndarray]) -> list[str]:
    """For each second below the median: the blocks that lower it, in points, or else the low answers that it gets more often."""
    if pulls:
        changes = {BLOCKS.get(name, name): some - np.median(some) for name, some in pulls.items()}
        said = "{name} {change:+.1f}"
    else:
        low = LEVELS[: len(LEVELS) // 2]
        changes = {f"answer {name}": -100 * (levels[name] - np.median(levels[name])) for name in low}
        said = "{name} {minus:+.0f} %"
    below = np.median(scores) - scores
    reasons = []
    for n, depth in enumerate(below):
        worst = sorted((float(some[n]), name) for name, some in changes.items())
        named = [(change, name) for change, name in worst[:_NAMED] if change <= min(-_LEAST, _SHARE * worst[0][0])]
        text = ", ".join(said.format(name=name, change=change, minus=-change) for change, name in named)
        reasons.append(text if depth >= _LEAST else "")
    return reasons


def _stretches(seconds: Sequence[Second]) -> tuple[Stretch, ...]:
    scores = np.array([np.nan if second.score is None else second.score for second in seconds])
    found = []
    for first, end in worst_stretches(scores):
        lowest = seconds[first + int(np.argmin(scores[first:end]))]
        assert lowest.score is not None, "a stretch has scores"
        found.append(
            Stretch(
                seconds[first].start_s,
                seconds[end - 1].end_s,
                float(scores[first:end].mean()),
                lowest.score,
                lowest.start_s,
                lowest.reason,
            )
        )
    return tuple(found)
