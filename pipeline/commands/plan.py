"""Show what would run: steps, rows, actors, memory, hours and, with --price-per-hour, cost. Nothing is started.

--videos takes the same values as in a run, or a number N, which assumes N videos of 960x540. Files are listed but not
opened; before the corpus is ingested, every file counts with all its windows. Times come from the finished steps of the
same run folder, or from built-in rates; both assume that this machine's CPUs do nothing else.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands import configuration_arguments
from pipeline.commands.opening import configuration, layout_of
from pipeline.console import DONE, Console, UserError
from pipeline.run_folder.step import Rows
from pipeline.settings.config import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    configuration_arguments(parser)
    parser.add_argument(
        "--price-per-hour", type=float, metavar="X", help="price of the machine per hour, in any currency"
    )


def main(options: argparse.Namespace) -> int:
    """Print the plan."""
    price = options.price_per_hour
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise UserError(f"--price-per-hour {price}: give a number that is not negative, such as 1.2")
    files = assumed(options.videos)
    config = configuration(options)
    if files is not None:
        corpus = config.corpus.model_copy(update={"videos": None})
        config = config.model_copy(update={"corpus": corpus})
        files = min(files, config.corpus.limit or files)
    layout = layout_of(options, config)
    from pipeline.planning.forecast import distortion_rows, forecast, of_folder
    from pipeline.steps.ingest import corpus_size

    console = Console(sys.stdout)
    steps = forecast(of_folder(config, layout), files)
    console.line(f"preset {config.preset}, {config.stages} stage(s), seed {config.seed}, run folder {layout.root}")
    console.line(f"videos: {_videos(config, files, corpus_size(config))}")
    if config.shaping.keep is not None:
        console.line(f"shaping: keep {config.shaping.keep:,} training windows, target {config.shaping.target}")
    console.line(f"teachers: {', '.join(config.teachers.names)}; student: {config.student.name}")
    console.table(
        "steps in order",
        ("step", "rows", "seconds", "from", "actors", "GPUs", "GiB", "state"),
        [
            (one.name, _count(one.rows), f"{one.seconds:.0f}", one.basis, one.resources.actors, f"{one.resources.gpus:g}",
             f"{one.resources.memory_gib:.1f}", one.state)
            for one in steps
        ],
    )  # fmt: skip
    if any(one.name in ("benchmark", "score") and one.rows == Rows(0) for one in steps):
        console.warn("too few videos: both training and held-out videos are needed; give at least 4")
    _totals([one.seconds_left for one in steps], price, console)
    console.table("distortions", ("name", "used for", "levels", "unit"), distortion_rows(config))
    return DONE


def assumed(videos: str | None) -> int | None:
    """Return N if `--videos` is a number N and no file or folder has that name.

    Raises:
        UserError: The number is too small for a run.
    """
    if videos is None or not videos.isascii() or not videos.isdigit() or Path(videos).exists():
        return None
    if int(videos) < 4:
        raise UserError(f"--videos {videos}: a run needs at least 4 videos")
    return int(videos)


def _videos(config: Config, files: int | None, count: int) -> str:
    if files is not None:
        return f"{files:,}, assumed"
    if config.corpus.videos is None:
        return f"{count} clips that the run renders itself"
    return f"{count:,} files of {config.corpus.videos}"


def _count(rows: Rows | None) -> str:
    if rows is None:
        return "-"
    return f"<= {rows.count:,}" if rows.at_most else f"{rows.count:,}"


def _totals(seconds: Sequence[float], price: float | None, console: Console) -> None:
    cpus = max(2, len(os.sched_getaffinity(0)))
    hours = sum(seconds) / 3600
    console.line(f"left to do: about {hours:.2f} hours on {cpus} CPUs, longest step {max(seconds) / 3600:.2f} hours")
    console.line(
        "seconds from this run: measured in its finished steps; built-in: CPU time per row, measured with windows"
    )
    console.line(
        "of 960x540 at 30 frames/s on one core of a two-core machine, scaled by length and size, all CPUs busy"
    )
    if price is not None:
        console.line(f"money: about {hours * price:.2f} at {price:g} per hour of the machine")
