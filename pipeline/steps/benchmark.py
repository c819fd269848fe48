"""Benchmark: make, measure and score the copies of both proxy suites, and evaluate the teachers on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from actors.media.vmaf import FIRST, SECOND
from cluster.engine import Row
from pipeline.corpus import proxies
from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.members import pool
from pipeline.corpus.proxies import SUITES
from pipeline.costs.loads import benchmark_load, benchmark_rows, look_needs, look_resources
from pipeline.look.look import Look, look_settings
from pipeline.look.observe import observe
from pipeline.method.calibration import weighted_mean
from pipeline.opinions import benchmark_scores, calibrated, signed, teacher_digests
from pipeline.run_folder import budget
from pipeline.run_folder.records import BENCHMARK, OK
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import write_json, write_table


def step(run: Run, *, encode: bool = True) -> Step:
    """The step that makes both suites.

    Args:
        run: The run.
        encode: Store the student's features of every copy; not needed if no student is evaluated.
    """
    config, layout = run.config, run.layout
    request = look(run, encode=encode)
    # If the inputs change, only the expensive folder stays: the features, or the copies themselves.
    expensive = layout.benchmark_features if encode else layout.benchmark_clips
    # All measurements except VMAF, which every benchmark has: manifests of earlier versions have this form.
    settings = look_settings(replace(request, vmaf=False), config)
    return Step(
        "benchmark",
        {"videos": layout.videos, "benchmark": config.benchmark, "seed": config.seed, "look": settings},
        [*(layout.benchmark(suite) for suite in SUITES), expensive],
        lambda: build(run, request),
        reusable_outputs=[expensive],
        beside=[request.observed, *request.scores.values()],
        rows=lambda: Rows(benchmark_rows(corpus_facts(run), config)),
        resources=lambda cpus: look_resources(config, request, cpus),
        needs=lambda: look_needs(config, request),
        load=lambda: benchmark_load(corpus_facts(run), config, request),
    )


def look(run: Run, *, encode: bool = True) -> Look:
    """The look at the copies: what to compute, and where to store it."""
    config, layout = run.config, run.layout
    digests = teacher_digests(config)
    return Look(
        downloads=layout.downloads,
        observed=layout.observed(layout.BENCHMARK),
        features=layout.benchmark_features if encode else None,
        scores={name: layout.benchmark_scores(name) for name in digests},
        digests=digests,
        clips=layout.benchmark_clips if config.benchmark.keep else None,
        vmaf=True,
        second_label=config.benchmark.second_label,
    )


def build(run: Run, request: Look) -> dict[str, Any]:
    """Write `benchmarks/<suite>.parquet`."""
    config, layout = run.config, run.layout
    windows = proxies.sources(config, layout)
    plans = {suite: proxies.plan(config, windows, suite) for suite in SUITES}
    copies = [row for rows in plans.values() for row in rows]
    results = {row["video_id"]: row for row in observe(run, copies, request, "benchmark copies").to_pylist()}
    for suite, rows in plans.items():
        items = [_item(row, results[row["video_id"]], run) for row in rows]
        write_table(layout.benchmark(suite), BENCHMARK.table(items), BENCHMARK)
    failed = [row for row in results.values() if row["status"] != OK]
    budget.check(len(failed), len(copies), config, "benchmark copies failed", failed[0]["error"] if failed else "")
    suites = ", ".join(f"{len(rows)} {suite}" for suite, rows in plans.items())
    labels = _labels(results.values()) if config.benchmark.second_label else f"{FIRST.title} as the label"
    return {
        "rows": len(copies),
        "failed": len(failed),
        "what": f"{suites} copies of {len(windows)} held-out windows, {labels}, {len(failed)} failed",
    }


def _labels(results: Iterable[Row]) -> str:
    """The labels, and how many copies the second model has none for."""
    without = sum(row["status"] == OK and row["vmaf_v1"] is None for row in results)
    return f"{FIRST.title} and {SECOND.title} as labels" + (
        f" ({without} copies too small for the second)" if without else ""
    )


def _item(row: Row, result: Row, run: Run) -> Row:
    stays = run.config.benchmark.keep
    uri = str(run.layout.benchmark_clips / f"{row['video_id']}.mkv") if stays else row["uri"]
    item = {name: row[name] for name in ("video_id", "source_id", "recipe", "distortion", "level")}
    item |= {"uri": uri, "start_s": 0.0 if stays else row["start_s"], "duration_s": 0.0 if stays else row["duration_s"]}
    item |= {"mos": result["vmaf"]}
    return item | {name: result[name] for name in ("vmaf_v1", "vmaf_v1_note", "status", "error_kind", "error")}


def teachers_step(run: Run) -> Step:
    """The step that evaluates the teachers on both suites."""
    config, layout = run.config, run.layout
    inputs: dict[str, Any] = {suite: layout.benchmark(suite) for suite in SUITES}
    inputs |= {"calibration": layout.calibration}
    opinions = config.teachers
    if len(opinions.voices) < len(opinions.names):  # the calibration knows nothing of the other teachers
        inputs |= {"teachers": teacher_digests(config)}
    if opinions.weights != "uniform":  # earlier versions wrote the plain mean
        inputs |= {"weights": opinions.weights}
    return Step(
        "benchmark-teachers",
        inputs,
        [layout.benchmark_teachers],
        lambda: teachers(run),
        rows=lambda: Rows(benchmark_rows(corpus_facts(run), run.config)),
    )


def teachers(run: Run) -> dict[str, Any]:
    """Write `benchmarks/teachers.json`: the figures of every teacher and of their ensemble on both suites."""
    maps = calibrated(run, [row["video_id"] for row in pool(run.layout)])
    result: dict[str, Any] = {}
    for suite in SUITES:
        rows = proxies.items(run.layout, suite)
        raw = benchmark_scores(run, [row["video_id"] for row in rows])
        mapped = np.column_stack([maps.maps[name](raw[name]) for name in maps.names])
        weights = [maps.weights[name] for name in maps.names]
        models = {**signed(run.config, raw), "ensemble": weighted_mean(mapped, weights)}
        result[suite] = {name: proxies.figures(values, rows) for name, values in models.items()}
    write_json(run.layout.benchmark_teachers, result)
    within = {name: result["unseen"][name]["within"] for name in run.config.teachers.names}
    defined = {name: value for name, value in within.items() if value is not None}
    if not defined:
        return {"what": "no teacher's within-source SRCC on unseen distortions is defined"}
    best = max(defined, key=defined.__getitem__)
    return {"what": f"best teacher on unseen distortions: {best}, within-source SRCC {defined[best]:.3f}"}
