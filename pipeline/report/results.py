"""The figures of teachers and students on the proxy benchmarks, with intervals, and where the last student is most wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.corpus.proxies import PAIR_GAP, items
from pipeline.method.calibration import weighted_mean
from pipeline.method.logistic import CalibrationError, fit_logistic
from pipeline.method.metrics import MetricError, srcc
from pipeline.method.resampling import MIN_SOURCES, draws, interval, resampled
from pipeline.report.scores import maps, raw_scores, student_scores
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import exists

Row = dict[str, Any]

SUITE_TITLES = {"seen": "Seen distortions", "unseen": "Unseen distortions"}
FIGURES = {"srcc": "SRCC", "plcc": "PLCC", "within": "SRCC within source", "pair_accuracy": "pair accuracy"}
ENSEMBLE = "ensemble"
WORST_COPIES = 6  # shown of each suite
_SEED = 0  # of the resamples


def result_rows(rounds: Sequence[Row]) -> list[Row]:
    """One row for each teacher, their ensemble, and the student of each stage: `name`, `kind`, `stage`, and `suites`.

    Args:
        rounds: The contents of `metrics.json` of every evaluated round, in order.
    """
    if not rounds:
        return []
    last = rounds[-1]["benchmarks"]
    names = list(dict.fromkeys(name for benchmark in last.values() for name in benchmark["teachers"]))
    rows: list[Row] = [
        {
            "name": name,
            "kind": ENSEMBLE if name == ENSEMBLE else "teacher",
            "stage": 0,
            "suites": {suite: dict(benchmark["teachers"].get(name, {})) for suite, benchmark in last.items()},
        }
        for name in names
    ]
    for one in rounds:
        suites = {suite: dict(benchmark["student"]) for suite, benchmark in one["benchmarks"].items()}
        rows.append(
            {"name": f"student, stage {one['round']}", "kind": "student", "stage": one["round"], "suites": suites}
        )
    return rows


def add_intervals(layout: RunLayout, rows: Sequence[Row], calibration: Mapping[str, Any]) -> dict[str, Row]:
    """Put `intervals` (figure -> [low, high]) beside the figures of each row, where the scores behind them are kept.

    Returns:
        Suite -> `sources`, `note` (why there is no interval; empty if there is), and `lead`: figure -> the last student
        less the teacher that is best in this figure, as `best`, `value`, and `interval` of paired resamples.
    """
    facts = {}
    for suite in SUITE_TITLES:
        if any(suite in row["suites"] for row in rows) and exists(layout.benchmark(suite)):
            facts[suite] = _suite(layout, suite, rows, calibration)
    return facts


def _suite(layout: RunLayout, suite: str, rows: Sequence[Row], calibration: Mapping[str, Any]) -> Row:
    copies = items(layout, suite)
    groups = [row["source_id"] for row in copies]
    sources = len(set(groups))
    facts: Row = {"sources": sources, "note": "", "lead": {}}
    if sources < MIN_SOURCES:
        return facts | {"note": f"no intervals: {sources} held-out windows are too few to resample ({MIN_SOURCES})"}
    labels = np.array([row["mos"] for row in copies], np.float64)
    scores = _scores(layout, rows, suite, copies, calibration)
    drawn = draws(sources, _SEED)
    values = {name: resampled(one, labels, groups, drawn, PAIR_GAP) for name, one in scores.items()}
    for row in rows:
        if suite in row["suites"] and row["name"] in values:
            found = {key: interval(some) for key, some in values[row["name"]].items()}
            row["suites"][suite]["intervals"] = {key: list(both) for key, both in found.items() if both is not None}
    missing = [row["name"] for row in rows if row["name"] not in scores and row["suites"].get(suite)]
    if missing:
        facts["note"] = f"no intervals where the scores were not kept: {', '.join(missing)}"
    facts["lead"] = {
        key: lead for key in ("srcc", "within", "pair_accuracy") if (lead := _lead(rows, suite, key, values))
    }
    return facts


def _scores(
    layout: RunLayout, rows: Sequence[Row], suite: str, copies: Sequence[Row], calibration: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Scores of each model on the copies of a suite, higher is better, as far as the run folder holds them."""
    ids = [row["video_id"] for row in copies]
    labels = np.array([row["mos"] for row in copies], np.float64)
    found: dict[str, np.ndarray] = {}
    raw = {}
    for row in rows:
        if row["kind"] == "teacher":
            kept = raw_scores(layout.benchmark_scores(row["name"]))
            if any(video in kept for video in ids):
                raw[row["name"]] = np.array([kept.get(video, np.nan) for video in ids], np.float64)
                recorded = row["suites"].get(suite, {}).get("srcc")
                found[row["name"]] = raw[row["name"]] * _sign(raw[row["name"]], labels, recorded)
        elif row["kind"] == "student" and (
            kept := student_scores(layout.benchmark_student_scores(row["stage"]), "raw")
        ):
            found[row["name"]] = np.array([kept.get(video, np.nan) for video in ids], np.float64)
    mapped = {name: logistic(raw[name]) for name, logistic in maps(calibration).items() if name in raw}
    if mapped and len(mapped) == len(calibration["teachers"]):
        weights = calibration.get("weights", {})
        found[ENSEMBLE] = weighted_mean(
            np.column_stack(list(mapped.values())), [weights.get(name, 1.0) for name in mapped]
        )
    return found


