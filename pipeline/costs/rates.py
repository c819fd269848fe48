"""Measured cost of the work of a run, in CPU seconds per row, for the forecast of a run that has not started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.distortions.table import DISTORTIONS
from actors.media.rows import parse_recipe
from cluster.capacity import Bundle, least
from cluster.pools import Room, actor_counts
from pipeline.look.chain import pools
from pipeline.look.look import Look
from pipeline.run_folder.step import Resources
from pipeline.settings.config import Config


@dataclass(frozen=True)
class Rates:
    """CPU seconds, measured on one core of a two-core machine with windows of 960x540 at 30 frames per second.

    Attributes:
        normalise: Per second of window: conversion into the run's common form.
        decode: Per second of window.
        vmaf: Per second of window.
        x265: Time of each preset relative to fast; the cost of a distortion is `Distortion.cpu_s`.
        still: Per distorted still.
        teachers: Per window, 3 key frames and 48 frames of luma; a teacher that is not listed costs `other`.
        encode: Per window: the frozen part of the student.
        indicators: Per second of window.
        probe: Per file.
        render: Per second of a demo clip of 320x240.
        pools: Wall-clock seconds until the actors of a stream are ready.
        train: Wall-clock seconds until the workers of a training are ready.
        pair: Per training pair and epoch.
        compare: Per video: comparison with the anchors.
    """

    normalise: float = 0.24
    decode: float = 0.15
    vmaf: float = 0.70
    x265: Mapping[str, float] = field(
        default_factory=lambda: {
            "ultrafast": 0.45, "superfast": 0.55, "veryfast": 0.65, "faster": 0.8, "fast": 1.0, "medium": 1.2, "slow": 3.0,
            "slower": 7.0, "veryslow": 11.6,
        }
    )  # fmt: skip
    still: float = 0.30
    teachers: Mapping[str, float] = field(
        default_factory=lambda: {
            "artefact": 0.02, "brisque": 0.08, "exposure": 0.03, "niqe": 0.14, "piqe": 0.02, "sharpness": 0.02,
            "temporal": 0.05,
        }
    )  # fmt: skip
    other: float = 1.0
    encode: float = 0.40
    indicators: float = 0.03
    probe: float = 0.15
    render: float = 2.0
    pools: float = 10.0
    train: float = 20.0
    pair: float = 2e-4
    compare: float = 1e-4


RATES = Rates()
_WHOLE_FILE_S = 10.0  # assumed length if windows are whole files
MEMORY_GIB = {"Sampler": 0.45, "TeacherScorer": 0.25, "StudentEncoder": 0.60}  # resident, measured
OTHER_GIB = 0.15
TRAINING_GIB = 1.5  # of each worker: torch, DeepSpeed and the features


def look_resources(config: Config, look: Look, cpus: int) -> Resources:
    """Total resources of the actor pools of a look on `cpus` CPUs."""
    chain = pools(config, look)
    counts = actor_counts(chain, Room(cpus))
    gpus = sum(pool.gpus * count for pool, count in zip(chain, counts, strict=True))
    each = [pool.memory_gib or MEMORY_GIB.get(getattr(pool.work, "__name__", ""), OTHER_GIB) for pool in chain]
    memory = sum(gib * count for gib, count in zip(each, counts, strict=True))
    return Resources(sum(counts), gpus, memory)


def look_needs(config: Config, look: Look) -> list[Bundle]:
    """What a look cannot work without."""
    return least(pools(config, look))


def look_seconds(rows: Iterable[Mapping[str, Any]], config: Config, look: Look, cpus: int) -> float:
    """Wall-clock seconds of a look at all rows, with all CPUs busy.

    Args:
        rows: Rows with the columns duration_s, recipe and still.
        config: Configuration of the run.
        look: The look.
        cpus: Logical CPUs.
    """
    return RATES.pools + sum(row_seconds(row, config, look) for row in rows) / cpus


def ingest_seconds(files: int, config: Config, cpus: int) -> float:
    """Wall-clock seconds of probing `files` files, and of rendering them if the run makes its own clips."""
    rendered = config.corpus.videos is None
    rendering = files * RATES.render * config.corpus.made_seconds if rendered else 0.0
    return RATES.pools + (files * RATES.probe + rendering) / cpus


def compare_resources(config: Config) -> Resources:
    """Resources of the student's comparisons."""
    return Resources(gpus=config.pools.compare.gpus, memory_gib=OTHER_GIB)


def compare_needs(config: Config) -> list[Bundle]:
    """What the student's comparisons cannot work without."""
    return [{"GPU": config.pools.compare.gpus}] if config.pools.compare.gpus else []


def compare_seconds(videos: int) -> float:
    """Wall-clock seconds of comparing `videos` videos with the anchors."""
    return 2.0 + RATES.compare * videos


def row_seconds(row: Mapping[str, Any], config: Config, look: Look) -> float:
    """CPU seconds of one row of a look: make, decode, measure, score and encode the copy."""
    rendered = config.corpus.videos is None
    corpus = config.corpus
    seconds = float(row["duration_s"]) or (corpus.made_seconds if rendered else corpus.window_s or _WHOLE_FILE_S)
    pixels = _pixels(config, rendered=rendered) / (960 * 540)
    clip = seconds * pixels
    making = 0.0
    for name, level, _seed in parse_recipe(row["recipe"]):
        if row["still"]:
            making += RATES.still * pixels
        elif level == 0:
            making += RATES.normalise * clip
        else:
            distortion = DISTORTIONS[name]
            slower = RATES.x265[config.distort.x265_preset] if distortion.x265 else 1.0
            making += distortion.cpu_s * slower * clip
    looking = RATES.decode * (0.5 if row["still"] else clip) + (RATES.encode if look.features is not None else 0.0)
    looking += RATES.indicators * clip if look.indicators is not None else 0.0
    if look.scores:
        looking += pixels * sum(RATES.teachers.get(name, RATES.other) for name in config.teachers.names)
    return making + looking + (RATES.vmaf * clip if look.vmaf else 0.0)


def _pixels(config: Config, *, rendered: bool) -> float:
    """Pixels of a frame: of a rendered clip, or of a 16:9 picture with the largest configured height."""
    corpus = config.corpus
    if rendered:
        return float(corpus.made_width * corpus.made_height)
    high = corpus.max_short_side or 540
    return high * high * 16 / 9
