"""Agreement of students, or of published predictions, with human scores.

--benchmark is one of the paper's ten by name (LSVQ-test, LSVQ-1080p, KoNViD-1k, LIVE-VQC, YouTube-UGC; LIVE-YT-Gaming, CGVDS,
LIVE-YT-HFR, Waterloo-IVC-4K, KVQ), or a CSV or Parquet file with a column video (or name, filename, uri) and a column mos
(or score, or dmos, where lower is better). A named one finds its videos below --videos in folders of any depth, with or
without endings, and its table of scores there too, or in --labels. Names of a file are relative to --videos-root (the
same option) and may not lead out of it. --predictions takes scores from a table and needs neither model nor videos.

Figures: SRCC and PLCC with 95 % bootstrap intervals, PLCC and RMSE after the four-parameter logistic (where there is none, after
a line, with a warning that says why), KRCC. Overall values are weighted by the sizes of the official test lists, for files by
their numbers of videos. Of two models, or a model and predictions, the second is compared with the first on the same videos.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.media.outcome import Failure
from actors.teachers.table import SCHEME, table_teacher
from pipeline.commands import address_argument
from pipeline.commands.outputs import check_output
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.corpus.benchmark_file import Benchmark, read_benchmark
from pipeline.corpus.named_benchmarks import BENCHMARKS, named, read_named
from pipeline.corpus.names import match
from pipeline.method.bootstrap import plcc_interval, srcc_difference, srcc_interval
from pipeline.method.metrics import MetricError, agreement, weighted_overall
from pipeline.run_folder.store import write_bytes
from pipeline.student.scoring import FAILED, Model, open_model, score_files
from trainers.places import nearby

OVERALL = ("srcc", "plcc", "plcc_mapped", "krcc")
FIGURES = (*OVERALL, "rmse")
ENDS = ("srcc_low", "srcc_high", "plcc_low", "plcc_high")
CSV_COLUMNS = (
    "model", "benchmark", "group", "label", "count", "missing", "ambiguous", "failed", *FIGURES, *ENDS, "mapping",
    "mapping_reason", "problem",
)  # fmt: skip
_NAMED_AT_MOST = 5  # videos in a warning; --json lists all

Failures = list[dict[str, str | None]]


@dataclass(frozen=True)
class Answers:
    """What one model says of one benchmark.

    Attributes:
        scores: One per name of the benchmark; NaN where there is none.
        failed: Videos that could not be scored, with the reason.
        missing: Names without a video, or without a prediction.
        ambiguous: Names that several videos or predictions fit.
    """

    scores: NDArray[np.float64]
    failed: Failures
    missing: tuple[str, ...]
    ambiguous: tuple[str, ...]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", nargs="*", help="run folder or student folder; two are compared")
    parser.add_argument(
        "--benchmark", metavar="NAME|FILE", action="append", required=True, help="may be given several times"
    )
    parser.add_argument(
        "--videos", "--videos-root", metavar="DIR", action="append", default=[], dest="videos",
        help="one for all benchmarks, or one for each; more for a single named one",
    )  # fmt: skip
    parser.add_argument(
        "--labels", metavar="PATH", help="table of a named benchmark's scores, or a folder of such tables"
    )
    parser.add_argument(
        "--label", metavar="COLUMN", help="column of a file's scores instead of mos; rows without one are left out"
    )
    parser.add_argument(
        "--predictions", metavar="FILE", action="append", default=[],
        help="scores from a table: FILE?score=COLUMN, with &video=COLUMN for other names and &better=lower",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--csv", metavar="FILE", help="write the figures as CSV")
    address_argument(parser)


def main(options: argparse.Namespace) -> int:
    """Evaluate; return 0, or 1 if a video is missing or failed, or a figure is undefined."""
    check_output(options.csv, "--csv")
    sources = [*options.model, *options.predictions]
    if not 1 <= len(sources) <= 2:
        raise UserError(
            f"{len(sources)} models and predictions: name one MODEL or --predictions FILE, or two to compare them"
        )
    benchmarks = _benchmarks(options)
    console = Console()
    models = [open_model(name) for name in options.model]
    judged = [(f"student {nearby(model.folder)}", _scored(model, benchmarks, console, options)) for model in models]
    judged += [(name, _predicted(name, benchmarks)) for name in options.predictions]
    documents = [_document(name, benchmarks, answers) for name, answers in judged]
    differences = _differences(benchmarks, *(answers for _, answers in judged)) if len(judged) > 1 else []
    if options.csv:
        write_bytes(options.csv, _as_csv(documents))
    if options.json:
        compared = {"second": documents[1], "differences": differences} if differences else {}
        sys.stdout.write(json.dumps(documents[0] | compared, indent=2, allow_nan=False) + "\n")
    else:
        for document in documents:
            _print(document, console)
        _print_differences(differences, [document["model"] for document in documents], console)
    results = [result for document in documents for result in document["benchmarks"]]
    faults = ("failed", "problem", "missing", "ambiguous")
    lacking = any(result[fault] for result in results for fault in faults) or any(row["problem"] for row in differences)
    return SOME_FAILED if lacking else DONE


def _benchmarks(options: argparse.Namespace) -> list[Benchmark]:
    given, roots = options.benchmark, options.videos
    if options.model and not roots:
        raise UserError("--videos DIR: name the folder of the benchmark's videos (predictions alone need none)")
    if len(roots) not in (0, 1, len(given)) and len(given) > 1:
        raise UserError(
            f"{len(given)} --benchmark and {len(roots)} --videos-root: give one root for all, or one for each"
        )
    if "" in roots:  # a path without a name is the current folder
        raise UserError("--videos: the name is empty; name the folder of the benchmark's videos")
    if options.labels is not None and not any(named(name) for name in given):
        raise UserError(
            "--labels: it names the scores of a named benchmark, and a file holds its own; leave it out, and choose another "
            "column of the file with --label COLUMN"
        )
    each = [[root] for root in roots] if len(roots) == len(given) else [roots] * len(given)
    return [_benchmark(name, folders, options) for name, folders in zip(given, each, strict=True)]


def _benchmark(name: str, folders: list[str], options: argparse.Namespace) -> Benchmark:
    row = named(name)
    if row is not None:
        if options.label is not None:
            raise UserError(f"--label: {name} has its own column of scores; the option is for files")
        return read_named(row, options.labels, folders)
    if "." not in name and "/" not in name:
        known = ", ".join(row.name for row in BENCHMARKS)
        raise UserError(f"--benchmark {name}: no such benchmark; name a table of scores, or one of {known}")
    if len(folders) > 1:
        raise UserError(f"--benchmark {name}: names of a file are relative to one folder, not to {len(folders)}")
    return read_benchmark(name, folders[0] if folders else None, options.label)


def _scored(
    model: Model, benchmarks: Sequence[Benchmark], console: Console, options: argparse.Namespace
) -> list[Answers]:
    """Scores by a student; all benchmarks go through one pass over the files."""
    files = [video for benchmark in benchmarks for video in benchmark.videos if video]
    rows = iter(score_files(model, files, console, options.address, options.debug))
    answers = []
    for benchmark in benchmarks:
        own = [next(rows) if video else None for video in benchmark.videos]
        scores = [np.nan if row is None or row.score is None else row.score for row in own]
        failed: Failures = [{"video": row.video, "error": row.error} for row in own if row and row.status == FAILED]
        answers.append(Answers(np.array(scores), failed, benchmark.missing, benchmark.ambiguous))
    return answers


def _predicted(name: str, benchmarks: Sequence[Benchmark]) -> list[Answers]:
    """Scores from a table, found by the names of the videos."""
    try:
        teacher = table_teacher(SCHEME + name)
        table = teacher().table
    except Failure as failure:
        raise UserError(f"--predictions {name}: {failure.message}") from failure
    sign = 1.0 if teacher.higher_is_better else -1.0
    answers = []
    for benchmark in benchmarks:
        found = match(benchmark.names, table.names, benchmark.suffix)
        scores = np.array([np.nan if place is None else sign * table.values[place] for place in found.places])
        empty = [k for k, place in enumerate(found.places) if place is not None and not np.isfinite(scores[k])]
        failed: Failures = [{"video": benchmark.names[k], "error": f"decode: no finite {table.column}"} for k in empty]
        answers.append(Answers(scores, failed, found.missing, found.ambiguous))
    return answers


def _document(name: str, benchmarks: Sequence[Benchmark], answers: Sequence[Answers]) -> dict[str, Any]:
    results = [_result(benchmark, answer) for benchmark, answer in zip(benchmarks, answers, strict=True)]
    weights = [
        result["count"] if row.weight is None else row.weight for result, row in zip(results, benchmarks, strict=True)
    ]
    groups = {}
    for group in dict.fromkeys(row.group for row in benchmarks if row.group is not None):
        members = [k for k, row in enumerate(benchmarks) if row.group == group]
        if len(members) > 1:
            groups[group] = _overall([results[k] for k in members], [weights[k] for k in members])
    overall = _overall(results, weights) if len(results) > 1 else None
    return {"model": name, "benchmarks": results, "groups": groups, "overall": overall}


def _result(benchmark: Benchmark, answers: Answers) -> dict[str, Any]:
    """The figures of one benchmark over its scored videos; `problem` says why figures are missing."""
    labels = np.array(benchmark.labels)
    usable = np.isfinite(answers.scores)
    scores, labels = answers.scores[usable], labels[usable]
    result: dict[str, Any] = {"benchmark": benchmark.name, "group": benchmark.group, "label": benchmark.column}
    result |= {"count": int(usable.sum()), "missing": list(answers.missing), "ambiguous": list(answers.ambiguous)}
    result |= dict.fromkeys((*FIGURES, *ENDS, "mapping", "mapping_reason", "problem")) | {"failed": answers.failed}
    try:
        figures = agreement(scores, labels)
        result |= {name: getattr(figures, name) for name in (*FIGURES, "mapping", "mapping_reason")}
    except MetricError as error:
        return result | {"problem": str(error)}
    try:
        srcc, plcc = srcc_interval(scores, labels), plcc_interval(scores, labels)
    except MetricError:  # too few videos, or too few that differ: the figures stand without intervals
        return result
    return result | dict(zip(ENDS, (srcc.low, srcc.high, plcc.low, plcc.high), strict=True))


def _overall(results: Sequence[dict[str, Any]], weights: Sequence[int]) -> dict[str, Any]:
    figures: dict[str, float | None] = {}
    for name in OVERALL:
        values = [result[name] for result in results]
        figures[name] = None if None in values else weighted_overall(values, weights)
    return {"count": sum(result["count"] for result in results), "weights": list(weights), **figures}


def _differences(
    benchmarks: Sequence[Benchmark], first: Sequence[Answers], second: Sequence[Answers]
) -> list[dict[str, Any]]:
    """SRCC of the first minus SRCC of the second on the videos that both have scored."""
    rows = []
    for benchmark, one, other in zip(benchmarks, first, second, strict=True):
        both = np.isfinite(one.scores) & np.isfinite(other.scores)
        row: dict[str, Any] = {"benchmark": benchmark.name, "count": int(both.sum())}
        row |= {**dict.fromkeys(("value", "low", "high", "p")), "problem": None}
        try:
            gap = srcc_difference(one.scores[both], other.scores[both], np.array(benchmark.labels)[both])
            row |= asdict(gap)
        except MetricError as error:
            row["problem"] = str(error)
        rows.append(row)
    return rows


def _as_csv(documents: Sequence[dict[str, Any]]) -> bytes:
    """One row for each model and benchmark; missing, ambiguous and failed videos as numbers."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for document in documents:
        for result in document["benchmarks"]:
            counts = {name: len(result[name]) for name in ("missing", "ambiguous", "failed")}
            writer.writerow({"model": document["model"], **result, **counts})
    return text.getvalue().encode("utf-8", "surrogateescape")