def _sign(raw: np.ndarray, labels: np.ndarray, recorded: float | None) -> float:
    """Which way a teacher's scores run, by the SRCC that the run has recorded for it."""
    try:
        return -1.0 if recorded is not None and srcc(raw, labels) * recorded < 0 else 1.0
    except MetricError:
        return 1.0


def best_teacher(rows: Sequence[Row], suite: str, key: str) -> str | None:
    """The teacher, or their ensemble, with the highest figure."""
    figures = {row["name"]: row["suites"].get(suite, {}).get(key) for row in rows if row["kind"] != "student"}
    defined = {name: value for name, value in figures.items() if value is not None}
    return max(defined, key=lambda name: defined[name]) if defined else None


def _lead(rows: Sequence[Row], suite: str, key: str, values: Mapping[str, Mapping[str, np.ndarray]]) -> Row | None:
    best, last = best_teacher(rows, suite, key), rows[-1]
    if best is None or last["kind"] != "student" or last["suites"].get(suite, {}).get(key) is None:
        return None
    teacher = next(row for row in rows if row["name"] == best)["suites"][suite][key]
    lead: Row = {"best": best, "teacher": teacher, "value": last["suites"][suite][key] - teacher, "interval": None}
    if best in values and last["name"] in values:
        between = interval(values[last["name"]][key] - values[best][key])
        lead["interval"] = list(between) if between is not None else None
    return lead


def errors(layout: RunLayout, number: int) -> dict[str, Row]:
    """Where the student of a round is most wrong: its score, mapped to VMAF by the rising logistic, less VMAF.

    Returns:
        Suite -> `cells` (`distortion`, `level`, `count`, `bias`, `error` (mean absolute), `worst` (id of a copy)), and
        `copies` (`video_id`, `source_id`, `distortion`, `level`, `vmaf`, `student`): the worst ones, one of each distortion
        and at most two of each source.
    """
    raw = student_scores(layout.benchmark_student_scores(number), "raw")
    found = {}
    for suite in SUITE_TITLES:
        rows = (
            [row for row in items(layout, suite) if row["video_id"] in raw] if exists(layout.benchmark(suite)) else []
        )
        try:
            vmaf = np.array([row["mos"] for row in rows], np.float64)
            scores = np.array([raw[row["video_id"]] for row in rows], np.float64)
            mapped = np.clip(
                fit_logistic(scores, vmaf, increasing=True)(scores), 0, 100
            )  # a line may leave VMAF's range
        except CalibrationError:  # too few copies, or all the same
            continue
        found[suite] = _worst(rows, vmaf, mapped)
    return found


def _worst(rows: Sequence[Row], vmaf: np.ndarray, mapped: np.ndarray) -> Row:
    gaps = mapped - vmaf
    members: dict[tuple[str, int], list[int]] = {}
    for place, row in enumerate(rows):
        members.setdefault((row["distortion"], row["level"]), []).append(place)
    cells = [
        {
            "distortion": name,
            "level": level,
            "count": len(places),
            "bias": float(gaps[places].mean()),
            "error": float(np.abs(gaps[places]).mean()),
            "worst": rows[max(places, key=lambda k: abs(gaps[k]))]["video_id"],
        }
        for (name, level), places in sorted(members.items())
    ]
    order = sorted(range(len(rows)), key=lambda k: (-abs(gaps[k]), rows[k]["video_id"]))
    copies = [
        {name: rows[place][name] for name in ("video_id", "source_id", "distortion", "level")}
        | {"vmaf": float(vmaf[place]), "student": float(mapped[place])}
        for place in _various(order, rows)[:WORST_COPIES]
    ]
    return {"cells": cells, "copies": copies}


def _various(order: Sequence[int], rows: Sequence[Row]) -> list[int]:
    """Places in the given order, one of each distortion and at most two of each source."""
    chosen: list[int] = []
    distortions: set[str] = set()
    sources: Counter[str] = Counter()
    for place in order:
        row = rows[place]
        if row["distortion"] not in distortions and sources[row["source_id"]] < 2:
            chosen.append(place)
            distortions.add(row["distortion"])
            sources[row["source_id"]] += 1
    return chosen
