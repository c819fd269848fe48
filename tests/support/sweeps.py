"""What a finished sweep must have left in its run folder."""

from __future__ import annotations

import math

from pipeline.run_folder.store import read_json


def check_trials(layout, values):
    """Assert that every value was tried without an error and that the trials, their table and their chart agree."""
    trials = read_json(layout.sweep_json)["trials"]
    assert {row["lambda"] for row in trials} == values
    assert any(row["student"] for row in trials)
    for row in trials:
        assert row["error"] is None
        # a trial that is ended early has a loss, but no student to judge
        figures = ("loss", "srcc_unseen", "srcc_seen") if row["student"] else ("loss",)
        assert all(math.isfinite(row[name]) for name in figures)
        assert (row["step"] == row["steps"]) == bool(row["student"])
    assert layout.sweep_csv.read_text().count("\n") == 1 + len(trials)
    assert "held-out pairs" in layout.sweep_html.read_text(encoding="utf-8")
