"""Evaluate: the student of a round and its teachers on the proxy benchmarks. Writes `round-<k>/metrics.json`
and `benchmark-scores.parquet`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.proxies import SUITES, by_distortion, figures, items
from pipeline.costs.loads import benchmark_rows, compare_load, compare_needs, compare_resources
from pipeline.run_folder.records import PAIRS, STUDENT_SCORES
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import read_json, read_table, write_json, write_table
from pipeline.steps.judge import student_scores
from pipeline.student.comparison import anchor_logits
from trainers.batches import read_encoded


def step(run: Run, number: int) -> Step:
    """The step that evaluates the student of round `number`."""
    config, layout = run.config, run.layout
    return Step(
        "evaluate",
        {"student": layout.student(number), "pairs": layout.pairs(number), "training": layout.training(number)}
        | {"teachers": layout.benchmark_teachers, "features": layout.benchmark_features},
        [layout.metrics(number), layout.benchmark_student_scores(number)],
        lambda: evaluate(run, number),
        round=number,
        rows=lambda: Rows(benchmark_rows(corpus_facts(run), config)),
        resources=lambda _cpus: compare_resources(config),
        needs=lambda: compare_needs(config),
        load=lambda: compare_load(config, corpus_facts(run), benchmark_rows(corpus_facts(run), config)),
    )


def evaluate(run: Run, number: int) -> dict[str, Any]:
    """Score both suites with the student of round `number`."""
    config, layout = run.config, run.layout
    teachers = read_json(layout.benchmark_teachers)
    encoded = read_encoded(config.student.name, layout.benchmark_features)
    rows = {suite: items(layout, suite) for suite in SUITES}
    ids = [row["video_id"] for suite in SUITES for row in rows[suite]]
    logits, anchors = anchor_logits(run, layout.student(number), encoded, ids)
    judged = anchors.score(logits)
    raw = judged.raw
    write_table(layout.benchmark_student_scores(number), student_scores(number, ids, judged), STUDENT_SCORES)
    place = {video: k for k, video in enumerate(ids)}
    benchmarks: dict[str, Any] = {}
    for suite in SUITES:
        scores = raw[[place[row["video_id"]] for row in rows[suite]]]
        benchmarks[suite] = {
            "count": len(rows[suite]),
            "teachers": teachers[suite],
            "student": figures(scores, rows[suite]),
            "student_by_distortion": by_distortion(scores, rows[suite]),
        }
    metrics = {
        "round": number,
        "train": read_json(layout.training(number)),
        "benchmarks": benchmarks,
        "labels": _label_counts(run, number),
    }
    write_json(layout.metrics(number), metrics)
    unseen = benchmarks["unseen"]["student"]
    srcc, within = ("undefined" if value is None else f"{value:.3f}" for value in (unseen["srcc"], unseen["within"]))
    return {"rows": len(ids), "what": f"unseen distortions: SRCC {srcc}, within source {within}"}


def _label_counts(run: Run, number: int) -> dict[str, dict[str, int]]:
    """Number of pairs with each label, by origin."""
    pairs = read_table(run.layout.pairs(number), PAIRS)
    counts: dict[str, Counter[str]] = {}
    for origin, label in zip(pairs["origin"].to_pylist(), pairs["label"].to_pylist(), strict=True):
        counts.setdefault(origin, Counter())[label] += 1
    return {origin: dict(labels) for origin, labels in counts.items()}
