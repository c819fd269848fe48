"""The teachers' scores of the pool and of the benchmarks, and their calibration to one scale (CVPR 2026, 4.1.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from actors.media.outcome import Failure
from actors.teachers import load_teacher, teacher_class
from actors.teachers.score_table import ScoreTable
from pipeline.console import UserError
from pipeline.corpus.members import pool
from pipeline.corpus.rating_scale import on_points, split_range
from pipeline.look.chain import weights_folder
from pipeline.method.calibration import MIN_TEACHERS, Calibrated, calibrate
from pipeline.method.labels import ensemble_labels, level_labels
from pipeline.method.logistic import MIN_LOGISTIC_POINTS, CalibrationError
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import ENSEMBLE, SCORES
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import read_shards, read_table
from pipeline.settings.config import Config
from trainers.places import Place


def teacher_digests(config: Config) -> dict[str, str]:
    """Digest of each teacher's weights and settings, the key of its scores.

    A plan needs no weights; a run checks them earlier (`pipeline.settings.config.check_weights`).
    """
    try:
        teachers = {name: load_teacher(name, weights_folder(config)) for name in config.teachers.names}
        return {name: "no weights" if teacher.missing() else teacher.digest() for name, teacher in teachers.items()}
    except Failure as failure:
        raise UserError(failure.message) from failure


def directions(config: Config) -> dict[str, bool]:
    """Whether higher is better, for each teacher."""
    return {name: teacher_class(name).higher_is_better for name in config.teachers.names}


def raw_scores(folders: Mapping[str, Place], digests: Mapping[str, str], ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Raw scores of each teacher.

    Args:
        folders: Name of each teacher -> folder of its shards of table `TeacherScore`.
        digests: Name of each teacher -> its present digest.
        ids: Ids of the videos.

    Returns:
        Name of each teacher -> float64 `[len(ids)]`, NaN without a score under the present digest.
    """
    table = {}
    for name, folder in folders.items():
        rows = read_shards(folder, SCORES)
        table[name] = aligned(rows.filter(pc.equal(rows["digest"], digests[name])), ids)
    return table


def aligned(scores: pa.Table, ids: Sequence[str]) -> np.ndarray:
    """Column `score` of a table with one row a video in the order of `ids`.

    Returns:
        float64 `[len(ids)]`, NaN for a video without a row or without a score.
    """
    places = pc.index_in(pa.array(ids, pa.string()), value_set=scores["video_id"].combine_chunks())
    return np.asarray(scores["score"].take(places).to_numpy(), np.float64)


