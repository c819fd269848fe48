"""Evaluate: the student of a round and its teachers on the proxy benchmarks. Gives `round-<k>/metrics.json`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.console import Console
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import PAIRS
from pipeline.run_folder.store import read_json, read_table, write_json
from pipeline.settings.config import Config
from pipeline.steps.benchmark import SUITES, by_distortion, figures, items
from pipeline.steps.judge import anchor_logits
from trainers.batches import read_encoded


def evaluate(config: Config, layout: RunLayout, console: Console, number: int) -> dict[str, Any]:
    """Score both suites with the student of round ``number``."""
    teachers = read_json(layout.benchmark_teachers)
    encoded = read_encoded(config.student.name, layout.benchmark_features)
    rows = {suite: items(layout, suite) for suite in SUITES}
    everything = [row["video_id"] for suite in SUITES for row in rows[suite]]
    logits, anchors = anchor_logits(config, layout.student(number), encoded, everything)
    raw, _, _ = anchors.score(logits)
    place = {video: k for k, video in enumerate(everything)}
    benchmarks: dict[str, Any] = {}
    for suite in SUITES:
        scores = raw[[place[row["video_id"]] for row in rows[suite]]]
        benchmarks[suite] = {
            "count": len(rows[suite]),
            "teachers": teachers[suite],
            "student": figures(scores, rows[suite]),
            "student_by_distortion": by_distortion(scores, rows[suite]),
        }
    pairs = read_table(layout.pairs(number), PAIRS)
    labels: dict[str, Counter[str]] = {}
    for origin, label in zip(pairs["origin"].to_pylist(), pairs["label"].to_pylist(), strict=True):
        labels.setdefault(origin, Counter())[label] += 1
    metrics = {
        "round": number,
        "train": read_json(layout.training(number)),
        "benchmarks": benchmarks,
        "labels": {origin: dict(counts) for origin, counts in labels.items()},
    }
    write_json(layout.metrics(number), metrics)
    unseen = benchmarks["unseen"]["student"]
    srcc, within = ("undefined" if value is None else f"{value:.3f}" for value in (unseen["srcc"], unseen["within"]))
    return {"rows": len(everything), "what": f"unseen distortions: SRCC {srcc}, within source {within}"}
