"""The whole method on one page: label, train, mine, and again with the student as the teacher (CVPR 2026, section 4).

Each step is committed by its manifest (`pipeline.run_folder.manifest`): running the same command again does only what is missing.
The inputs that are named beside a step are all that decides its outputs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline.console import Console
from pipeline.corpus.listing import list_inputs
from pipeline.look.observe import look_settings
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps, input_fingerprint
from pipeline.settings.config import Config, fingerprint
from pipeline.steps import benchmark, evaluate, ingest, judge, mine, pair, report, score, shape, synthesise, train


def run_rounds(
    config: Config, layout: RunLayout, console: Console, before_work: Callable[[], object] | None = None
) -> Steps:
    """Run everything that is missing for ``config.stages`` rounds; return what was done and what was kept.

    ``before_work`` is called once before the first step that has to run; it connects to Ray.
    """
    steps = Steps(layout, console, before_work)
    prepare(config, layout, console, steps)
    for number in range(1, config.stages + 1):
        round_of(config, layout, console, steps, number)
    steps.run_step(
        "report",
        {"stages": config.stages} | {f"metrics {k}": layout.metrics(k) for k in range(1, config.stages + 1)},
        [layout.quarantine, layout.report_html, layout.report_json],
        lambda: report.report(layout, config.stages),
    )
    shutil.rmtree(layout.downloads, ignore_errors=True)
    return steps


def prepare(config: Config, layout: RunLayout, console: Console, steps: Steps) -> None:
    """Windows of the corpus, the teachers' opinions of them, and the benchmarks."""
    steps.run_step(
        "ingest",
        {"corpus": config.corpus, "seed": config.seed, "files": _corpus_state(config)},
        [ingest.destination(config, layout)],
        lambda: ingest.ingest(config, layout, console),
    )
    if config.shaping.keep is not None:
        balanced(config, layout, console, steps)
    look = score.look(config, layout)
    kept = [
        layout.observed("pool"),
        layout.features_of("pool"),
        *(layout.scores(name) for name in config.teachers.names),
    ]
    kept += [look.indicators] if look.indicators is not None else []
    steps.run_step(
        "score",
        {"videos": layout.videos, "look": look_settings(look, config)},
        [*kept, layout.indicators] if look.indicators is not None else kept,
        lambda: score.score(config, layout, console),
        keep=kept,
    )
    steps.run_step(
        "ensemble",
        {
            **{f"scores {name}": layout.scores(name) for name in config.teachers.names},
            "weights": config.teachers.weights,
            "mos": score.mos_file(config),
        },
        [layout.ensemble, layout.calibration],
        lambda: score.ensemble(config, layout, console),
    )
    steps.run_step(
        "benchmark",
        {"videos": layout.videos, "benchmark": config.benchmark, "seed": config.seed}
        | {"look": look_settings(replace(look, indicators=None), config)},
        [layout.benchmark(suite) for suite in benchmark.SUITES] + [layout.benchmark_features],
        lambda: benchmark.build(config, layout, console),
        keep=[layout.benchmark_features],
    )
    steps.run_step(
        "benchmark-teachers",
        {suite: layout.benchmark(suite) for suite in benchmark.SUITES} | {"calibration": layout.calibration},
        [layout.benchmark_teachers],
        lambda: benchmark.teachers(config, layout, console),
    )


def balanced(config: Config, layout: RunLayout, console: Console, steps: Steps) -> None:
    """The indicators of all candidates, and the corpus that is chosen from them."""
    target = shape.target_state(config)  # a wrong name is told before hours of measuring
    look = shape.look(layout)
    kept = [layout.observed("candidates"), layout.indicator_shards("candidates")]
    steps.run_step(
        "measure",
        {"candidates": layout.candidates, "look": look_settings(look, config)},
        [*kept, layout.indicators],
        lambda: shape.measure(config, layout, console),
        keep=kept,
    )
    steps.run_step(
        "shape",
        {"candidates": layout.candidates, "indicators": layout.indicators, "seen": layout.observed("candidates")}
        | {"config": config.shaping, "seed": config.seed, "target": target},
        [layout.videos, layout.shaping],
        lambda: shape.shape(config, layout, console),
    )


