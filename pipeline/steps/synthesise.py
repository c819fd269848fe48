"""Synthesise: distorted copies of this round's sources at every level (CVPR 2026, appendix A.3). The level is the label."""

from __future__ import annotations

from typing import Any

from pipeline.corpus.copies import planned
from pipeline.corpus.counts import counts_input
from pipeline.corpus.facts import corpus_facts
from pipeline.costs.loads import copies_load, copies_of, look_needs, look_resources
from pipeline.look.look import Look, look_settings
from pipeline.look.observe import observe
from pipeline.run_folder.records import DISTORTED, OK
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import write_table


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
            **counts_input(config),
        },
        [layout.distorted(number), *shards],
        lambda: synthesise(run, number),
        reusable_outputs=shards,
        round=number,
        rows=lambda: Rows(
            sum(sources * each for sources, each in copies_of(corpus_facts(run), config, number).values())
        ),
        resources=lambda cpus: look_resources(config, request, cpus),
        needs=lambda: look_needs(config, request),
        load=lambda: copies_load(corpus_facts(run), config, request, number),
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
        clips=layout.distorted_clips(number) if run.config.distort.keep else None,
    )


def synthesise(run: Run, number: int) -> dict[str, Any]:
    """Make and encode the copies of one round; write `round-<k>/distorted.parquet`."""
    rows = planned(run.config, run.layout, number)
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
