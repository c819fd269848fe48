"""The model card that travels with a student: what it is, what it learnt from, and what it must not be used for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.teachers import teacher_class
from pipeline.config import Config
from pipeline.store import write_bytes
from pipeline.student_folder import CARD, Anchors

_CARD = """---
library_name: weak-to-strong-vqa
tags: [video-quality-assessment, no-reference, weak-to-strong]
---
# Student `{student}`, round {round}

A no-reference video quality model trained without human labels (weak-to-strong learning, CVPR 2026, arXiv 2505.03631).

* **Score**: 0-100 on the scale of its teachers' consensus, higher is better, not clipped at the anchors.
* **Trained on**: {pairs} pairs of unlabelled videos ({origins});
  {steps} steps on {workers} worker(s), seed {seed}.
* **Pairs ordered as their labels say**: {order:.1f} %.
* **Anchors** (lowest first): {anchors}.
* **Corpus**: {corpus}.

## Teachers

| teacher | licence | weights |
|---|---|---|
{teachers}

## Limits

The score is relative to the corpus and the teachers above; it is no MOS. Figures on the proxy benchmarks are in the
run's `metrics.json` and `report.html`. Nothing in this folder is a pickle: weights are safetensors, the rest is JSON.
"""


def write_card(
    folder: Path, config: Config, number: int, result: dict[str, Any], pairs: pa.Table, anchors: Anchors
) -> None:
    """Write `MODEL_CARD.md` from the facts of the training."""
    origins = Counter(pairs["origin"].to_pylist())
    classes = {name: teacher_class(name) for name in config.teachers.names}
    corpus = "clips rendered by the program" if config.corpus.videos is None else "the user's own videos"
    text = _CARD.format(
        student=config.student.name,
        round=number,
        pairs=pairs.num_rows,
        origins=", ".join(f"{count} {origin}" for origin, count in sorted(origins.items())),
        steps=result["steps"],
        workers=config.training.workers,
        seed=config.seed,
        order=100 * result["order_accuracy"],
        anchors=", ".join(f"{score:.1f}" for score in anchors.scores),
        corpus=corpus,
        teachers="\n".join(f"| {name} | {kind.licence} | {kind.weights} |" for name, kind in classes.items()),
    )
    write_bytes(folder / CARD, text.encode())
