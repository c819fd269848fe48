"""Report: the quarantine table and the run's report, made from committed tables and figures only."""

from __future__ import annotations

from typing import Any

from pipeline.report.page import write_report
from pipeline.run_folder.layout import RunLayout
from pipeline.steps import quarantine


def report(layout: RunLayout, rounds: int) -> dict[str, Any]:
    """Write `quarantine.parquet`, `report.html` and `report.json`."""
    count = quarantine.collect(layout, rounds)
    write_report(layout)
    return {"what": f"report.html, {count} quarantined row(s)"}
