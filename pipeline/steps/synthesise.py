"""Synthesise: distorted copies of this round's sources at every level (CVPR 2026, appendix A.3). The level is the label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from actors.distortions.table import DISTORTIONS, FAMILIES
from actors.media.rows import format_recipe, parse_recipe
from cluster.engine import Row
from pipeline.corpus.members import pool
from pipeline.corpus.rules import PRISTINE, short_id, shuffled
from pipeline.costs.rates import look_resources, look_seconds
from pipeline.look.look import Look, look_settings
from pipeline.look.observe import observe
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import DISTORTED, OK
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import write_table
from pipeline.settings.config import Config, per_round


def step(run: Run, number: int) -> Step:
    """The step that makes the copies of round `number`."""
    config, layout = run.config, run.layout
    request = look(run, number)
    name = layout.copies_look(number)
    shards = [layout.features_of(name), layout.observed(name)]
    return Step(
        "distort",
        {
            "videos": layout.videos,
            "config": config.distort,
            "seed": config.seed,
            "look": look_settings(request, config),
        },
        [layout.distorted(number), *shards],
        lambda: synthesise(run, number),
        reusable_outputs=shards,
        round=number,
        rows=lambda: Rows(len(plan(config, layout, number))),
        resources=lambda cpus: look_resources(config, request, cpus),
        seconds=lambda cpus: look_seconds(plan(config, layout, number), config, request, cpus),
    )


def look(run: Run, number: int) -> Look:
    """The look at the copies: what to compute, and where to store it."""
    layout = run.layout
    name = layout.copies_look(number)
    return Look(
        downloads=layout.downloads,
        observed=layout.observed(name),
        features=layout.features_of(name),
        scores={},
        digests={},
        clips=layout.distorted_clips(number),
        keep=run.config.distort.keep,
    )


def plan(config: Config, layout: RunLayout, number: int) -> list[Row]:
    """The copies of round `number`: for each family a seeded choice of sources, with every type at every level."""
    members = {row["video_id"]: row for row in pool(layout) if row["round"] == number}
    counts = per_round(config.distort.sources, number)
    rows: list[Row] = []
    for family in FAMILIES:
        types = [name for name in config.distort.enabled if DISTORTIONS[name].family == family]
        sources = shuffled(list(members), config.seed, f"{family}-sources-{number}")[: getattr(counts, family)]
        for source in sources:
            for name in types:
                rows += _levels(members[source], name, config)
    return rows


def _levels(source: Row, name: str, config: Config) -> Iterator[Row]:
    distortion = DISTORTIONS[name]
    still = distortion.family == "spatial" and config.distort.still_spatial
    # One seed for all levels, so that a higher level affects the same frames, only more.
    seed = int(short_id(config.seed, source["video_id"], name), 16) % 2**31
    # The common form is not a distortion: a copy of an undistorted window starts from the window itself.
    before = [step for step in parse_recipe(source["recipe"]) if step != PRISTINE]
    first = 0 if config.distort.include_pristine else 1
    for level in range(first, len(distortion.levels) + 1):
        yield {
            "video_id": short_id(source["video_id"], name, level),
            "source_id": source["video_id"],
            "uri": source["uri"],
            "start_s": source["start_s"],
            "duration_s": source["duration_s"],
            "recipe": format_recipe([*before, (name, level, seed)]),
            "distortion": name,
            "family": distortion.family,
            "level": level,
            "still": still,
            "seed": seed,
        }


def synthesise(run: Run, number: int) -> dict[str, Any]:
    """Make and encode the copies of one round; write `round-<k>/distorted.parquet`."""
    rows = plan(run.config, run.layout, number)
    request = look(run, number)
    looks = observe(run, rows, request, f"round {number}: distorted copies").to_pylist()
    results = {row["video_id"]: row for row in looks}
    copies = [
        {name: row[name] for name in DISTORTED.schema.names if name in row}
        | {name: results[row["video_id"]][name] for name in ("status", "error_kind", "error")}
        for row in rows
    ]
    write_table(run.layout.distorted(number), DISTORTED.table(copies), DISTORTED)
    failed = sum(row["status"] != OK for row in copies)
    sources = len({row["source_id"] for row in copies})
    return {
        "rows": len(copies),
        "failed": failed,
        "what": f"{len(copies)} copies of {sources} sources, {failed} failed",
    }
