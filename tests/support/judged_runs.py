"""Runs with nothing but what a comparison reads: benchmark copies with labels, and a student's scores of them."""

from __future__ import annotations

import numpy as np
from committed import commit_evaluation

from pipeline.corpus.proxies import SUITES
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import BENCHMARK, STUDENT_SCORES
from pipeline.run_folder.store import exists, write_bytes, write_json, write_table

SOURCES, COPIES = 6, 5
TEACHERS = {"srcc": 0.1, "plcc": 0.1, "within": 0.2, "pair_accuracy": 0.5}


def judged_run(root, noise, seed=0, stage=1, sources=SOURCES):
    """Write a run whose student sees the label through noise, and return its layout.

    Args:
        root: The run folder.
        noise: Deviation of the student's scores, in units of the labels' deviation.
        seed: Of the benchmark; the same seed gives the same copies.
        stage: Round of the student.
        sources: Held-out windows.
    """
    layout = RunLayout(root)
    if not exists(layout.config):
        write_bytes(layout.config, b"preset: demo\n")
    random, of_student = np.random.default_rng(seed), np.random.default_rng([seed, int(1000 * noise), stage])
    scores = []
    for suite in SUITES:
        rows = []
        for source in range(sources):
            for copy, label in enumerate(random.normal(50, 15, COPIES).tolist()):
                name = f"{suite}-{seed}-{source}-{copy}"
                rows.append(
                    dict.fromkeys(BENCHMARK.schema.names)
                    | {"video_id": name, "source_id": f"s{source}", "uri": "h.mp4", "start_s": 0.0, "duration_s": 0.0}
                    | {"distortion": "h264", "level": copy + 1, "mos": label, "status": "ok"}
                )
                value = (label - 50) / 15 + noise * float(of_student.normal())
                scores.append(
                    {"video_id": name, "round": stage, "raw": value, "std": 1.0, "score": value, "mean": None}
                    | {"low": None, "high": None}
                )
        write_table(layout.benchmark(suite), BENCHMARK.table(rows), BENCHMARK)
    write_table(layout.benchmark_student_scores(stage), STUDENT_SCORES.table(scores), STUDENT_SCORES)
    write_json(layout.benchmark_teachers, {suite: {"niqe": TEACHERS, "ensemble": TEACHERS} for suite in SUITES})
    commit_evaluation(layout, stage)
    return layout