def round_of(config: Config, layout: RunLayout, console: Console, steps: Steps, number: int) -> None:
    """One round: its pairs, its student, what the student says, how good it is, and what it leaves to learn."""
    paired(config, layout, console, steps, number)
    training: dict[str, Any] = {
        "pairs": layout.pairs(number),
        "ensemble": layout.ensemble,
        "student": config.student,
        "training": config.training,
        "scoring": config.scoring,
        "seed": config.seed,
    }
    training |= {f"features {name}": layout.features_of(name) for name in _looks(number)}
    steps.run_step(
        f"train-{number}",
        training,
        [layout.student(number), layout.training(number)],
        lambda: train.train(config, layout, console, number, _identity(training)),
    )
    steps.run_step(
        f"judge-{number}",
        {"student": layout.student(number), "features": layout.features_of("pool")},
        [layout.student_scores(number), layout.preferences(number)],
        lambda: judge.judge(config, layout, console, number),
    )
    steps.run_step(
        f"evaluate-{number}",
        {"student": layout.student(number), "pairs": layout.pairs(number), "training": layout.training(number)}
        | {"teachers": layout.benchmark_teachers, "features": layout.benchmark_features},
        [layout.metrics(number)],
        lambda: evaluate.evaluate(config, layout, console, number),
    )
    if number < config.stages:
        distorted(config, layout, console, steps, number + 1)
        steps.run_step(
            f"mine-{number}",
            {"scores": layout.student_scores(number), "student": layout.student(number), "ensemble": layout.ensemble}
            | {"distorted": layout.distorted(number + 1), "mining": config.mining, "seed": config.seed}
            | {"severity": config.training.severity},
            [layout.mined(number)],
            lambda: mine.mine(config, layout, console, number),
        )


def paired(config: Config, layout: RunLayout, console: Console, steps: Steps, number: int) -> None:
    """The distorted copies and the training pairs of round ``number``."""
    distorted(config, layout, console, steps, number)
    before = {"pairs before": layout.pairs(number - 1), "mined": layout.mined(number - 1)} if number > 1 else {}
    judged = {"scores before": layout.student_scores(number - 1)} if number > 1 else {}
    steps.run_step(
        f"pair-{number}",
        {
            "ensemble": layout.ensemble,
            "distorted": layout.distorted(number),
            "config": config.pairs,
            "seed": config.seed,
        }
        | before
        | judged,
        [layout.pairs(number)],
        lambda: pair.pair(config, layout, console, number),
    )


def distorted(config: Config, layout: RunLayout, console: Console, steps: Steps, number: int) -> None:
    """The distorted copies of round ``number``; the round before needs them too, to mine what its student misjudges."""
    if number > 1 and f"distort-{number}" in (*steps.kept, *steps.worked):
        return
    steps.run_step(
        f"distort-{number}",
        {"videos": layout.videos, "config": config.distort, "seed": config.seed}
        | {"look": look_settings(synthesise.look(config, layout, number), config)},
        [layout.distorted(number), layout.features_of(f"distorted-{number}"), layout.observed(f"distorted-{number}")],
        lambda: synthesise.synthesise(config, layout, console, number),
        keep=[layout.features_of(f"distorted-{number}"), layout.observed(f"distorted-{number}")],
    )


def _looks(number: int) -> list[str]:
    """The feature folders that the pairs of round ``number`` may name."""
    return ["pool", *(f"distorted-{k}" for k in range(1, number + 1))]


def _identity(inputs: dict[str, Any]) -> str:
    return fingerprint({name: input_fingerprint(value) for name, value in inputs.items()})


def _corpus_state(config: Config) -> list[Any]:
    """Name, size and time of every input file, so that a changed corpus is noticed without reading it."""
    if config.corpus.videos is None:
        return []
    return list_inputs(config.corpus.videos, config.corpus.limit).state()