def _print(document: dict[str, Any], console: Console) -> None:
    columns = (
        "benchmark", "label", "videos", "missing", "failed", "SRCC", "95 %", "PLCC", "95 %", "PLCC mapped", "KRCC", "RMSE",
    )  # fmt: skip
    rows: list[tuple[object, ...]] = []
    for result in document["benchmarks"]:
        lost = len(result["missing"]) + len(result["ambiguous"])
        head = (result["benchmark"], result["label"], result["count"], lost, len(result["failed"]))
        spans = [_span(result[f"{name}_low"], result[f"{name}_high"]) for name in ("srcc", "plcc")]
        rest = (result["plcc_mapped"], result["krcc"], result["rmse"])
        rows.append((*head, result["srcc"], spans[0], result["plcc"], spans[1], *rest))
    totals = [(f"{name}, weighted", group) for name, group in document["groups"].items()]
    totals += [("weighted overall", document["overall"])] if document["overall"] else []
    for title, figures in totals:
        srcc, plcc, mapped, krcc = (figures[name] for name in OVERALL)
        rows.append((title, None, figures["count"], None, None, srcc, None, plcc, None, mapped, krcc, None))
    Console(sys.stdout).table(document["model"], columns, rows)
    for result in document["benchmarks"]:
        _warn(result, console)


