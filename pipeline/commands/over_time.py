"""`score --per-second`: curves instead of one score for each file, their worst stretches, and pictures of both."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.commands import at_least_one
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.run_folder.store import write_bytes
from pipeline.student.curve import MOST_SECONDS, curves
from pipeline.student.curve_files import CurveResults
from pipeline.student.pictures import MOST_FILES, clock, contact_sheet, strip
from pipeline.student.scoring import FAILED, Model
from pipeline.student.seconds import Curve
from pipeline.student.selection import Selection
from trainers.places import nearby


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("over time")
    group.add_argument(
        "--per-second",
        action="store_true",
        help="score every second of a file, say what pulled it down, and name the worst stretches",
    )
    group.add_argument(
        "--most-seconds",
        metavar="N",
        type=at_least_one("second"),
        help=f"judge N seconds of a longer file, spread evenly (default {MOST_SECONDS})",
    )
    group.add_argument("--strip", metavar="FILE", help="draw the curves with their worst stretches (PNG)")
    group.add_argument("--frames", metavar="FILE", help="save pictures of the worst moments on one sheet (PNG)")


def check(options: argparse.Namespace) -> None:
    """Refuse what cannot be drawn or would be ignored.

    Raises:
        UserError: An option asks for a picture without curves, or in another format, or has no meaning here.
    """
    if options.most_seconds is not None and not options.per_second:
        raise UserError("--most-seconds: it limits the seconds that are judged; add --per-second, or leave it out")
    if options.windows is not None and options.per_second:
        raise UserError(
            "--windows: --per-second judges seconds, not windows; leave it out, or limit the seconds with --most-seconds N"
        )
    for name in ("strip", "frames"):
        value = getattr(options, name)
        if value and not options.per_second:
            raise UserError(f"--{name}: it shows seconds; add --per-second")
        if value and Path(value).suffix.lower() != ".png":
            raise UserError(f"--{name} {value}: a PNG is written; let the name end in .png")


def main(
    options: argparse.Namespace, model: Model, selection: Selection, facts: dict[str, Any], console: Console
) -> int:
    """Judge the files second by second; return 0, or 1 when a file or a second failed.

    Args:
        options: Of the command `score`.
        model: The student.
        selection: The files.
        facts: What every row says of the student.
        console: Shows progress and warnings.
    """
    if (options.strip or options.frames) and len(selection.files) > MOST_FILES:
        raise UserError(f"--strip, --frames: one picture shows {MOST_FILES} files at most; name fewer files")
    most = MOST_SECONDS if options.most_seconds is None else options.most_seconds
    rows = curves(
        model,
        selection.files,
        console,
        options.address,
        options.debug,
        most,
        pictures=bool(options.frames),
    )
    rows += [Curve(name, FAILED, error=f"refused: {why}") for name, why in selection.refused.items()]
    results = CurveResults({**facts, "sampling": f"every second, {most} of a longer file"})
    if options.csv:
        write_bytes(options.csv, results.csv(rows))
    if options.parquet:
        write_bytes(options.parquet, results.parquet(rows))
    if options.strip:
        write_bytes(options.strip, strip(rows))
    if options.frames:
        write_bytes(options.frames, contact_sheet(rows))
    if options.json:
        sys.stdout.write(results.json(rows))
    elif options.ndjson:
        sys.stdout.writelines(results.line(row) for row in rows)
    else:
        _print(rows, model)
    _tell_failed(rows, console)
    failed = any(row.status == FAILED or any(one.status == FAILED for one in row.seconds) for row in rows)
    return SOME_FAILED if failed else DONE


def _print(rows: Sequence[Curve], model: Model) -> None:
    """A line for each file, and one for each of its worst stretches."""
    table: list[tuple[object, ...]] = []
    for row in rows:
        scores = [second.score for second in row.seconds if second.score is not None]
        low, high = (min(scores), max(scores)) if scores else (None, None)
        table.append((row.video, row.status, row.median, low, high, row.coverage if scores else None))
    columns = ("video", "status", "median", "lowest", "highest", "seen")
    out = Console(sys.stdout)
    out.table(f"student {nearby(model.folder)}, every second", columns, table)
    stretches = [
        (row.video, rank, f"{clock(one.start_s)} - {clock(one.end_s)}", one.score, one.lowest, one.reason or "-")
        for row in rows
        for rank, one in enumerate(row.worst, 1)
    ]
    if stretches:
        out.table(
            "worst stretches", ("video", "rank", "time", "score", "lowest", "against the median second"), stretches
        )
    elif any(row.seconds for row in rows):
        out.line("no stretch stands out")


def _tell_failed(rows: Sequence[Curve], console: Console) -> None:
    """One line for each file, and for each run of seconds, that has no score."""
    for row in rows:
        if row.status == FAILED:
            error = row.error or ""
            console.warn(error if row.video in error else f"{row.video}: {error}")
            continue
        bad = [second for second in row.seconds if second.status == FAILED]
        if bad:
            times = ", ".join(clock(second.start_s) for second in bad[:5]) + (" ..." if len(bad) > 5 else "")
            console.warn(f"{row.video}: {len(bad)} of {len(row.seconds)} seconds failed ({times}): {bad[0].error}")
