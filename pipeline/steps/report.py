"""Report: the quarantine table and the run's report, made from committed tables and figures only."""

from __future__ import annotations

from typing import Any

from pipeline.corpus.proxies import SUITES
from pipeline.report import quarantine
from pipeline.report.page import write_report
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Load, Step
from pipeline.steps.decide import last_round

KIND = "report"


def step(run: Run) -> Step:
    """The step that reports on all rounds."""
    layout, stages = run.layout, last_round(run.config, run.layout)
    # what could not be used stands in these tables, whether it has changed a figure or not
    inputs: dict[str, Any] = {"stages": stages, "videos": layout.videos, "pool": layout.observed(layout.POOL)}
    inputs |= {f"benchmark {suite}": layout.benchmark(suite) for suite in SUITES}
    for number in range(1, stages + 1):
        inputs |= {
            f"copies {number}": layout.distorted(number),
            f"metrics {number}": layout.metrics(number),
            f"scores {number}": layout.benchmark_student_scores(number),
        }
    inputs |= {f"answers {number}": layout.mined_answers(number) for number in range(1, stages)}
    if run.config.stopping.auto or run.config.stopping.measure:
        decided = range(1, min(stages + 1, run.config.stages))
        inputs |= {f"decision {number}": layout.decision(number) for number in decided}
    return Step(
        KIND,
        inputs,
        [layout.quarantine, layout.report_html, layout.report_json],
        lambda: report(run),
        load=lambda: Load({"report": 1}, most=8),
    )


def report(run: Run) -> dict[str, Any]:
    """Write `quarantine.parquet`, `report.html` and `report.json`."""
    count = quarantine.collect(run.layout, last_round(run.config, run.layout))
    write_report(run.layout)
    return {"what": f"report.html, {count} quarantined row(s)"}
