"""The model card of a student: what it is, what it learnt from, and its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from actors.teachers import teacher_class
from pipeline.corpus.proxies import SUITES
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import read_json, write_bytes
from pipeline.settings.config import Config
from pipeline.student.folder import CARD, Anchors
from trainers.student.table import student_row

FORMULA = (
    "small networks that a formula fills; it proves that all parts work together and has learnt nothing worth having"
)
_CARD = """---
library_name: weak-to-strong-vqa
tags: [video-quality-assessment, no-reference, weak-to-strong]
---
# Student `{student}`, round {round}

A no-reference video quality model trained without human labels (weak-to-strong learning, CVPR 2026, arXiv 2505.03631).

* **Score**: 0-100 on the scale of its teachers' consensus, higher is better, not clipped at the anchors.
* **Starts from**: {base}.
* **Trained on**: {pairs} pairs of unlabelled videos ({origins});
  {steps} steps on {workers} worker(s), seed {seed}, confidence weight lambda {lambda_}.
* **Anchors** (lowest first): {anchors}.
* **Corpus**: {videos} videos, {corpus}; they keep the licences under which they came.

## Rounds

| round | pairs | pairs ordered as labelled | SRCC, seen distortions | SRCC, unseen distortions |
|---|---|---|---|---|
{rounds}

## Teachers

| teacher | licence | weights |
|---|---|---|
{teachers}

## Limits

The score is relative to the corpus and the teachers above; it is no MOS. The benchmarks are proxies: distorted copies of
held-out videos with VMAF v0.6.1 and v1.0.16 as labels. This round's own figures are in the run's `metrics.json` and `report.html`.
Nothing in this folder is a pickle: weights are safetensors, the rest is JSON.
"""


def write_card(
    layout: RunLayout, config: Config, number: int, result: dict[str, Any], pairs: pa.Table, anchors: Anchors
) -> None:
    """Write `MODEL_CARD.md` from the results of this training and of the earlier rounds."""
    metrics = [read_json(layout.metrics(k)) for k in range(1, number)]
    metrics.append({"train": {"pairs": pairs.num_rows, "order_accuracy": result["order_accuracy"]}})
    origins = Counter(pairs["origin"].to_pylist())
    classes = {name: teacher_class(name) for name in config.teachers.names}
    row = student_row(config.student.name)
    corpus = "clips rendered by the program" if config.corpus.videos is None else "the user's own videos"
    text = _CARD.format(
        student=config.student.name,
        base=FORMULA if row.parse(config.student.options).by_formula else f"{row.base} ({row.licence})",
        videos=len({*pairs["first"].to_pylist(), *pairs["second"].to_pylist()}),
        lambda_=config.training.lambda_,
        rounds="\n".join(_round(k, facts) for k, facts in enumerate(metrics, 1)),
        round=number,
        pairs=pairs.num_rows,
        origins=", ".join(f"{count} {origin}" for origin, count in sorted(origins.items())),
        steps=result["steps"],
        workers=config.training.workers,
        seed=config.seed,
        anchors=", ".join(f"{score:.1f}" for score in anchors.scores),
        corpus=corpus,
        teachers="\n".join(f"| {name} | {kind.licence} | {kind.weights} |" for name, kind in classes.items()),
    )
    write_bytes(layout.student(number) / CARD, text.encode())


def _round(number: int, metrics: Mapping[str, Any]) -> str:
    train = metrics["train"]
    figures = [metrics.get("benchmarks", {}).get(suite, {}).get("student", {}).get("srcc") for suite in SUITES]
    agreement = " | ".join("-" if value is None else f"{value:.3f}" for value in figures)
    return f"| {number} | {train['pairs']} | {100 * train['order_accuracy']:.1f} % | {agreement} |"
