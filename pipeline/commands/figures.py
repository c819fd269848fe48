"""The figures of models on a proxy benchmark, as tables that name their label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.media.vmaf import FIRST, SECOND
from pipeline.console import Console
from pipeline.corpus.proxies import SECOND_LABEL

NAMES = {
    "srcc": "SRCC",
    "plcc": "PLCC",
    "within": "SRCC within source",
    "pair_accuracy": "pairwise accuracy",
}


def print_figures(
    console: Console, title: str, kind: str, models: Sequence[tuple[str, dict[str, Any]]], figures: Sequence[str]
) -> None:
    """Print a table for each label that the models have figures by; runs of earlier versions have one label.

    Args:
        console: Where to.
        title: Of the tables, without the label.
        kind: What the models are called.
        models: Name and figures (`pipeline.corpus.proxies.figures`) of each.
        figures: Which to show, keys of `NAMES`.
    """
    columns = (kind, *(NAMES[name] for name in figures))
    rows = [(name, *(found[key] for key in figures)) for name, found in models]
    console.table(f"{title}, label {FIRST.title}", columns, rows)
    second = [(name, found) for name, found in models if f"count{SECOND_LABEL}" in found]
    if second:
        count = second[0][1][f"count{SECOND_LABEL}"]
        rows = [(name, *(found[f"{key}{SECOND_LABEL}"] for key in figures)) for name, found in second]
        console.table(f"{title}, label {SECOND.title}, which {count} of them have", columns, rows)
