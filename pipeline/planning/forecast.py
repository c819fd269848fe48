"""Forecast of a run: its steps in order, with rows, processes, memory and time. Starts and writes nothing.

The steps come from `pipeline.loop`, and each reports its own costs. Before the corpus is ingested, every file is assumed to
be long enough for all its windows; the forecast then uses a run in a temporary folder with such a table of videos. Times
come from measured rates (`pipeline.costs`), or from finished steps of the same kind in this run.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.distortions.table import DISTORTIONS
from cluster.in_process import InProcess
from pipeline.console import Console
from pipeline.corpus.members import TRAIN
from pipeline.corpus.rules import short_id
from pipeline.corpus.windows import windows_of
from pipeline.loop import steps_of
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Manifest, Steps, read_manifests
from pipeline.run_folder.records import OK, VIDEOS
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Resources, Rows, Step
from pipeline.run_folder.store import write_table
from pipeline.settings.config import Config
from pipeline.steps import ingest

Row = dict[str, Any]

DONE, PENDING, DONE_UNLESS_CHANGED = "done", "pending", "done unless its inputs change"
THIS_RUN, BUILT_IN = "this run", "built-in"


@dataclass(frozen=True)
class StepPlan:
    """One step of the run.

    Attributes:
        name: The step's name.
        state: `DONE`, `PENDING`, `DONE_UNLESS_CHANGED`, or why it must run again.
        rows: Number of rows of its result, if it has rows.
        seconds: Wall-clock seconds: measured if done, otherwise expected.
        basis: `THIS_RUN` or `BUILT_IN`.
        resources: Resources that it needs.
    """

    name: str
    state: str
    rows: Rows | None
    seconds: float
    basis: str
    resources: Resources

    @property
    def seconds_left(self) -> float:
        """Expected seconds of work that are left."""
        return 0.0 if self.state in (DONE, DONE_UNLESS_CHANGED) else self.seconds


def of_folder(config: Config, layout: RunLayout) -> Run:
    """A run of a folder that only answers questions: it prints and computes nothing."""
    return Run(config, layout, Console(), InProcess())


def states(run: Run) -> dict[str, str]:
    """Name and state of every step, in the order of the loop."""
    steps = Steps(run.layout, run.console)
    result: dict[str, str] = {}
    for step in steps_of(run):
        reason = steps.reason(step)
        if reason is None:
            result[step.name] = DONE if set(result.values()) <= {DONE} else DONE_UNLESS_CHANGED
        else:
            result[step.name] = f"again: {reason}" if reason else PENDING
    return result


def expected_videos(config: Config, files: int) -> list[Row]:
    """Table `Video` as ingest would write it if all files were usable, different and long enough."""
    corpus = config.corpus
    length = max(corpus.window_s, 1.0) * (corpus.windows_per_clip + 1)
    facts = {
        "width": 960,
        "height": 540,
        "fps": 30.0,
        "codec": "h264",
        "bytes": 1,
        "status": OK,
        "error_kind": "",
        "error": "",
    }
    rows = [
        {"video_id": name, "uri": f"file-{k:08d}", "content_id": name, "duration_s": length, **facts}
        for k in range(files)
        for name in [short_id("planned", k)]
    ]
    return windows_of(rows, config)


@contextmanager
def planned(run: Run, files: int) -> Iterator[Run]:
    """A run in a temporary folder whose tables of videos are those of `expected_videos`."""
    config = run.config
    rows = expected_videos(config, files)
    windows = [row for row in rows if row["split"] == TRAIN and row["copy"] == 0]
    with tempfile.TemporaryDirectory(prefix="w2s-plan-") as folder:
        layout = RunLayout.at(folder)
        if config.shaping.keep is not None:
            write_table(layout.candidates, VIDEOS.table(rows), VIDEOS)
            dropped = {(row["content_id"], row["start_s"]) for row in windows[config.shaping.keep :]}
            rows = [row for row in rows if row["split"] != TRAIN or (row["content_id"], row["start_s"]) not in dropped]
        write_table(layout.videos, VIDEOS.table(rows), VIDEOS)
        yield of_folder(config, layout)


def forecast(run: Run, files: int | None = None) -> list[StepPlan]:
    """All steps of a run.

    Args:
        run: The run.
        files: Assumed number of input files; default: the files that the configuration names.

    Raises:
        UserError: The videos cannot be listed.
    """
    state = states(run)
    cpus = max(2, len(os.sched_getaffinity(0)))
    manifests = {one.step: one for one in read_manifests(run.layout)} if run.layout.manifests.is_dir() else {}
    writer = "ingest" if run.config.shaping.keep is None else "shape"  # of the table of videos
    if state[writer] == DONE:
        return [_plan(step, state[step.name], manifests, cpus) for step in steps_of(run)]
    with (
        assumed(run, files) as assumed_run,
        planned(assumed_run, ingest.corpus_size(assumed_run.config)) as planned_run,
    ):
        return [_plan(step, state[step.name], manifests, cpus) for step in steps_of(planned_run)]


@contextmanager
def assumed(run: Run, files: int | None) -> Iterator[Run]:
    """The same run on `files` imaginary files, whose names are in a temporary manifest."""
    if files is None:
        yield run
        return
    with tempfile.TemporaryDirectory(prefix="w2s-plan-") as folder:
        names = Path(folder) / "videos.csv"
        with names.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["uri"], *([f"file-{k:08d}.mp4"] for k in range(files))])
        corpus = run.config.corpus.model_copy(update={"videos": str(names)})
        yield of_folder(run.config.model_copy(update={"corpus": corpus}), run.layout)


def _plan(step: Step, state: str, manifests: Mapping[str, Manifest], cpus: int) -> StepPlan:
    resources = step.resources(cpus)
    own = manifests.get(step.name)
    if state in (DONE, DONE_UNLESS_CHANGED) and own is not None:
        rows = None if own.rows is None else Rows(own.rows)
        return StepPlan(step.name, state, rows, own.seconds, THIS_RUN, resources)
    rows = step.rows()
    alike = _alike(step, manifests)
    if alike and rows is not None and rows.count:
        per_row = sum(one.seconds for one in alike) / sum(one.rows or 0 for one in alike)
        return StepPlan(step.name, state, rows, per_row * rows.count, THIS_RUN, resources)
    return StepPlan(step.name, state, rows, step.seconds(cpus), BUILT_IN, resources)


def _alike(step: Step, manifests: Mapping[str, Manifest]) -> list[Manifest]:
    """Manifests of steps of the same kind in this run, from any round."""
    names = {step.kind, *(f"{step.kind}-{number}" for number in range(1, len(manifests) + 1))}
    return [one for name, one in manifests.items() if name in names and one.rows]


def distortion_rows(config: Config) -> list[tuple[str, str, str, str]]:
    """(name, use, levels, unit) of every distortion: first those that the run would make, then those that are off."""
    uses: dict[str, list[str]] = {}
    names_by_use: Sequence[tuple[str, tuple[str, ...]]] = (
        ("training", config.distort.enabled),
        ("benchmark seen", config.benchmark.seen),
        ("benchmark unseen", config.benchmark.unseen),
    )
    for use, names in names_by_use:
        for name in names:
            uses.setdefault(name, []).append(use)
    for name in DISTORTIONS:
        uses.setdefault(name, ["off"])
    return [
        (name, ", ".join(use), " ".join(f"{level:g}" for level in DISTORTIONS[name].levels), DISTORTIONS[name].unit)
        for name, use in uses.items()
    ]
