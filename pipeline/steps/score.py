"""Score: every pool video by every teacher; then one scale, a mean and a variance (CVPR 2026, section 4.1.2)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from actors.media.outcome import Failure
from actors.teachers import load_teacher, teacher_class
from actors.teachers.score_table import ScoreTable
from cluster.stream import Row
from pipeline.console import TOO_MANY_BAD, Console, UserError
from pipeline.look.observe import Look, observe, weights_folder
from pipeline.method.calibration import MIN_LOGISTIC_POINTS, Calibrated, CalibrationError, calibrate
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import ENSEMBLE, INDICATORS, OK, SCORES, VIDEOS
from pipeline.run_folder.store import read_shards, read_table, write_json, write_table
from pipeline.settings.config import Config
from pipeline.steps.ingest import TRAIN

_TARGETS = {"given": "human scores", "consensus": "consensus of the teachers"}


def teacher_digests(config: Config) -> dict[str, str]:
    """Digest of each teacher's weights and settings: scores are keyed by it.

    A plan needs no weights, and a run has been refused before this without them (`pipeline.settings.config.check_weights`).
    """
    try:
        teachers = {name: load_teacher(name, weights_folder(config)) for name in config.teachers.names}
        return {name: "no weights" if teacher.missing() else teacher.digest() for name, teacher in teachers.items()}
    except Failure as failure:
        raise UserError(failure.message) from failure


def directions(config: Config) -> dict[str, bool]:
    """Whether higher is better, for each teacher."""
    return {name: teacher_class(name).higher_is_better for name in config.teachers.names}


def pool(layout: RunLayout) -> list[Row]:
    """The usable training videos (windows and degraded copies), ordered by id."""
    rows = read_table(layout.videos, VIDEOS).to_pylist()
    return [{**row, "still": False} for row in rows if row["status"] == OK and row["split"] == TRAIN]


def look(config: Config, layout: RunLayout) -> Look:
    """What is taken from each pool video, and where it goes."""
    digests = teacher_digests(config)
    return Look(
        downloads=layout.downloads,
        observed=layout.observed("pool"),
        features=layout.features_of("pool"),
        scores={name: layout.scores(name) for name in digests},
        digests=digests,
        clips=layout.scratch / "clips",
        # With shaping the candidates were measured before, and the table is about them.
        indicators=layout.indicator_shards("pool") if measures(config) else None,
    )


def measures(config: Config) -> bool:
    """Whether the indicators are measured along with the teachers' scores."""
    return config.shaping.measure and config.shaping.keep is None


def score(config: Config, layout: RunLayout, console: Console) -> dict[str, Any]:
    """Decode the pool once; write `scores/`, `features/`, `observed/` and `indicators.parquet`."""
    videos = pool(layout)
    for name in config.teachers.names:
        if teacher_class(name).non_commercial:
            console.warn(f"teacher {name} is for NON-COMMERCIAL use only: {teacher_class(name).licence}")
    seen = observe(videos, look(config, layout), config, console, "teachers and encoder")
    failed = [row for row in seen.to_pylist() if row["status"] != OK]
    if len(failed) > config.errors.budget * len(videos):
        raise UserError(
            f"{len(failed)} of {len(videos)} videos could not be decoded, more than errors.budget={config.errors.budget:g} allows; "
            f"for example {failed[0]['error']}",
            TOO_MANY_BAD,
        )
    if measures(config):
        write_table(layout.indicators, read_shards(layout.indicator_shards("pool"), INDICATORS), INDICATORS)
    return {
        "rows": len(videos),
        "failed": len(failed),
        "what": f"{len(config.teachers.names)} teachers, one decode per video, {len(failed)} failed",
    }


def raw_scores(folder_of: dict[str, Any], digests: dict[str, str], ids: list[str]) -> dict[str, np.ndarray]:
    """Raw scores ``[len(ids)]`` of each teacher, NaN where it has none under its present digest."""
    table = {}
    for name, folder in folder_of.items():
        rows = read_shards(folder, SCORES).to_pylist()
        known = {
            row["video_id"]: row["score"] for row in rows if row["digest"] == digests[name] and row["score"] is not None
        }
        table[name] = np.array([known.get(video, np.nan) for video in ids], dtype=np.float64)
    return table


def pool_scores(config: Config, layout: RunLayout, ids: list[str]) -> dict[str, np.ndarray]:
    """Raw scores of the named pool videos by each teacher."""
    digests = teacher_digests(config)
    return raw_scores({name: layout.scores(name) for name in digests}, digests, ids)


