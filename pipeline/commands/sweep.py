"""Ray Tune over the weight of the confidence loss: trains round 1 of the configured run once for each value.

The steps before training run first, in the run's own folder, and the run itself reuses them. One training pair in five is
held out for the order accuracy by which trials are compared; the proxy benchmarks then evaluate every student on held-out
videos. Writes sweep.json, sweep.csv and sweep.html. The same command resumes.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.commands import configuration_arguments
from pipeline.commands.opening import configuration, layout_of, opened
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.corpus.proxies import SUITES, figures, items
from pipeline.corpus.rules import shuffled
from pipeline.report.figures import Chart, framed
from pipeline.report.page import charts_page
from pipeline.run_folder.digests import Digests
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps, fingerprints
from pipeline.run_folder.records import PAIRS
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import StoreError, read_json, read_table, write_bytes, write_json, write_table
from pipeline.settings.config import Config, check_weights, fingerprint
from pipeline.settings.trees import set_keys
from trainers.places import Place
from trainers.settings import LAMBDA_RULE, read_lambda

Value = float | str
VALUES = "0,0.25,0.5,adaptive"
HELD_OUT = 5  # every fifth pair
COLUMNS = (
    "lambda", "loss", "order_accuracy", "srcc_unseen", "within_unseen", "srcc_seen", "within_seen", "step", "steps", "student",
    "error",
)  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--lambda",
        dest="values",
        metavar="LIST",
        default=VALUES,
        help=f"each {LAMBDA_RULE} (default {VALUES})",
    )
    configuration_arguments(parser)


def values_of(text: str) -> list[Value]:
    """Parse the values of `--lambda`, each once.

    Raises:
        UserError: A value is not one that `training.lambda` takes.
    """
    try:
        return list(dict.fromkeys(read_lambda(word) for word in text.split(",")))
    except ValueError as error:
        raise UserError(f"--lambda {text}: {error}; for example --lambda {VALUES}") from None


def check_options(options: argparse.Namespace) -> None:
    """Refuse what a sweep sets itself; it would be ignored in silence. A file of a whole run may say it.

    Raises:
        UserError: An option says how many stages there are, or one value of lambda; one line.
    """
    given = set_keys(options.overrides)
    if options.stages is not None or "stages" in given:
        raise UserError("--stages: a sweep trains round 1 alone; leave it out, and name the folder of a run with --out")
    if "training.lambda" in given:
        raise UserError(f"--set training.lambda: a sweep sets it itself; name its values, as in --lambda {VALUES}")


def main(options: argparse.Namespace) -> int:
    """Run the sweep; return 0, or 1 if a trial failed."""
    values = values_of(options.values)
    check_options(options)
    config = configuration(options)
    check_weights(config)
    layout = layout_of(options, config)
    layout.on_disk("a sweep")
    console = Console()
    with opened(config, layout, console, options) as run:
        from pipeline.loop import needs, preparation

        if not layout.config.is_file():
            write_bytes(layout.config, config.to_yaml().encode())
        steps = Steps(layout, console, lambda: run.engine.start(needs(preparation(run))))
        for one in preparation(run):
            steps.run(one)
        forget_failed(layout)
        steps.run(step(run, values))
        shutil.rmtree(layout.downloads, ignore_errors=True)
    steps.close()
    return _close(layout, console)


def forget_failed(layout: RunLayout) -> None:
    """Have a sweep made again in which a trial failed; what succeeded is not trained again."""
    try:
        rows = read_json(layout.sweep_json)["trials"]
    except StoreError:  # none yet, or damaged: it is made anyway
        return
    if any(row["error"] for row in rows):
        layout.manifest("sweep").unlink(missing_ok=True)


def step(run: Run, values: Sequence[Value]) -> Step:
    """The step that trains the student of round 1 with each value of lambda."""
    config, layout = run.config, run.layout
    # everything that decides a trial, apart from its value
    inputs = {
        "pairs": layout.pairs(1),
        "ensemble": layout.ensemble,
        "student": config.student,
        "training": config.training.model_dump(mode="json", exclude={"lambda_"}),
        "scoring": config.scoring,
        "seed": config.seed,
        **{f"features {name}": layout.features_of(name) for name in (layout.POOL, layout.copies_look(1))},
    }
    trial = Step("trial", inputs, [], dict)
    return Step(
        "sweep",
        {**inputs, "values": values, "benchmark": layout.benchmark_features},
        [layout.sweep_json, layout.sweep_csv, layout.sweep_html],
        lambda: sweep(run, values, fingerprint(fingerprints(trial, Digests(layout)))),
    )


def sweep(run: Run, values: Sequence[Value], identity: str) -> dict[str, Any]:
    """Train with every value, evaluate every student, and write `sweep.json`, `sweep.csv` and `sweep.html`."""
    import trainers.sweep
    from pipeline.steps.train import job_of

    config, layout = run.config, run.layout
    training, validation = split_pairs(config, layout)
    job = replace(
        job_of(config, layout, 1, identity),
        name=f"sweep-{identity[:8]}",
        pairs=str(training),
        validation=str(validation),
        output=str(layout.sweep),
    )
    run.console.line(f"training {len(values)} value(s) of lambda: {', '.join(map(str, values))}")
    run.engine.start()
    try:
        trials = [asdict(row) for row in trainers.sweep.sweep(job, values)]
    except ValueError as error:
        raise UserError(f"sweep: {error}", exit_code=3) from error
    rows = [_row(run, trial) for trial in trials]
    write_json(layout.sweep_json, {"identity": identity, "trials": rows})
    write_bytes(layout.sweep_csv, as_csv(rows))
    write_bytes(layout.sweep_html, as_html(rows).encode())
    failed = sum(bool(row["error"]) for row in rows)
    return {"rows": len(rows), "what": f"{len(rows)} values of lambda, {failed} failed"}


def split_pairs(config: Config, layout: RunLayout) -> tuple[Place, Place]:
    """Split round 1's pairs into training pairs and, for every origin, one held-out pair in `HELD_OUT`."""
    table = read_table(layout.pairs(1), PAIRS)
    origins: dict[str, list[str]] = {}
    for name, origin in zip(table["pair_id"].to_pylist(), table["origin"].to_pylist(), strict=True):
        origins.setdefault(origin, []).append(name)
    held_out = {
        name for names in origins.values() for name in shuffled(names, config.seed, "sweep")[: len(names) // HELD_OUT]
    }
    if not held_out:
        raise UserError(
            f"sweep: {table.num_rows} pairs are too few to hold some out; raise pairs.homogeneous or pairs.synthetic"
        )
    mask = np.array([name not in held_out for name in table["pair_id"].to_pylist()])
    training, validation = layout.sweep_pairs
    write_table(training, table.filter(mask), PAIRS)
    write_table(validation, table.filter(~mask), PAIRS)
    return training, validation


def _row(run: Run, trial: dict[str, Any]) -> dict[str, Any]:
    """One row of the table; a trial that failed or stopped early has no student and no benchmark figures."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {
        "lambda": trial["lambda_"],
        "loss": _finite(trial["cross_entropy"]),
        "order_accuracy": _finite(trial["validation_order_accuracy"]),
        "step": trial["stopped_at"],
        "steps": trial["steps"],
        "error": trial["error"] or None,
    }
    folder = Path(trial["output"])
    finished = not trial["error"] and trial["stopped_at"] >= trial["steps"]
    if finished and (folder / "config.json").is_file():
        for suite, values in _benchmark(run, folder).items():
            row |= {f"srcc_{suite}": values["srcc"], f"within_{suite}": values["within"]}
        row["student"] = trial["output"].removeprefix(f"{run.layout.root}/")
    return row


def _benchmark(run: Run, folder: Path) -> dict[str, dict[str, float | None]]:
    """Write the student's anchors into its folder and evaluate it on both suites."""
    from pipeline.student.anchors import complete
    from pipeline.student.comparison import anchor_logits
    from trainers.batches import read_encoded

    anchors = complete(run, folder)
    rows = {suite: items(run.layout, suite) for suite in SUITES}
    ids = [row["video_id"] for suite in SUITES for row in rows[suite]]
    encoded = read_encoded(run.config.student.name, run.layout.benchmark_features)
    logits, _ = anchor_logits(run, folder, encoded, ids)  # start the actors once for both suites
    raw = dict(zip(ids, anchors.raw(logits), strict=True))
    return {suite: figures(np.array([raw[row["video_id"]] for row in rows[suite]]), rows[suite]) for suite in SUITES}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def as_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_html(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as bars: how many held-out pairs each value orders, and its agreement with both benchmarks."""
    series = {"order_accuracy": "held-out pairs", "srcc_unseen": "SRCC unseen", "srcc_seen": "SRCC seen"}
    values = [f"λ {row['lambda']}" for row in rows]
    bars = [
        {
            "type": "bar",
            "name": title,
            "x": values,
            "y": [row[name] for row in rows],
            "marker": {"color": f"@stage{number}"},
            "hovertemplate": f"%{{x}}: {title} %{{y:.3f}}<extra></extra>",
        }
        for number, (name, title) in enumerate(series.items(), 1)
    ]
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    frame = framed(360, barmode="group", legend=legend) | {"showlegend": True}
    chart = Chart(
        "sweep", "Figures of each value", "Bars of three figures of each value of λ", {"data": bars, "layout": frame}
    )
    return charts_page("Sweep", "Round 1 by weight λ of the confidence loss", [chart])


def _close(layout: RunLayout, console: Console) -> int:
    rows = read_json(layout.sweep_json)["trials"]
    columns = ("lambda", "loss", "order_accuracy", "srcc_unseen", "within_unseen", "srcc_seen", "within_seen")
    titles = ("lambda", "loss", "order accuracy", "SRCC unseen", "within unseen", "SRCC seen", "within seen", "steps")
    Console(sys.stdout).table(
        "round 1 by weight of the confidence loss",
        titles,
        [(str(row["lambda"]), *(row[name] for name in columns[1:]), f"{row['step']}/{row['steps']}") for row in rows],
    )
    console.line(f"sweep: {layout.sweep_json}, {layout.sweep_csv}, {layout.sweep_html}")
    for row in rows:
        if row["error"]:
            console.warn(f"lambda {row['lambda']}: {row['error']}")
    return SOME_FAILED if any(row["error"] for row in rows) else DONE
