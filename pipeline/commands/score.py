"""Quality of any videos with a trained student, on the 0-100 scale of its teachers (not clipped beyond its anchors).

MODEL is a run folder (its latest student), a student folder, or a folder with the authors' released checkpoint. VIDEO is
a file, a folder, a glob in quotes or a list (.csv, .tsv, .jsonl, .parquet with a column uri; .txt with one name in each
line). In a folder, files that are neither videos nor pictures by their names are passed over, and counted on standard error;
links that lead out of it are refused, and stand at the end with the reason.
A file is judged by up to three windows of the length that the student was trained on, spread evenly over it; its score
is their mean, its standard deviation the root of their mean variance. One bad file never stops the others.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.commands import address_argument
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.run_folder.store import write_bytes
from pipeline.student.scoring import FAILED, FileScore, expand, open_model, score_files

COLUMNS = ("video", "status", "score", "raw", "std", "error")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", help="run folder, student folder or released checkpoint")
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="file, folder, glob or list")
    parser.add_argument(
        "--anchors", metavar="FILE", help="CSV of five videos and their scores, needed once for a released checkpoint"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list in the order given")
    parser.add_argument("--csv", metavar="FILE", help="write the same rows as CSV")
    address_argument(parser)


def main(options: argparse.Namespace) -> int:
    """Score; return 0, or 1 when a video failed."""
    check_output(options.csv, "--csv")
    console = Console()
    model = open_model(options.model, options.anchors, console)
    selection = expand(options.videos)
    for note in selection.notes:
        console.line(note)
    rows = score_files(model, selection.files, console, options.address, options.debug)
    rows += [FileScore(name, FAILED, error=f"refused: {why}") for name, why in selection.refused.items()]
    if options.csv:
        write_bytes(options.csv, as_csv(rows))
    if options.json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    else:
        _print(rows, f"student {model.folder}")
        tell_failed(rows, console)
    return SOME_FAILED if any(row.status == FAILED for row in rows) else DONE


def tell_failed(rows: Sequence[FileScore], console: Console) -> None:
    """One line for each file that has no score."""
    for row in rows:
        if row.status == FAILED:
            error = row.error or ""
            console.warn(error if row.video in error else f"{row.video}: {error}")


def check_output(file: str | None, option: str) -> None:
    """Refuse an output that is a folder before any work is done.

    Raises:
        UserError: It is a folder.
    """
    if file is not None and Path(file).is_dir():
        raise UserError(f"{option} {file}: this is a folder; name a file")


def as_csv(rows: Sequence[FileScore]) -> bytes:
    """The rows as CSV with a header; names that are no UTF-8 keep their bytes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _print(rows: Sequence[FileScore], title: str) -> None:
    table = [(row.video, row.status, row.score, row.std, row.raw) for row in rows]
    Console(sys.stdout).table(title, ("video", "status", "score", "std", "raw"), table)
