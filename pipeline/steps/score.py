"""Score: every teacher scores every pool video and the student's frozen part encodes it, with one decode per video."""

from __future__ import annotations

from typing import Any

from actors.teachers import teacher_class
from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.members import pool
from pipeline.costs.loads import look_needs, look_resources, pool_load
from pipeline.look.look import Look, look_settings
from pipeline.look.observe import observe
from pipeline.opinions import teacher_digests
from pipeline.run_folder import budget
from pipeline.run_folder.records import INDICATORS, OK
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import read_shards, write_table
from pipeline.settings.config import Config


def step(run: Run) -> Step:
    """The step that scores and encodes the pool."""
    config, layout = run.config, run.layout
    request = look(run)
    shards = [layout.observed(layout.POOL), layout.features_of(layout.POOL)]
    shards += [layout.scores(name) for name in config.teachers.names]
    shards += [request.indicators] if request.indicators is not None else []
    return Step(
        "score",
        {"videos": layout.videos, "look": look_settings(request, config)},
        [*shards, layout.indicators] if request.indicators is not None else shards,
        lambda: score(run),
        reusable_outputs=shards,
        rows=lambda: Rows(corpus_facts(run).pool),
        resources=lambda cpus: look_resources(config, request, cpus),
        needs=lambda: look_needs(config, request),
        load=lambda: pool_load(corpus_facts(run), config, request),
    )


def look(run: Run) -> Look:
    """The look at the pool: what to compute, and where to store it."""
    layout, digests = run.layout, teacher_digests(run.config)
    return Look(
        downloads=layout.downloads,
        observed=layout.observed(layout.POOL),
        features=layout.features_of(layout.POOL),
        scores={name: layout.scores(name) for name in digests},
        digests=digests,
        # With shaping, the table of indicators is about the candidates, which were measured earlier.
        indicators=layout.indicator_shards(layout.POOL) if measures(run.config) else None,
    )


def measures(config: Config) -> bool:
    """Whether the indicators are measured along with the teachers' scores."""
    return config.shaping.measure and config.shaping.keep is None


def score(run: Run) -> dict[str, Any]:
    """Write `scores/`, `features/`, `observed/` and `indicators.parquet`."""
    config, layout = run.config, run.layout
    videos = pool(layout)
    for name in config.teachers.names:
        if teacher_class(name).non_commercial:
            run.console.warn(f"teacher {name} is for NON-COMMERCIAL use only: {teacher_class(name).licence}")
    results = observe(run, videos, look(run), "teachers and encoder").to_pylist()
    failed = [row for row in results if row["status"] != OK]
    example = failed[0]["error"] if failed else ""
    budget.check(len(failed), len(videos), config, "videos could not be decoded", example)
    if measures(config):
        write_table(layout.indicators, read_shards(layout.indicator_shards(layout.POOL), INDICATORS), INDICATORS)
    return {
        "rows": len(videos),
        "failed": len(failed),
        "what": f"{len(config.teachers.names)} teachers, one decode per video, {len(failed)} failed",
    }