def _warn(result: dict[str, Any], console: Console) -> None:
    for what, names in (("missing", result["missing"]), ("not told apart", result["ambiguous"])):
        if names:
            more = ", ..." if len(names) > _NAMED_AT_MOST else ""
            console.warn(
                f"{result['benchmark']}: {len(names)} videos {what}: {', '.join(names[:_NAMED_AT_MOST])}{more}"
            )
    for row in result["failed"]:
        error = row["error"] or ""
        console.warn(error if row["video"] in error else f"{row['video']}: {error}")
    if result["mapping_reason"]:
        console.warn(
            f"{result['benchmark']}: PLCC mapped and RMSE are those of a line in place of the logistic: "
            f"{result['mapping_reason']}"
        )
    if result["problem"]:
        console.warn(f"{result['benchmark']}: {result['problem']}")


def _print_differences(differences: Sequence[dict[str, Any]], models: Sequence[str], console: Console) -> None:
    if not differences:
        return
    title = f"SRCC of {models[0]} minus {models[1]}, same videos"
    rows = [
        (row["benchmark"], row["count"], row["value"], _span(row["low"], row["high"]), row["p"]) for row in differences
    ]
    Console(sys.stdout).table(title, ("benchmark", "videos", "difference", "95 %", "p"), rows)
    for row in differences:
        if row["problem"]:
            console.warn(f"{row['benchmark']}: no difference of the two: {row['problem']}")


def _span(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.3f}..{high:.3f}"
