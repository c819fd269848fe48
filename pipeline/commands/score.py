"""Quality of any videos with a trained student, on the 0-100 scale of its teachers (not clipped beyond its anchors).

MODEL is a run folder (its latest student), a student folder, or a folder with the authors' released checkpoint. VIDEO is
a file, a folder, a glob in quotes or a list (.csv, .tsv, .jsonl, .parquet with a column uri; .txt with one name in each
line). In a folder, files that are neither videos nor pictures by their names are passed over, and counted on standard error;
links that lead out of it are refused, and stand at the end with the reason.
A file is judged by windows of the length that the student was trained on, spread evenly over it: three, or one for every 20
seconds of a longer file, 30 at most (--windows N for another number). Its score is their mean, its standard deviation the
root of their mean variance; the column seen says how many of its seconds that is. A still picture is one window. From low to
high is an interval that holds the quality with a probability of 68 %.
One bad file never stops the others.

With --until-std X a file costs no more than it must: it begins with three windows, and only where its standard deviation is
above X it is compared with more anchors, in both orders, and in more windows. The columns windows, comparisons and order_gap
(how much a video gains by being shown second) say what that took.

With --per-second every second of a file has a score of its own, judged by its pictures alone, and what pulled it down; the
worst stretches are named. --csv, --parquet, --json and --ndjson then hold seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.commands import address_argument, at_least_one, over_time
from pipeline.commands.outputs import check_output
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.run_folder.store import write_bytes
from pipeline.student.adaptive import score_until
from pipeline.student.cache import ScoreCache
from pipeline.student.results import Results
from pipeline.student.scoring import FAILED, FileScore, Model, open_model, score_files
from pipeline.student.selection import expand
from trainers.places import nearby


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", help="run folder, student folder or released checkpoint")
    parser.add_argument("videos", metavar="VIDEO", nargs="+", help="file, folder, glob or list")
    parser.add_argument(
        "--anchors",
        metavar="FILE",
        help="CSV of five videos and their scores (0-100, or FILE?range=1..5), needed once for a released checkpoint",
    )
    parser.add_argument(
        "--windows",
        metavar="N",
        type=at_least_one("window"),
        help="judge up to N windows of a file (default: 3, or one for every 20 s of a longer file, at most 30)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list in the order given")
    parser.add_argument(
        "--ndjson", action="store_true", help="print a line of JSON for each file as soon as it is scored"
    )
    parser.add_argument("--csv", metavar="FILE", help="write the same rows as CSV")
    parser.add_argument("--parquet", metavar="FILE", help="write the same rows as Parquet")
    parser.add_argument(
        "--until-std",
        metavar="X",
        type=_deviation,
        help="compare with more anchors, in both orders and in more windows until the standard deviation is X points",
    )
    over_time.arguments(parser)
    parser.add_argument("--no-cache", action="store_true", help="score files again whose score is known")
    address_argument(parser)


def _deviation(text: str) -> float:
    number = float(text)
    if not 0 < number < 100:
        raise argparse.ArgumentTypeError("a number of points between 0 and 100 is needed")
    return number


def _check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other before any work is done."""
    for name in ("csv", "parquet", "strip", "frames"):
        check_output(getattr(options, name), f"--{name}")
    over_time.check(options)
    if options.json and options.ndjson:
        raise UserError("--json and --ndjson: both print to standard output; choose one")
    if options.until_std is not None and (options.windows is not None or options.per_second):
        raise UserError("--until-std: it chooses the windows itself; leave --windows and --per-second out")


def main(options: argparse.Namespace) -> int:
    """Score; return 0, or 1 when a video failed."""
    _check(options)
    console = Console()
    model = replace(open_model(options.model, options.anchors, console), windows=options.windows)
    results = Results(model)
    if options.until_std is not None:
        results.facts["sampling"] += f", more of them, of anchors and of orders until std {options.until_std:g}"

    def print_line(score: FileScore) -> None:
        sys.stdout.write(results.line(score))
        sys.stdout.flush()

    done = print_line if options.ndjson else None
    selection = expand(options.videos)
    for note in selection.notes:
        console.line(note)
    if options.per_second:
        return over_time.main(options, model, selection, results.facts, console)
    cache = None if options.no_cache else ScoreCache(results.facts["student"], results.facts["sampling"])
    rows = _scored(model, selection.files, console, options, cache, done)
    for name, why in selection.refused.items():
        rows.append(FileScore(name, FAILED, error=f"refused: {why}"))
        if done:
            done(rows[-1])
    if options.csv:
        write_bytes(options.csv, results.csv(rows))
    if options.parquet:
        write_bytes(options.parquet, results.parquet(rows))
    if options.json:
        sys.stdout.write(results.json(rows))
    elif not options.ndjson:
        _print(rows, f"student {nearby(model.folder)}")
        tell_failed(rows, console)
    return SOME_FAILED if any(row.status == FAILED for row in rows) else DONE


def _scored(
    model: Model,
    files: list[str],
    console: Console,
    options: argparse.Namespace,
    cache: ScoreCache | None,
    done: Callable[[FileScore], None] | None,
) -> list[FileScore]:
    def score(some: list[str]) -> list[FileScore]:
        if not some:
            return []
        if options.until_std is None:
            return score_files(model, some, console, options.address, options.debug, done)
        found = score_until(model, some, options.until_std, console, options.address, options.debug)
        for row in found:
            if done:
                done(row)
        return found

    def told(row: FileScore) -> None:
        if row.note:
            console.warn(f"{row.video}: {row.note}")
        if done:
            done(row)

    if cache is None:
        return score(files)
    rows, known = cache.answer(files, score, told)
    if known:
        console.line(
            f"{known} of {len(rows)} files were scored before: same bytes, same student (--no-cache scores again)"
        )
    return rows


def tell_failed(rows: Sequence[FileScore], console: Console) -> None:
    """One line for each file that has no score."""
    for row in rows:
        if row.status == FAILED:
            error = row.error or ""
            console.warn(error if row.video in error else f"{row.video}: {error}")


def _print(rows: Sequence[FileScore], title: str) -> None:
    table = [(row.video, row.status, row.score, row.low, row.high, row.std, row.raw, _seen(row)) for row in rows]
    columns = ("video", "status", "score", "low", "high", "std", "raw", "seen")
    Console(sys.stdout).table(title, columns, table)


def _seen(row: FileScore) -> str | None:
    if row.seconds is None or row.seconds_seen is None:
        return None
    return "still" if row.kind == "still" else f"{row.seconds_seen:.1f} of {row.seconds:.1f} s"
