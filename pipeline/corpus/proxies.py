"""Proxy benchmarks: distorted copies of held-out windows with VMAF as the label, and the figures of a model on them.

There are two labels: VMAF v0.6.1, by which figures have always been told, and v1.0.16, which punishes what the first forgives
(colours, banding). Figures by the second have names that end in `SECOND_LABEL`; runs of versions before it have none.

Suite `seen` uses the simulators of training, suite `unseen` artefacts that training never uses. Their contents are held
out of training. VMAF, which needs the undistorted window, is the label only: no teacher and no student gets it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from actors.distortions.table import DISTORTIONS
from actors.media.rows import format_recipe
from pipeline.corpus.members import HELDOUT, usable
from pipeline.corpus.rules import short_id, shuffled
from pipeline.method.metrics import MetricError, agreement, pairwise_accuracy, within_source_srcc
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import BENCHMARK, OK
from pipeline.run_folder.store import read_table
from pipeline.settings.config import Config

T = TypeVar("T")
Row = dict[str, Any]

SUITES = ("seen", "unseen")
FIGURES = ("srcc", "plcc", "within", "pair_accuracy")
SECOND_LABEL = "_v1"
PAIR_GAP = 5.0  # VMAF points: copies nearer than this count as equal in the pairwise accuracy


def spread(levels: int, count: int) -> list[int]:
    """`count` of the levels 1 to `levels`, evenly spread from the first to the last."""
    return sorted({1 + round(k) for k in np.linspace(0, levels - 1, min(count, levels))})


def sources(config: Config, layout: RunLayout) -> list[Row]:
    """The held-out windows from which the benchmarks are made."""
    rows = usable(layout, HELDOUT).to_pylist()
    by_content: dict[str, list[str]] = {}
    for row in rows:
        by_content.setdefault(row["content_id"], []).append(row["video_id"])
    videos = {
        video
        for content in by_content.values()
        for video in shuffled(content, config.seed, "benchmark")[: config.benchmark.windows_per_clip]
    }
    return [row for row in rows if row["video_id"] in videos]


def plan(config: Config, windows: Sequence[Row], suite: str) -> list[Row]:
    """The copies of one suite: every type at its selected levels, for every window."""
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


def planned(config: Config, layout: RunLayout) -> list[Row]:
    """The copies of both suites."""
    windows = sources(config, layout)
    return [row for suite in SUITES for row in plan(config, windows, suite)]


def count(config: Config, layout: RunLayout) -> int:
    """The number of copies of both suites, without making a row for each."""
    names = [name for suite in SUITES for name in getattr(config.benchmark, suite)]
    levels = sum(len(spread(len(DISTORTIONS[name].levels), config.benchmark.levels)) for name in names)
    return len(sources(config, layout)) * levels


def items(layout: RunLayout, suite: str) -> list[Row]:
    """The usable copies of a suite with their VMAF (column `mos`), ordered by id."""
    rows = read_table(layout.benchmark(suite), BENCHMARK).to_pylist()
    return [row for row in rows if row["status"] == OK and row["mos"] is not None]


def figures(scores: np.ndarray, rows: Sequence[Row]) -> dict[str, float | None]:
    """SRCC over all copies, mean SRCC within a source, pairwise accuracy within a source, and PLCC after the logistic.

    Args:
        scores: Scores of the copies, `[len(rows)]`; higher is better.
        rows: The copies (`items`).

    Returns:
        `FIGURES` by VMAF v0.6.1, and where copies have a v1.0.16 these by it, on the copies that have one, and their
        number `count_v1`; None for a figure that is undefined for these numbers.
    """
    found = _by_label(scores, [row["mos"] for row in rows], rows)
    second = [k for k, row in enumerate(rows) if row.get("vmaf_v1") is not None]
    if second:
        some = [rows[k] for k in second]
        others = _by_label(scores[second], [row["vmaf_v1"] for row in some], some)
        found |= {f"{name}{SECOND_LABEL}": value for name, value in others.items()}
        found[f"count{SECOND_LABEL}"] = len(second)
    return found


def _by_label(scores: np.ndarray, values: Sequence[float], rows: Sequence[Row]) -> dict[str, float | None]:
    labels = np.array(values, np.float64)
    groups = [row["source_id"] for row in rows]
    # A teacher with the same score for all copies predicts nothing; every table then has an empty cell.
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
    """The value of a measure, or None if it is undefined."""
    try:
        return measure()
    except MetricError:
        return None


def by_distortion(scores: np.ndarray, rows: Sequence[Row]) -> dict[str, float]:
    """SRCC over all copies of each distortion type for which it is defined."""
    labels = np.array([row["mos"] for row in rows])
    table = {}
    for name in sorted({row["distortion"] for row in rows}):
        mask = np.array([row["distortion"] == name for row in rows])
        result = _defined(lambda mask=mask: agreement(scores[mask], labels[mask]))  # type: ignore[misc]
        if result is not None:
            table[name] = result.srcc
    return table