def pool_scores(run: Run, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Raw scores of the named pool videos by each teacher; see `raw_scores`."""
    digests = teacher_digests(run.config)
    return raw_scores({name: run.layout.scores(name) for name in digests}, digests, ids)


def benchmark_scores(run: Run, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Raw scores of the named benchmark copies by each teacher; see `raw_scores`."""
    digests = teacher_digests(run.config)
    return raw_scores({name: run.layout.benchmark_scores(name) for name in digests}, digests, ids)


def signed(config: Config, scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The scores, negated for teachers whose lower scores are better."""
    rising = directions(config)
    return {name: values if rising[name] else -values for name, values in scores.items()}


def calibrated(run: Run, ids: Sequence[str]) -> Calibrated:
    """The teachers whose opinions label pairs (`TeachersConfig.voices`), on one scale for the named pool videos.

    Raises:
        UserError: There are fewer than two usable teachers (or none, where one alone labels), or too few human scores.
    """
    config = run.config
    voices = config.teachers.voices
    target = human_scores(config, run.layout, ids)
    scores = pool_scores(run, ids)
    try:
        return calibrate(
            {name: scores[name] for name in voices},
            directions(config),
            target,
            config.teachers.weights,
            least=min(MIN_TEACHERS, len(voices)),
        )
    except CalibrationError as error:
        raise UserError(f"the teachers cannot be combined: {error}") from error


Rule = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray | None]]


def label_rule(config: Config, layout: RunLayout) -> Rule:
    """How pairs are labelled from opinions on their videos: means and variances of the first, then of the second ones, `[P]`.

    Returns:
        A function that gives labels, differences and their deviations, each `[P]`; where one teacher alone labels pairs, its
        five levels say it (`pipeline.method.labels.level_labels`), and there are no deviations.

    Raises:
        UserError: That teacher rates all videos of the pool equal.
    """
    if len(config.teachers.voices) > 1:
        floor = config.pairs.sigma_floor
        return partial(ensemble_labels, floor=floor)
    mean = read_table(layout.ensemble, ENSEMBLE)["mean"].to_numpy()
    low, high = float(mean.min()), float(mean.max())

    def by_levels(
        mean_first: np.ndarray, _: np.ndarray, mean_second: np.ndarray, __: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, None]:
        try:
            return (*level_labels(mean_first, mean_second, low, high), None)
        except ValueError as error:
            raise UserError(f"teacher {config.teachers.voices[0]} cannot label pairs: {error}") from error

    return by_levels


def mos_file(config: Config) -> Path | None:
    """Path of the table of human scores, or None if the configuration names none.

    Raises:
        UserError: There is no such file, or the range after its name is none.
    """
    if config.teachers.mos is None:
        return None
    name, _ = split_range(config.teachers.mos, "teachers.mos")
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError(
            f"teachers.mos {path}: there is no such file; name a CSV or Parquet file with columns video and mos"
        )
    return path


def mos_range(config: Config) -> tuple[float, float] | None:
    """The range of the human scores in their table; None where none is named: they are from 0 to 100 then."""
    return None if config.teachers.mos is None else split_range(config.teachers.mos, "teachers.mos")[1]


@dataclass(frozen=True)
class Ratings:
    """Human scores of pool videos.

    Attributes:
        scores: Points from 0 to 100, float64 `[N]`; NaN for unrated videos and degraded copies.
        windows: How many of the N are no copies.
        unusable: Why rows that stand for one of them give no score: several rows for one video, or no number.
    """

    scores: np.ndarray
    windows: int
    unusable: tuple[str, ...]

    @property
    def rated(self) -> int:
        """How many have a score."""
        return int(np.isfinite(self.scores).sum())


def ratings(config: Config, layout: RunLayout, ids: Sequence[str]) -> Ratings | None:
    """Human scores of the named pool videos `[N]`; None without a table.

    Raises:
        UserError: The table cannot be read, its scores are not on the scale that is named, or it rates too few of the videos
            for a logistic.
    """
    path = mos_file(config)
    if path is None:
        return None
    try:
        table = ScoreTable(str(path), ("mos",))
    except Failure as failure:
        raise UserError(f"teachers.mos: {failure.message}") from failure
    table.values = list(on_points(table.values, table.names, mos_range(config), f"teachers.mos {path}"))
    videos = {row["video_id"]: row for row in pool(layout)}
    scores = np.full(len(ids), math.nan)
    unusable = []
    windows = [place for place, name in enumerate(ids) if not videos[name]["copy"]]
    for place in windows:
        uri = videos[ids[place]]["uri"]
        if not table.has(uri):  # a pool may have unrated videos
            continue
        try:
            scores[place] = table.find(uri)
        except Failure as failure:
            unusable.append(failure.message)
    found = Ratings(scores, len(windows), tuple(unusable))
    if found.rated < MIN_LOGISTIC_POINTS:
        lost = f" ({len(unusable)} more have no usable row, the first: {unusable[0]})" if unusable else ""
        raise UserError(
            f"teachers.mos {path}: it rates {found.rated} of {len(ids)} pool videos{lost}, and a logistic needs "
            f"{MIN_LOGISTIC_POINTS}; its names must match the ends of the videos' paths; remove the key to use the "
            f"teachers' consensus"
        )
    return found


def human_scores(config: Config, layout: RunLayout, ids: Sequence[str]) -> np.ndarray | None:
    """The `scores` of `ratings`; None without a table."""
    found = ratings(config, layout, ids)
    return None if found is None else found.scores
