"""Proxy benchmarks: distorted copies of held-out windows with VMAF as the score, and how well each teacher predicts it.

Suite ``seen`` uses the training simulators, suite ``unseen`` artefacts that no training ever meets. Their contents are
held out of training, and VMAF, which needs the undistorted window, is never shown to a teacher or to a student.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from actors.distortions.table import DISTORTIONS
from actors.media.rows import format_recipe
from cluster.stream import Row
from pipeline.console import TOO_MANY_BAD, Console, UserError
from pipeline.corpus.listing import short_id, shuffled
from pipeline.look.observe import Look, observe
from pipeline.method.metrics import MetricError, agreement, pairwise_accuracy, within_source_srcc
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import BENCHMARK, OK, VIDEOS
from pipeline.run_folder.store import read_table, write_json, write_table
from pipeline.settings.config import Config
from pipeline.steps.ingest import HELDOUT
from pipeline.steps.score import calibrated, directions, pool, raw_scores, teacher_digests

T = TypeVar("T")

SUITES = ("seen", "unseen")
PAIR_GAP = 5.0  # VMAF points: copies nearer than this count as equal in the pairwise accuracy


def spread(levels: int, wanted: int) -> list[int]:
    """``wanted`` of the 1-based levels, evenly spread from the first to the last."""
    return sorted({1 + round(k) for k in np.linspace(0, levels - 1, min(wanted, levels))})


def sources(config: Config, layout: RunLayout) -> list[Row]:
    """The held-out windows that the benchmarks are made of."""
    rows = [
        row for row in read_table(layout.videos, VIDEOS).to_pylist() if row["status"] == OK and row["split"] == HELDOUT
    ]
    by_content: dict[str, list[str]] = {}
    for row in rows:
        by_content.setdefault(row["content_id"], []).append(row["video_id"])
    chosen = {
        video
        for content in by_content.values()
        for video in shuffled(content, config.seed, "benchmark")[: config.benchmark.windows_per_clip]
    }
    return [row for row in rows if row["video_id"] in chosen]


def plan(config: Config, windows: list[Row], suite: str) -> list[Row]:
    """The copies of one suite: every type at some of its levels, for every window."""
    rows = []
    for window in windows:
        for name in getattr(config.benchmark, suite):
            for level in spread(len(DISTORTIONS[name].levels), config.benchmark.levels):
                seed = int(short_id(config.seed, window["video_id"], name), 16) % 2**31
                rows.append(
                    {
                        "video_id": short_id(window["video_id"], "benchmark", name, level),
                        "source_id": window["video_id"],
                        "uri": window["uri"],
                        "start_s": window["start_s"],
                        "duration_s": window["duration_s"],
                        "recipe": format_recipe([(name, level, seed)]),
                        "still": False,
                        "distortion": name,
                        "level": level,
                    }
                )
    return rows


def build(config: Config, layout: RunLayout, console: Console, *, encode: bool = True) -> dict[str, Any]:
    """Make both suites, score them by every teacher, encode them for the student, and write `benchmarks/<suite>.parquet`.

    Args:
        encode: Keep the student's features of every copy (not needed where no student is judged).
    """
    windows = sources(config, layout)
    plans = {suite: plan(config, windows, suite) for suite in SUITES}
    digests = teacher_digests(config)
    look = Look(
        downloads=layout.downloads,
        observed=layout.observed("benchmark"),
        features=layout.benchmark_features if encode else None,
        scores={name: layout.benchmark_scores(name) for name in digests},
        digests=digests,
        clips=layout.benchmark_clips,
        vmaf=True,
        keep=config.benchmark.keep,
    )
    everything = [row for rows in plans.values() for row in rows]
    seen = {row["video_id"]: row for row in observe(everything, look, config, console, "benchmark copies").to_pylist()}
    for suite, rows in plans.items():
        items = [_item(row, seen[row["video_id"]], config, layout) for row in rows]
        write_table(layout.benchmark(suite), BENCHMARK.table(items), BENCHMARK)
    broken = [row for row in seen.values() if row["status"] != OK]
    if len(broken) > config.errors.budget * len(everything):
        raise UserError(
            f"{len(broken)} of {len(everything)} benchmark copies failed, more than errors.budget={config.errors.budget:g} "
            f"allows; for example {broken[0]['error']}",
            TOO_MANY_BAD,
        )
    failed = len(broken)
    suites = ", ".join(f"{len(rows)} {suite}" for suite, rows in plans.items())
    return {
        "rows": len(everything),
        "failed": failed,
        "what": f"{suites} copies of {len(windows)} held-out windows, VMAF as label, {failed} failed",
    }


def _item(row: Row, seen: Row, config: Config, layout: RunLayout) -> Row:
    kept = config.benchmark.keep
    uri = str(layout.benchmark_clips / f"{row['video_id']}.mkv") if kept else row["uri"]
    item = {name: row[name] for name in ("video_id", "source_id", "recipe", "distortion", "level")}
    item |= {"uri": uri, "start_s": 0.0 if kept else row["start_s"], "duration_s": 0.0 if kept else row["duration_s"]}
    return item | {"mos": seen["vmaf"]} | {name: seen[name] for name in ("status", "error_kind", "error")}


def items(layout: RunLayout, suite: str) -> list[Row]:
    """The usable copies of a suite with their VMAF (column ``mos``), ordered by id."""
    rows = read_table(layout.benchmark(suite), BENCHMARK).to_pylist()
    return [row for row in rows if row["status"] == OK and row["mos"] is not None]


def figures(scores: np.ndarray, rows: list[Row]) -> dict[str, float | None]:
    """SRCC over all copies, mean SRCC within a source, pairwise accuracy within a source, and PLCC after the logistic."""
    labels = np.array([row["mos"] for row in rows], np.float64)
    groups = [row["source_id"] for row in rows]
    # A teacher that gives one value to everything predicts nothing; a missing figure says so in every table.
    overall = _defined(lambda: agreement(scores, labels))
    within = _defined(lambda: within_source_srcc(scores, labels, groups))
    accuracy = _defined(lambda: pairwise_accuracy(scores, labels, groups, PAIR_GAP))
    return {
        "srcc": overall.srcc if overall else None,
        "plcc": overall.plcc_mapped if overall else None,
        "within": within.value if overall and within else None,
        "pair_accuracy": accuracy.value if overall and accuracy else None,
    }


def _defined(measure: Callable[[], T]) -> T | None:
    """What a measure gives, or None where these numbers leave it undefined."""
    try:
        return measure()
    except MetricError:
        return None


def by_distortion(scores: np.ndarray, rows: list[Row]) -> dict[str, float]:
    """SRCC over all copies of each distortion type with at least three copies."""
    labels = np.array([row["mos"] for row in rows])
    table = {}
    for name in sorted({row["distortion"] for row in rows}):
        mask = np.array([row["distortion"] == name for row in rows])
        try:
            table[name] = agreement(scores[mask], labels[mask]).srcc
        except MetricError:
            continue
    return table


def teacher_scores(
    config: Config, layout: RunLayout, rows: list[Row]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Scores ``[len(rows)]`` of the copies by each teacher: as it gives them, and with the sign by which higher is better."""
    digests, rising = teacher_digests(config), directions(config)
    raw = raw_scores(
        {name: layout.benchmark_scores(name) for name in digests}, digests, [row["video_id"] for row in rows]
    )
    return raw, {name: raw[name] if rising[name] else -raw[name] for name in digests}


def teachers(config: Config, layout: RunLayout, console: Console) -> dict[str, Any]:
    """Write `benchmarks/teachers.json`: the figures of every teacher and of their ensemble on both suites."""
    maps = calibrated(config, layout, [row["video_id"] for row in pool(layout)])
    result: dict[str, Any] = {}
    for suite in SUITES:
        rows = items(layout, suite)
        raw, signed = teacher_scores(config, layout, rows)
        mapped = np.column_stack([maps.maps[name](raw[name]) for name in maps.names])
        signed["ensemble"] = np.nanmean(mapped, axis=1)
        result[suite] = {name: figures(values, rows) for name, values in signed.items()}
    write_json(layout.benchmark_teachers, result)
    within = {name: result["unseen"][name]["within"] for name in config.teachers.names}
    defined = {name: value for name, value in within.items() if value is not None}
    if not defined:
        return {"what": "no teacher's within-source SRCC on unseen distortions is defined"}
    best = max(defined, key=defined.__getitem__)
    return {"what": f"best teacher on unseen distortions: {best}, within-source SRCC {defined[best]:.3f}"}
