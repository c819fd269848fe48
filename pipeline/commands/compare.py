"""Compare the last students of some runs on the proxy benchmarks: figures, and differences from the first run with intervals.

Runs on the same benchmark copies (the same corpus, benchmark and seed) are compared copy by copy; of others only the figures can
be compared, and the intervals say so by their width. A run is named RUN, or RUN:K for the student of stage K.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipeline.commands.outputs import check_output
from pipeline.commands.report import open_run
from pipeline.console import DONE, Console, UserError
from pipeline.corpus.proxies import SUITES
from pipeline.method.paired import Summary
from pipeline.report.comparison import KEYS, Judged, difference, judged, of_runs, same_copies
from pipeline.report.results import FIGURES, SUITE_TITLES
from pipeline.run_folder.store import write_json
from trainers.places import place


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folder, or FOLDER:K for the student of stage K")
    parser.add_argument("--json", metavar="FILE", help="write the figures into FILE as well")


def main(options: argparse.Namespace) -> int:
    """Print the figures and the differences."""
    if len(options.runs) < 2:
        raise UserError("name two runs at least, or two students of one: python run.py compare RUN:1 RUN:3")
    check_output(options.json, "--json")
    students = [student_of(name) for name in options.runs]
    out = Console(sys.stdout)
    found = compared(options.runs, students)
    for suite in SUITES:
        columns = (
            "run",
            "stage",
            *(f"{FIGURES[key]}" for key in KEYS),
            *(f"difference, {FIGURES[key]}" for key in KEYS),
        )
        rows = []
        for one in found["runs"]:
            cells = [_said(one[suite][key], ".3f") for key in KEYS]
            gaps = [_said(one[suite][f"difference_{key}"], "+.3f") for key in KEYS]
            rows.append((one["run"], one["stage"], *cells, *gaps))
        copies = len(students[0].copies[suite])
        out.table(f"{SUITE_TITLES[suite].lower()}: {copies} copies of the first run, label VMAF v0.6.1", columns, rows)
    for one in found["runs"][1:]:
        if not one["same_copies"]:
            out.line(
                f"{one['run']} was evaluated on other copies than {found['runs'][0]['run']}: its differences are not paired, "
                "and hold what differs between the benchmarks as well"
            )
    if options.json:
        write_json(place(options.json), found)
    return DONE


def student_of(name: str) -> Judged:
    """The student that RUN or RUN:K names."""
    match = re.fullmatch(r"(.+):([1-9][0-9]*)", name)
    return judged(open_run(match[1]), int(match[2])) if match else judged(open_run(name))


def compared(names: Sequence[str], students: Sequence[Judged]) -> dict[str, Any]:
    """All figures as plain values."""
    first = students[0]
    rows = []
    for name, one in zip(names, students, strict=True):
        row: dict[str, Any] = {"run": name, "stage": one.stage}
        row["same_copies"] = all(same_copies(first, one, suite) for suite in SUITES)
        for suite in SUITES:
            row[suite] = {key: _plain(of_runs([one], (suite, key))) for key in KEYS}
            gaps = {key: None if one is first else difference([(first, one)], (suite, key)) for key in KEYS}
            row[suite] |= {f"difference_{key}": _plain(gap) for key, gap in gaps.items()}
        rows.append(row)
    return {"runs": rows}


def _plain(found: Summary | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)


def _said(one: dict[str, Any] | None, form: str) -> str | None:
    if one is None:
        return None
    ends = f" [{one['low']:{form}}, {one['high']:{form}}]" if one["low"] is not None else ""
    return f"{one['mean']:{form}}{ends}"
