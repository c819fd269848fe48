"""Progress of a run: finished steps, the current step, and the latest figures. Only reads files, so the run is not disturbed."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.commands.report import open_run
from pipeline.console import DONE, Console, UserError
from pipeline.corpus.proxies import SUITES
from pipeline.run_folder.kept import counted_rounds
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.lock import holder
from pipeline.run_folder.manifest import Manifest, read_manifests
from pipeline.run_folder.store import StoreError, read_json, shards
from trainers.launch import PROGRESS_FILE
from trainers.places import Place, nearby, readable


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("--follow", action="store_true", help="go on printing what changes until the run ends")
    parser.add_argument(
        "--every", type=float, default=5.0, metavar="S", help="seconds between two looks with --follow (default 5)"
    )


def main(options: argparse.Namespace) -> int:
    """Print the state of the run."""
    if not options.every > 0:
        raise UserError(f"--every {options.every:g}: give a number above 0")
    layout = open_run(options.run)
    console = Console(sys.stdout)
    if options.follow:
        return _follow(layout, console, options.every)
    manifests = read_manifests(layout)
    console.line(f"run folder {nearby(layout.root)}")
    console.line(_activity(layout))
    if manifests:
        rows = [
            (one.step, one.rows, f"{one.seconds:.1f}", _ago(layout, one), one.summary.get("what", ""))
            for one in manifests
        ]
        console.table(f"{len(manifests)} steps done", ("step", "rows", "seconds", "finished", "what"), rows)
    for line in _unfinished(layout):
        console.line(line)
    _figures(layout, console)
    return DONE


def _follow(layout: RunLayout, console: Console, every_s: float) -> int:
    """Print each step when it is done, and the progress of the one at work when it changes, until nothing runs."""
    console.line(f"run folder {nearby(layout.root)}")
    console.line(_activity(layout))
    told: set[str] = set()
    last: list[str] = []
    while True:
        # asked first: what a run that ends now has written is then read below
        active = _active(layout)
        for one in read_manifests(layout):
            if one.step not in told:
                told.add(one.step)
                console.step(one.step, str(one.summary.get("what", "")), rows=one.rows, seconds=one.seconds)
        now = list(_unfinished(layout))
        for line in now:
            if line not in last:
                console.line(line)
        last = now
        if not active:
            break
        time.sleep(every_s)
    console.line(_activity(layout))
    _figures(layout, console)
    return DONE


def _active(layout: RunLayout) -> bool:
    """Whether a process is running in this folder now; another user's counts, since nobody can tell."""
    try:
        return holder(layout) is not None
    except PermissionError:
        return True


def _activity(layout: RunLayout) -> str:
    """Whether a process is running in this folder now."""
    try:
        owner = holder(layout)
    except PermissionError:
        return "cannot tell whether a run is active: the lock file belongs to another user"
    if owner is None:
        return "nothing is running here; repeat the command that started the run to continue it"
    return f"running: process {owner.pid} on {owner.host}"


def _ago(layout: RunLayout, one: Manifest) -> str:
    when = layout.manifest(one.step).stat().st_mtime
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))


def _unfinished(layout: RunLayout) -> Iterator[str]:
    """One line for each step that has started but not finished, with its progress."""
    for step in layout.unfinished_steps():
        rows = _rows_in(layout.observed_by(step))
        detail = f", {rows:,} rows so far" if rows else ""
        if step.startswith("train-"):
            detail = _training(layout, int(step.removeprefix("train-")))
        yield f"started, not finished: {step}{detail}"


def _rows_in(folder: Place) -> int:
    total = 0
    for shard in shards(folder):
        try:
            total += int(pq.read_metadata(readable(shard)).num_rows)
        except (OSError, pa.ArrowInvalid):  # the run is replacing it
            continue
    return total


def _training(layout: RunLayout, number: int) -> str:
    """Progress of the latest training of a round."""
    files = [folder / PROGRESS_FILE for folder in layout.train_folders(number)]
    states = [(file.stat().st_mtime, file) for file in files if file.is_file()]
    try:
        state = read_json(max(states)[1]) if states else None
        return f", step {state['step']} of {state['steps']}" if state else ""
    except (StoreError, KeyError, TypeError):  # the run is writing it
        return ""


def _figures(layout: RunLayout, console: Console) -> None:
    """Print the figures of the latest round that has them."""
    rounds = [number for number in counted_rounds(layout) if layout.metrics(number).is_file()]
    if not rounds:
        return
    benchmarks: dict[str, Any] = read_json(layout.metrics(rounds[-1]))["benchmarks"]
    for suite in SUITES:
        benchmark = benchmarks[suite]
        rows = [*benchmark["teachers"].items(), (f"student, stage {rounds[-1]}", benchmark["student"])]
        console.table(
            f"{suite} distortions: {benchmark['count']} copies of held-out videos",
            ("model", "SRCC", "SRCC within source", "pairwise accuracy"),
            [(name, row["srcc"], row["within"], row["pair_accuracy"]) for name, row in rows],
        )
