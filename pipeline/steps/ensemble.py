"""Ensemble: the teachers' scores on one scale, their mean and their variance (CVPR 2026, section 4.1.2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.members import pool
from pipeline.method.calibration import Calibrated
from pipeline.opinions import Ratings, calibrated, mos_file, mos_range, pool_scores, ratings
from pipeline.run_folder.records import ENSEMBLE
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import write_json, write_table

_TARGETS = {"given": "human scores", "consensus": "consensus of the teachers"}
_CURVE_POINTS = 41  # of each teacher's map, for the report


def step(run: Run) -> Step:
    """The step that computes the ensemble scores of the pool."""
    config, layout = run.config, run.layout
    inputs: dict[str, Any] = {f"scores {name}": layout.scores(name) for name in config.teachers.voices}
    span = mos_range(config)
    scale = {} if span is None else {"mos range": list(span)}
    return Step(
        "ensemble",
        {**inputs, "weights": config.teachers.weights, "mos": mos_file(config), **scale},
        [layout.ensemble, layout.calibration],
        lambda: ensemble(run),
        rows=lambda: Rows(corpus_facts(run).pool),
    )


def ensemble(run: Run) -> dict[str, Any]:
    """Write `ensemble.parquet` and `calibration.json`; print a warning with the reason for each excluded teacher."""
    ids = [row["video_id"] for row in pool(run.layout)]
    result = calibrated(run, ids)
    rated = ratings(run.config, run.layout, ids)
    _warn(run, result, rated)
    rows = [
        {"video_id": video, "mean": float(mean), "variance": float(variance), "n_teachers": int(count)}
        for video, mean, variance, count in zip(ids, result.mean, result.variance, result.count, strict=True)
        if np.isfinite(mean) and np.isfinite(variance)
    ]
    write_table(run.layout.ensemble, ENSEMBLE.table(rows), ENSEMBLE)
    raw = pool_scores(run, ids)
    write_json(
        run.layout.calibration,
        {
            "target": result.target,
            "weights": result.weights,
            "excluded": result.excluded,
            "teachers": {name: _curve(result, name, raw[name]) for name in result.names},
        },
    )
    spread = np.sqrt(np.nanmean(result.variance))
    what = f"{len(result.names)} teachers on one scale, mean spread {spread:.1f} points"
    if len(result.names) == 1:
        scale = "the scale of the human scores" if rated else "a scale of its own percentiles"
        what = f"teacher {result.names[0]} alone, on {scale}"
    what += f", human scores of {rated.rated} of {rated.windows} windows" if rated else ""
    return {"rows": len(rows), "what": what}


def _warn(run: Run, result: Calibrated, rated: Ratings | None) -> None:
    if rated and rated.unusable:
        run.console.warn(
            f"teachers.mos: {len(rated.unusable)} windows count as unrated, because their rows cannot be used; the first: "
            f"{rated.unusable[0]}"
        )
    for name, reason in result.excluded.items():
        run.console.warn(f"teacher {name} is left out: {reason}")
    for name in result.contradicting:
        run.console.warn(
            f"teacher {name} runs against the others on these videos, contrary to its stated direction; check its scores"
        )
    for name, wrong in result.poor.items():
        run.console.warn(f"teacher {name} fits the {_TARGETS[result.target]} badly: {wrong}")


def _curve(result: Calibrated, name: str, raw: np.ndarray) -> dict[str, Any]:
    logistic = result.maps[name]
    finite = raw[np.isfinite(raw)]
    points = np.linspace(finite.min(), finite.max(), _CURVE_POINTS)
    return {
        "kind": logistic.kind,
        "parameters": list(logistic.parameters),
        "rmse": logistic.rmse,
        "srcc": logistic.srcc,
        "agreement": result.agreement[name] if np.isfinite(result.agreement[name]) else None,
        "reason": logistic.reason,
        "curve": [[float(x), float(y)] for x, y in zip(points, logistic(points), strict=True)],
    }
