"""How a training stood at the steps that it has passed: a later step no longer tells, and a sweep may ask then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainers.checkpoint import write_json
from trainers.job import TrainJob
from trainers.places import Place

PASSED_FILE = "passed.json"


def note_passed(run_folder: Place, job: TrainJob, step: int, metrics: Mapping[str, float]) -> None:
    """Keep the metrics of a training at a step, beside those of the steps before. One process of a training calls it."""
    known = _passed(run_folder, job)
    write_json(run_folder / PASSED_FILE, {"job": job.fingerprint(), "at": {**known, str(step): dict(metrics)}})


def read_passed(run_folder: Place, job: TrainJob, step: int) -> dict[str, float] | None:
    """The metrics of a training at a step; None where they were not kept, or are of another job of the same name."""
    found = _passed(run_folder, job).get(str(step))
    return None if found is None else dict(found)


def _passed(run_folder: Place, job: TrainJob) -> dict[str, Any]:
    path = run_folder / PASSED_FILE
    if not path.is_file():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))
    return dict(kept["at"]) if kept["job"] == job.fingerprint() else {}
