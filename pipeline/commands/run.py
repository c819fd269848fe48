"""Train a no-reference video quality student from unlabelled videos by weak-to-strong learning."""

from __future__ import annotations

import argparse

from pipeline.commands import configuration_arguments
from pipeline.commands.figures import print_figures
from pipeline.commands.opening import (
    ablation_lines,
    configuration,
    described,
    journalled,
    layout_of,
    opened,
    write_config,
)
from pipeline.console import SOME_FAILED, Console
from pipeline.corpus.proxies import SUITES
from pipeline.run_folder.kept import kept_student
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import QUARANTINE
from pipeline.run_folder.store import read_json, read_table
from pipeline.settings.config import Config, check_weights
from pipeline.steps.decide import last_round
from trainers.places import nearby


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    configuration_arguments(parser)
    parser.add_argument(
        "--log-json", metavar="FILE", help="append events to FILE, one JSON object a line: time, run, step, video"
    )


def main(options: argparse.Namespace) -> int:
    """Run the missing steps and print the figures; return 0, or 1 if some inputs failed."""
    config = configuration(options)
    check_weights(config)
    console = Console()
    layout = layout_of(options, config)
    with journalled(console, options.log_json, str(layout.root)):
        with opened(config, layout, console, options) as run:
            from pipeline.loop import run_all

            _announce(config, layout, console)
            write_config(config, layout)
            steps = run_all(run)
        steps.close()
        return _close(config, layout, console)


def _announce(config: Config, layout: RunLayout, console: Console) -> None:
    lines = [f"preset {config.preset}, seed {config.seed}, run folder {nearby(layout.root)}"]
    if config.corpus.videos is None:
        lines.append(
            f"no --videos given: {config.corpus.made_clips} clips rendered by this program stand in for real ones; "
            "use --videos PATH for a model of your own material"
        )
    else:
        lines.append(f"videos: {config.corpus.videos}")
    lines.append(f"teachers: {', '.join(config.teachers.names)}; student: {config.student.name}")
    lines += ablation_lines(config)
    console.banner(f"Weak-to-strong video quality assessment, {described(config)}", lines)


def _close(config: Config, layout: RunLayout, console: Console) -> int:
    last = last_round(config, layout)
    metrics = [read_json(layout.metrics(number)) for number in range(1, last + 1)]
    for suite in SUITES:
        count = metrics[-1]["benchmarks"][suite]["count"]
        models = list(metrics[-1]["benchmarks"][suite]["teachers"].items())
        models += [(f"student, stage {m['round']}", m["benchmarks"][suite]["student"]) for m in metrics]
        title = f"{suite} distortions: {count} copies of held-out videos"
        print_figures(console, title, "model", models, ("srcc", "within", "pair_accuracy"))
    if last < config.stages:
        said = read_json(layout.decision(last))
        console.line(f"stopped after stage {last} of at most {config.stages}: {said['why']}")
        if said["keep"] != last:
            console.line(f"the student of stage {said['keep']} is kept")
    console.line(f"student: {nearby(kept_student(layout))}")
    console.line(f"report:  {nearby(layout.report_html)}")
    # A duplicate is skipped: it is in the table but does not count as a failure.
    failed = sum(kind != "duplicate" for kind in read_table(layout.quarantine, QUARANTINE)["error_kind"].to_pylist())
    if failed:
        console.warn(f"{failed} input(s) could not be used; {nearby(layout.quarantine)} says which and why")
    return SOME_FAILED if failed else 0