def calibrated(config: Config, layout: RunLayout, ids: list[str]) -> Calibrated:
    """All teachers on one scale for the named pool videos.

    Raises:
        UserError: Fewer than two usable teachers, or too few human scores where some are given.
    """
    target = human_scores(config, layout, ids)
    try:
        return calibrate(pool_scores(config, layout, ids), directions(config), target, config.teachers.weights)
    except CalibrationError as error:
        raise UserError(f"the teachers cannot be combined: {error}") from error


def mos_file(config: Config) -> Path | None:
    """The table of human scores, if one is named.

    Raises:
        UserError: There is no such file.
    """
    if config.teachers.mos is None:
        return None
    path = Path(config.teachers.mos).expanduser()
    if not path.is_file():
        raise UserError(
            f"teachers.mos {path}: there is no such file; name a CSV or Parquet file with columns video and mos"
        )
    return path


def human_scores(config: Config, layout: RunLayout, ids: list[str]) -> np.ndarray | None:
    """Human scores ``[len(ids)]`` of the named pool videos, NaN for those without one and for degraded copies; None
    where no table is named.

    Raises:
        UserError: The table cannot be read, or knows too few of the videos for a logistic.
    """
    path = mos_file(config)
    if path is None:
        return None
    try:
        table = ScoreTable(str(path), ("mos",))
    except Failure as failure:
        raise UserError(f"teachers.mos: {failure.message}") from failure
    videos = {row["video_id"]: row for row in pool(layout)}
    scores = np.array([_human_score(table, videos[name]) for name in ids])
    known = int(np.isfinite(scores).sum())
    if known < MIN_LOGISTIC_POINTS:
        raise UserError(
            f"teachers.mos {path}: it knows {known} of {len(ids)} pool videos, and a logistic needs {MIN_LOGISTIC_POINTS}; "
            f"its names must be ends of the videos' paths; leave the key out to map to the consensus"
        )
    return scores


def _human_score(table: ScoreTable, video: Row) -> float:
    if video["copy"]:
        return math.nan
    try:
        return table.find(video["uri"])
    except Failure:  # not every video of a pool has been rated
        return math.nan


def ensemble(config: Config, layout: RunLayout, console: Console) -> dict[str, Any]:
    """Write `ensemble.parquet` and `calibration.json`; a teacher that is left out is named with its reason."""
    ids = [row["video_id"] for row in pool(layout)]
    result = calibrated(config, layout, ids)
    for name, reason in result.excluded.items():
        console.warn(f"teacher {name} is left out: {reason}")
    for name in result.contradicting:
        console.warn(
            f"teacher {name} runs against the others on these videos although it states its direction; look at its scores"
        )
    for name, wrong in result.poor.items():
        console.warn(f"teacher {name} fits the {_TARGETS[result.target]} badly: {wrong}")
    rows = [
        {"video_id": video, "mean": float(mean), "variance": float(variance), "n_teachers": int(count)}
        for video, mean, variance, count in zip(ids, result.mean, result.variance, result.count, strict=True)
        if np.isfinite(mean) and np.isfinite(variance)
    ]
    write_table(layout.ensemble, ENSEMBLE.table(rows), ENSEMBLE)
    raw = pool_scores(config, layout, ids)
    write_json(
        layout.calibration,
        {
            "target": result.target,
            "weights": result.weights,
            "excluded": result.excluded,
            "teachers": {name: _curve(result, name, raw[name]) for name in result.names},
        },
    )
    return {
        "rows": len(rows),
        "what": f"{len(result.names)} teachers on one scale, mean spread {np.sqrt(np.nanmean(result.variance)):.1f} points",
    }


def _curve(result: Calibrated, name: str, raw: np.ndarray) -> dict[str, Any]:
    fitted = result.maps[name]
    finite = raw[np.isfinite(raw)]
    points = np.linspace(finite.min(), finite.max(), 41)
    return {
        "kind": fitted.kind,
        "parameters": list(fitted.parameters),
        "rmse": fitted.rmse,
        "srcc": fitted.srcc,
        "agreement": result.agreement[name] if np.isfinite(result.agreement[name]) else None,
        "reason": fitted.reason,
        "curve": [[float(x), float(y)] for x, y in zip(points, fitted(points), strict=True)],
    }
