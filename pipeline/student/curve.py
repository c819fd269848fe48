"""The curves of files: which seconds are judged, in which pieces and where; `pipeline.student.seconds` makes curves of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from actors.media.rows import Row, format_recipe
from actors.seconds import SecondsScorer
from cluster.engine import Engine
from cluster.pools import Pool
from pipeline.console import Console
from pipeline.corpus.rules import PRISTINE
from pipeline.student.scoring import OK, Model, warn
from pipeline.student.seconds import Curve, curve_of
from pipeline.student.workplace import streamed, workplace

MOST_SECONDS = 600  # of a file that are judged; of a longer one these are spread evenly
PIECE = 8  # seconds that share a decode


def spans(length_s: float, most: int = MOST_SECONDS) -> list[tuple[float, float]]:
    """(start, length) of the seconds of a file that are judged: all, or `most` of them, evenly spread.

    The last one has half a second to one and a half. A file of less than that is one window, with length 0: to its end.
    """
    count = round(length_s)
    if count <= 1:
        return [(0.0, 0.0)]
    kept = range(count) if count <= most else np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()
    return [(float(k), 1.0 if k < count - 1 else length_s - k) for k in kept]


def pieces(parts: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """The seconds in groups that follow each other without a gap, at most `PIECE` in each."""
    groups: list[list[tuple[float, float]]] = []
    for start, length in parts:
        last = groups[-1] if groups else []
        if last and len(last) < PIECE and last[-1][0] + last[-1][1] == start:
            last.append((start, length))
        else:
            groups.append([(start, length)])
    return groups


def curves(
    model: Model,
    files: Sequence[str],
    console: Console,
    address: str | None = None,
    verbose: bool = False,
    most: int = MOST_SECONDS,
    pictures: bool = False,
) -> list[Curve]:
    """The curves of files, in their order; a few pieces are judged in this process, more, or a cluster, through Ray.

    Args:
        model: The student.
        files: Files.
        console: Shows the progress, and names files that end early.
        address: Ray cluster to use.
        verbose: Show Ray's own log.
        most: Seconds of a file that are judged at most.
        pictures: Keep a small picture of each second.

    Raises:
        UserError: The student's network cannot be loaded.
        ClusterError: Ray cannot be started or joined.
        Failure: ``storage``: the disk of temporary files is full.
    """

    def count(headers: Sequence[Row]) -> int:
        return sum(len(pieces(spans(row["length_s"], most))) for row in headers)

    with workplace(model, files, console, address, verbose, count) as place:
        scorer = place.student(SecondsScorer, spec=model.spec, options=model.options, pictures=pictures)
        return curves_on(place.engine, model, files, place.headers, scorer, console, most)


def curves_on(
    engine: Engine,
    model: Model,
    files: Sequence[str],
    headers: Sequence[Row],
    scorer: Pool,
    console: Console,
    most: int = MOST_SECONDS,
    done: Callable[[Curve], None] | None = None,
) -> list[Curve]:
    """The curves of files on an engine that runs.

    Args:
        engine: Runs the rows.
        model: The student.
        files: Files, as the user named them.
        headers: What `actors.folder.HeaderReader` says of each, in any order; `video_id` is a file's place in `files`.
        scorer: The pool with `actors.seconds.SecondsScorer`.
        console: Shows the progress.
        most: Seconds of a file that are judged at most.
        done: Called with each curve as soon as its last piece is there.
    """
    warn(files, headers, console)
    rows = [
        {
            "video_id": f"{row['video_id']}-{number:05d}",
            "uri": row["uri"],
            "recipe": format_recipe([PRISTINE]),
            "spans": json.dumps(piece),
        }
        for row in headers
        if row["status"] == OK
        for number, piece in enumerate(pieces(spans(row["length_s"], most)))
    ]
    return _collected(
        files,
        headers,
        rows,
        streamed(engine, rows, [scorer], console, "judging pieces"),
        model,
        done,
    )


def _collected(
    files: Sequence[str],
    headers: Sequence[Row],
    rows: Sequence[Row],
    finished: Iterable[Row],
    model: Model,
    done: Callable[[Curve], None] | None,
) -> list[Curve]:
    wanted: dict[str, set[str]] = {str(row["video_id"]): set() for row in headers}
    for row in rows:
        wanted[_file_of(row)].add(str(row["video_id"]))
    header_of = {str(row["video_id"]): row for row in headers}
    parts: dict[str, list[Row]] = {name: [] for name in wanted}
    found: dict[int, Curve] = {}

    def finish(name: str) -> None:
        place = int(name)
        ordered = sorted(parts.pop(name), key=lambda row: str(row["video_id"]))
        found[place] = curve_of(files[place], header_of[name], ordered, model)
        if done is not None:
            done(found[place])

    for name in sorted(name for name, left in wanted.items() if not left):
        finish(name)
    for row in finished:
        name = _file_of(row)
        parts[name].append(row)
        wanted[name].discard(str(row["video_id"]))
        if not wanted[name]:
            finish(name)
    return [found[k] for k in range(len(files))]


def _file_of(row: Row) -> str:
    return str(row["video_id"]).partition("-")[0]
