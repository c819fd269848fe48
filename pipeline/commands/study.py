"""Train every ablation with several seeds, and say which part of the method earns what on these videos.

Each row of the study is a run of its own in FOLDER/seed-<k>/<row>; runs of one seed share every step whose inputs are equal, so the
teachers' scores, the copies and the benchmarks are made once. Writes study.html, study.md and study.json into FOLDER after every
run. The same command resumes.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from pipeline.commands import at_least_one, configuration_arguments
from pipeline.commands.opening import checked, engine_of, locked, ready, write_config
from pipeline.console import DONE, SOME_FAILED, Console, UserError, explained
from pipeline.report.comparison import Judged, judged
from pipeline.report.page import Cell
from pipeline.report.stops import Stopped, stopped
from pipeline.report.study import (
    MEASURES,
    Study,
    as_json,
    decisions_table,
    differences_table,
    figures_table,
    head,
    markdown,
    page,
    stops_table,
)
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import write_bytes, write_json
from pipeline.settings.ablations import ABLATIONS, PUBLISHED, keys_of
from pipeline.settings.config import Config, ablation_keys, check_weights, load, values_of
from pipeline.settings.trees import file_keys, set_keys

SEEDS = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", metavar="FOLDER", help="where the runs and the results go")
    parser.add_argument(
        "--rows",
        metavar="LIST",
        default=",".join(PUBLISHED),
        help=f"ablations, in order, of {', '.join(ABLATIONS)} (default the published ones)",
    )
    parser.add_argument(
        "--seeds",
        type=at_least_one("seed"),
        metavar="N",
        default=SEEDS,
        help=f"seeds, from --seed on (default {SEEDS})",
    )
    configuration_arguments(parser, out=False)


def main(options: argparse.Namespace) -> int:
    """Run what is missing of the study and write its results; return 0, or 1 if a run failed."""
    rows, folder = rows_of(options.rows), RunLayout.at(options.folder)
    folder.on_disk("a study")
    check_options(options, rows)
    first = 0 if options.seed is None else options.seed
    seeds = range(first, first + options.seeds)
    plan = {(row, seed): configuration(options, row, seed) for seed in seeds for row in rows}
    for config in plan.values():
        check_weights(config)
    console = Console()
    runs: dict[tuple[str, int], Judged] = {}
    failures: dict[tuple[str, int], str] = {}
    stops: list[Stopped] = []
    some = plan[rows[0], first]
    about = _about(some, options, rows)
    lines = [f"seeds {', '.join(map(str, seeds))}, folder {folder.root}", *about]
    console.banner(f"Study of {len(rows)} rows, {len(plan)} runs", lines)
    found = checked(some, folder)
    ready(folder)
    with locked(folder), engine_of(some, folder, console, options) as engine:
        for seed in seeds:
            layouts = {row: RunLayout(folder.root / f"seed-{seed}" / row) for row in rows}
            for row in rows:
                config, layout = plan[row, seed], layouts[row]
                console.line(f"seed {seed}, row {row}, {ABLATIONS[row].title}: {layout.root}")
                try:
                    others = [layouts[other] for other in rows if other != row]
                    _run(Run(config, layout, console, engine, dict(found)), others)
                    runs[row, seed] = judged(layout, config.stages)
                    stops += [one for one in [stopped(layout, row, seed, config.stages)] if one is not None]
                except Exception as error:
                    known = explained(error)
                    if known is None:  # a defect of this program must not hide among the results
                        raise
                    _, why = known
                    failures[row, seed] = why
                    console.warn(f"seed {seed}, row {row}: {why}")
                study = Study(rows, [one for one in seeds if one <= seed], runs, failures, about, stops)
                _write(folder, study)
    return _close(folder, console, study)


def rows_of(text: str) -> list[str]:
    """Parse `--rows`, each once.

    Raises:
        UserError: There is no such ablation.
    """
    rows = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [row for row in rows if row not in ABLATIONS]
    if unknown or not rows:
        raise UserError(
            f"--rows {text}: {unknown[0] if unknown else 'none'} is no ablation; they are {', '.join(ABLATIONS)}"
        )
    return rows


def check_options(options: argparse.Namespace, rows: Sequence[str]) -> None:
    """Refuse what the rows of a study cannot have; without this they would outvote it in silence.

    Options are the ground on which the rows stand, as a preset is: a key may differ from that of some rows, and those that do not
    set it have it. What no row would have is refused.

    Raises:
        UserError: An option says what a study or its rows set themselves; one line.
    """
    if options.stages is not None:
        raise UserError("--stages: the rows of a study say how many stages they have; choose rows with --rows")
    given = set_keys(options.overrides)
    if any(key in given for key in ("ablation", "seed", "stages")):
        raise UserError("--set ablation, seed or stages: a study sets these itself; see --rows and --seeds")
    flags = {"videos": options.videos, "limit": options.limit}
    base = load(options.preset, options.config, options.overrides, **flags)
    if base.stopping.auto:  # from a file also as `stages: auto`
        raise UserError(
            "stopping.auto: the rows of a study say how many stages they have, so the rule must not end one early; leave it out, "
            "and use --set stopping.measure=true to be told what the rule says"
        )
    sets = {row: keys_of(row, base.teachers.names) for row in rows}
    for key in given:
        if all(key in keys for keys in sets.values()):
            raise _outvoted(f"--set {key}", rows)
    if options.config is None:
        return
    values, usual = values_of(base), values_of(load(base.preset, videos=base.corpus.videos))
    for key in file_keys(options.config):
        if key == "stages" or not all(key in keys for keys in sets.values()):
            continue
        if values[key] not in [usual[key], *(keys[key] for keys in sets.values())]:
            raise _outvoted(f"--config {options.config}, {key}", rows)


def _outvoted(what: str, rows: Sequence[str]) -> UserError:
    sets = f"row {rows[0]} sets" if len(rows) == 1 else f"rows {', '.join(rows)} set"
    return UserError(
        f"{what}: {sets} this key, which is what makes a row, so the value would be ignored; "
        "leave it out, or choose rows that do not set it with --rows"
    )


def configuration(options: argparse.Namespace, row: str, seed: int) -> Config:
    """The configuration of one run: the options of the command with the keys of its row, which no option outvotes."""
    flags = {"videos": options.videos, "seed": seed, "limit": options.limit}
    teachers = load(options.preset, options.config, options.overrides, **flags).teachers.names
    keys = [f"{key}={json.dumps(value)}" for key, value in keys_of(row, teachers).items()]
    return load(options.preset, options.config, [*options.overrides, *keys, f"ablation={row}"], **flags)


def _about(config: Config, options: argparse.Namespace, rows: Sequence[str]) -> list[str]:
    """Sentences about the command, and about what all runs share."""
    words = ["python run.py study FOLDER", f"--seeds {options.seeds}"]
    words += [f"--rows {','.join(rows)}"] if tuple(rows) != PUBLISHED else []
    given = {"preset": options.preset, "config": options.config, "videos": options.videos, "limit": options.limit}
    words += [f"--{name} {value}" for name, value in {**given, "seed": options.seed}.items() if value is not None]
    command = " ".join([*words, *(f"--set {shlex.quote(entry)}" for entry in options.overrides)])
    where = config.corpus.videos
    of_what = f"videos: {where}" if where is not None else f"{config.corpus.made_clips} clips rendered by this program"
    return [
        f"Made by `{command}`.",
        f"Preset {config.preset}, {of_what}.",
        f"Teachers: {', '.join(config.teachers.names)}; student: {config.student.name}.",
    ]


def _run(run: Run, others: Sequence[RunLayout]) -> None:
    """One run of the study, which shares the steps of the others."""
    from pipeline.loop import run_all

    run.console.line(f"  {', '.join(ablation_keys(run.config))}")
    with locked(run.layout):
        write_config(run.config, run.layout)
        run_all(run, others, reported=False).close()


def _write(folder: RunLayout, study: Study) -> None:
    write_json(folder.study("json"), as_json(study))
    write_bytes(folder.study("md"), markdown(study).encode())
    write_bytes(folder.study("html"), page(study, Path(str(folder.root)).name).encode())


def _close(folder: RunLayout, console: Console, study: Study) -> int:
    heads = [head(measure) for measure in MEASURES]
    tables = [
        (["row", "runs"], "SRCC of each row: mean over the seeds, deviation, 95 % interval", figures_table(study)),
        (["difference", "runs"], "what each part earns: differences of SRCC", differences_table(study)),
        (
            ["stopping rule", "said"],
            "what the stopping rule said, and what the next stage brought",
            decisions_table(study),
        ),
        (["run", "stages"], "where it ends a run, and the best other student less the kept one", stops_table(study)),
    ]
    for first, what, table in tables:
        cells = [[row[0].text, row[1].text, *(_said(cell) for cell in row[2:])] for row in table]
        if cells:
            console.table(what, [*first, *heads], cells)
    console.line(f"study: {', '.join(str(folder.study(ending)) for ending in ('html', 'md', 'json'))}")
    for (row, seed), why in study.failures.items():
        console.warn(f"seed {seed}, row {row} did not finish: {why}")
    return SOME_FAILED if study.failures else DONE


def _said(cell: Cell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text
