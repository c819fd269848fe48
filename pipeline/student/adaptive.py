"""Adaptive comparison: more anchors, both orders and more windows only where the interval of a score is wide.

A file begins with what every score costs: three windows, each compared once with the usual anchors. A window whose standard
deviation is above the one asked for is then compared with all further anchors of the student, and at last with all of them in
the other order. Not with the nearest ones first: every comparison draws a window towards the anchor that it was compared with,
because answers are softened by their temperature, so that a one-sided choice moves scores by several points.
Between its windows a file has a spread of its own: as long as the file is above what was asked for, and the standard error of
the windows' mean (drawn without replacement) has a share in that, it gets twice as many windows.

Scores come from the anchors and the others between them together, on the scale that is fitted to all of them; they differ from
those of the usual anchors by little (`benchmarks/adaptive.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actors.adaptive import AdaptiveEncoder, Asked
from actors.media.rows import Row, format_recipe
from actors.sample import Sampler
from cluster.engine import Engine
from cluster.pools import Pool
from pipeline.console import Console, UserError
from pipeline.corpus.rules import PRISTINE
from pipeline.method.scale import preference, score_tests
from pipeline.run_folder.store import exists
from pipeline.student.folder import MORE_JSON, Anchors, Scores, read_anchors
from pipeline.student.scoring import (
    FAILED,
    LEAST_WINDOWS,
    MOST_WINDOWS,
    OK,
    FileScore,
    Model,
    warn,
)  # fmt: skip
from pipeline.student.workplace import streamed, workplace

LEAST_SHARE = 0.01  # of a file's variance: what its windows differ by, for more of them to be worth their cost


@dataclass(frozen=True, eq=False)
class Thrift:
    """A chooser that stops as soon as a window is sure enough.

    Attributes:
        anchors: All anchors, lowest first.
        usual: Which of them every window is compared with.
        until_std: Standard deviation, on the 0-100 scale, that is small enough.
        orders: Whether the other order is worth asking for: a student that mirrors its answers exactly says nothing new.
    """

    anchors: Anchors
    usual: tuple[int, ...]
    until_std: float
    orders: bool

    def next(self, asked: Asked, logits: np.ndarray) -> Asked:
        """See `actors.adaptive.Chooser`."""
        if not asked:
            return [(k, False) for k in self.usual]
        if judge(self.anchors, [asked], [logits]).std[0] <= self.until_std:
            return []
        known = set(asked)
        for turned in (False, True) if self.orders else (False,):
            fresh = [(k, turned) for k in range(len(self.anchors.ids)) if (k, turned) not in known]
            if fresh:
                return fresh
        return []


def judge(anchors: Anchors, asked: Sequence[Asked], logits: Sequence[np.ndarray]) -> Scores:
    """Scores of N windows that were compared with different anchors.

    Args:
        anchors: All anchors.
        asked: The comparisons of each.
        logits: The answers `[K, 5]` of each.
    """
    wins, counts = np.zeros((2, len(asked), len(anchors.ids)))
    for n, (some, answers) in enumerate(zip(asked, logits, strict=True)):
        for (k, _), p in zip(some, preference(answers, anchors.temperature), strict=True):
            wins[n, k] += p
            counts[n, k] += 1
    p = np.where(counts > 0, wins / np.maximum(counts, 1), 0.5)
    scale, raw = anchors.scale(), score_tests(anchors.matrix, p, counts=counts)
    rest = anchors.uncertainty(p, counts)
    return Scores(raw, scale(raw), scale(rest.mean), scale.deviation(rest.std), scale(rest.low), scale(rest.high))


def order_gap(asked: Sequence[Asked], logits: Sequence[np.ndarray], temperature: float) -> float | None:
    """Mean P(window beats anchor) when the window is second, less when it is first: the position bias; None if unknown."""
    gaps = []
    for some, answers in zip(asked, logits, strict=True):
        p = dict(zip(some, preference(answers, temperature).tolist(), strict=True))
        gaps += [p[k, False] - p[k, True] for k, turned in some if turned]
    return float(np.mean(gaps)) if gaps else None


def grid(length_s: float, window_s: float) -> list[tuple[float, float]]:
    """Windows of a file that do not overlap, in an order in which the first few are always spread over it.

    A file that is no longer than a window is one whole; a longer one is never shown whole, since the student was trained on
    windows (`corpus.windows.windows` cuts alike).
    """
    if window_s <= 0 or length_s <= window_s:
        return [(0.0, 0.0)]
    count = min(int(length_s // window_s), MOST_WINDOWS)
    gap = (length_s - count * window_s) / (count + 1)
    starts = [round(gap + k * (gap + window_s), 3) for k in range(count)]
    order: list[int] = []
    left = set(range(count))
    # the middle first, then always the one that is furthest from all that are taken
    while left:
        best = max(left, key=lambda k: (min((abs(k - one) for one in order), default=-abs(2 * k - count + 1)), -k))
        order.append(best)
        left.remove(best)
    return [(starts[k], window_s) for k in order]


@dataclass
class _File:
    """What is known of a file so far; `population`: how many windows it has room for."""

    header: Row
    windows: list[tuple[float, float]]
    population: int
    rows: list[Row]

    def ask(self, count: int) -> list[Row]:
        """The next windows, up to `count` in all."""
        first = len(self.rows)
        return [
            {
                "video_id": f"{self.header['video_id']}-{number:03d}",
                "uri": self.header["uri"],
                "start_s": start,
                "duration_s": length,
                "recipe": format_recipe([PRISTINE]),
                "still": False,
            }
            for number, (start, length) in enumerate(self.windows[first:count], first)
        ]


def _file(header: Row, window_s: float) -> _File:
    length = float(header["length_s"])
    windows = grid(length, window_s) if header["status"] == OK else []
    return _File(header, windows, max(len(windows), int(length // window_s) if window_s > 0 else 1), [])


def thrift_of(model: Model, until_std: float) -> Thrift:
    """The chooser for a student: with the further anchors of its folder, if it has them.

    Raises:
        UserError: Their files are damaged.
    """
    anchors = read_anchors(model.folder, more=True) if exists(model.folder / MORE_JSON) else model.anchors
    places = {name: k for k, name in enumerate(anchors.ids)}
    if any(name not in places for name in model.anchors.ids):
        raise UserError(f"{model.folder / MORE_JSON}: it lacks anchors of the student; copy or train the student again")
    orders = not model.network.comparer.student.mirrors
    return Thrift(anchors, tuple(places[name] for name in model.anchors.ids), until_std, orders)


def score_until(
    model: Model,
    files: Sequence[str],
    until_std: float,
    console: Console,
    address: str | None = None,
    verbose: bool = False,
) -> list[FileScore]:
    """Score files until their standard deviation is small enough, or nothing more can be asked.

    Args:
        model: The student.
        files: Files.
        until_std: Standard deviation on the 0-100 scale.
        console: Shows the progress.
        address: Ray cluster to use.
        verbose: Show Ray's own log.

    Raises:
        UserError: The student's files are damaged.
        ClusterError: Ray cannot be started or joined.
        Failure: ``storage``: the disk of temporary files is full.
    """
    thrift = thrift_of(model, until_std)
    reader = Pool(Sampler, {"spec": model.spec, "options": model.options})
    least = LEAST_WINDOWS * len(files)
    with workplace(model, files, console, address, verbose, lambda _headers: least) as place:
        encoder = place.student(AdaptiveEncoder, chooser=thrift, anchors=thrift.anchors.features)
        return score_on(place.engine, model, files, place.headers, [reader, encoder], thrift, console)


def score_on(
    engine: Engine,
    model: Model,
    files: Sequence[str],
    headers: Sequence[Row],
    pools: Sequence[Pool],
    thrift: Thrift,
    console: Console,
) -> list[FileScore]:
    """Score files on an engine that runs.

    Args:
        engine: Runs the rows.
        model: The student.
        files: Files, as the user named them.
        headers: What `actors.folder.HeaderReader` says of each, in any order.
        pools: The pools that read a window and that compare it (`AdaptiveEncoder`).
        thrift: Says when it is enough.
        console: Shows the progress.
    """
    warn(files, headers, console)
    known = [_file(row, model.window_s) for row in sorted(headers, key=lambda row: str(row["video_id"]))]
    count = LEAST_WINDOWS
    asked = [row for file in known for row in file.ask(count)]
    while asked:
        for row in sorted(
            streamed(engine, asked, pools, console, "scoring windows"), key=lambda row: str(row["video_id"])
        ):
            known[int(str(row["video_id"]).partition("-")[0])].rows.append(row)
        count *= 2
        asked = [row for file in known if _wants_more(file, thrift) for row in file.ask(count)]
    return [_file_score(name, file, thrift) for name, file in zip(files, known, strict=True)]


def _judged(file: _File, thrift: Thrift) -> tuple[Scores, float, list[Asked], list[np.ndarray]]:
    """Scores of the windows, the sampling variance of their mean, and what they are made of."""
    asked = [[(int(k), bool(turned)) for k, turned in json.loads(row["asked"])] for row in file.rows]
    logits = [np.frombuffer(row["logits"], np.float32).reshape(-1, 5) for row in file.rows]
    scores = judge(thrift.anchors, asked, logits)
    drawn = len(file.rows)
    spread = float(np.var(scores.score, ddof=1)) if drawn > 1 else 0.0
    return scores, spread / drawn * (1 - drawn / file.population), asked, logits


def _wants_more(file: _File, thrift: Thrift) -> bool:
    if not 1 < len(file.rows) < len(file.windows) or any(row["status"] != OK for row in file.rows):
        return False
    scores, sampling, _, _ = _judged(file, thrift)
    own = float(np.mean(scores.std**2))
    return own + sampling > thrift.until_std**2 and sampling > LEAST_SHARE * own


def _file_score(name: str, file: _File, thrift: Thrift) -> FileScore:
    bad = next((row for row in (file.header, *file.rows) if row["status"] != OK), None)
    if bad is not None:
        return FileScore(name, FAILED, error=f"{bad['error_kind']}: {bad['error']}")
    scores, sampling, asked, logits = _judged(file, thrift)
    own, seconds = float(np.mean(scores.std**2)), float(file.header["length_s"])
    std = math.sqrt(own + sampling)
    wider = std / math.sqrt(own)  # of an interval that holds what windows differ by too
    mean = float(scores.mean.mean())
    seen = sum(length for _, length in file.windows[: len(file.rows)]) or seconds
    return FileScore(
        name,
        OK,
        score=float(scores.score.mean()),
        low=mean - wider * (mean - float(scores.low.mean())),
        high=mean + wider * (float(scores.high.mean()) - mean),
        std=std,
        mean=mean,
        raw=float(scores.raw.mean()),
        kind="still" if seconds == 0 else "video",
        seconds=seconds,
        seconds_seen=min(seconds, seen),
        windows=len(file.rows),
        comparisons=sum(map(len, asked)),
        order_gap=order_gap(asked, logits, thrift.anchors.temperature),
        note=file.header.get("note") or None,
    )
