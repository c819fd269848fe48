"""Agreement of a student with human scores: SRCC, PLCC (raw and after the logistic), KRCC, RMSE after the logistic.

A benchmark is a CSV or Parquet file with a column video (or name, filename, uri) and a column mos (or score, or dmos,
where lower is better). Names are relative to --videos-root and may not lead out of it. For several benchmarks, the overall
values are weighted by their numbers of videos; RMSE has the unit of each benchmark and no overall value.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from pipeline.commands import address_argument
from pipeline.commands.score import tell_failed
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.corpus.benchmark_file import Benchmark, read_benchmark
from pipeline.method.metrics import MetricError, agreement, weighted_overall
from pipeline.student.scoring import FAILED, FileScore, open_model, score_files

OVERALL = ("srcc", "plcc", "plcc_mapped", "krcc")
FIGURES = (*OVERALL, "rmse")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", help="run folder or student folder")
    parser.add_argument(
        "--benchmark", metavar="FILE", action="append", required=True, help="may be given several times"
    )
    parser.add_argument(
        "--videos-root", metavar="DIR", action="append", required=True, help="one for all benchmarks, or one for each"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    address_argument(parser)


def main(options: argparse.Namespace) -> int:
    """Evaluate; return 0, or 1 if a video failed or a figure is undefined."""
    model = open_model(options.model)
    benchmarks = _benchmarks(options.benchmark, options.videos_root)
    console = Console()
    files = [video for benchmark in benchmarks for video in benchmark.videos]
    scores = score_files(model, files, console, options.address, options.debug)
    results, start = [], 0
    for benchmark in benchmarks:
        rows = scores[start : start + len(benchmark.videos)]
        results.append(_result(benchmark, rows))
        start += len(rows)
    overall = _overall(results) if len(results) > 1 else None
    if options.json:
        document = {"model": str(model.folder), "benchmarks": results, "overall": overall}
        sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
    else:
        _print(results, overall, f"student {model.folder}")
        tell_failed(scores, console)
        for result in results:
            if result["problem"]:
                console.warn(f"{result['benchmark']}: {result['problem']}")
    return SOME_FAILED if any(result["failed"] or result["problem"] for result in results) else DONE


def _benchmarks(files: Sequence[str], roots: Sequence[str]) -> list[Benchmark]:
    if len(roots) not in (1, len(files)):
        raise UserError(
            f"{len(files)} --benchmark and {len(roots)} --videos-root: give one root for all, or one for each"
        )
    each = roots if len(roots) == len(files) else [roots[0]] * len(files)
    return [read_benchmark(file, root) for file, root in zip(files, each, strict=True)]


def _result(benchmark: Benchmark, rows: Sequence[FileScore]) -> dict[str, Any]:
    """The figures of one benchmark over its scored videos; `problem` says why figures are missing."""
    pairs = [(row.score, label) for row, label in zip(rows, benchmark.labels, strict=True) if row.score is not None]
    result: dict[str, Any] = {"benchmark": benchmark.name, "label": benchmark.column, "count": len(pairs)}
    try:
        figures = agreement([score for score, _ in pairs], [label for _, label in pairs])
        result |= {name: getattr(figures, name) for name in FIGURES} | {"mapping": figures.mapping, "problem": None}
    except MetricError as error:
        result |= {**dict.fromkeys(FIGURES), "mapping": None, "problem": str(error)}
    failed = [{"video": row.video, "error": row.error} for row in rows if row.status == FAILED]
    return result | {"failed": failed}


def _overall(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    counts = [result["count"] for result in results]
    figures: dict[str, float | None] = {}
    for name in OVERALL:
        values = [result[name] for result in results]
        figures[name] = None if None in values else weighted_overall(values, counts)
    return {"count": sum(counts), **figures}


def _print(results: Sequence[dict[str, Any]], overall: dict[str, Any] | None, title: str) -> None:
    columns = ("benchmark", "videos", "failed", "SRCC", "PLCC", "PLCC mapped", "KRCC", "RMSE")
    rows = [
        (result["benchmark"], result["count"], len(result["failed"]), *(result[name] for name in FIGURES))
        for result in results
    ]
    if overall is not None:
        failed = sum(len(result["failed"]) for result in results)
        rows.append(("weighted overall", overall["count"], failed, *(overall[name] for name in OVERALL), None))
    Console(sys.stdout).table(title, columns, rows)
