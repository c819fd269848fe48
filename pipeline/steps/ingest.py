"""Ingest: from files to windows. Writes `videos.parquet` (table `Video`); unusable files go to quarantine with the reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.media.scenes import clip_id
from actors.media.views import SampleSpec
from actors.probe import UNKNOWN, MakeClip, Probe
from cluster.engine import Row, collect
from cluster.pools import Pool
from pipeline.console import UserError
from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.listing import Listing, list_inputs
from pipeline.corpus.members import HELDOUT
from pipeline.corpus.rules import short_id
from pipeline.corpus.windows import windows_of
from pipeline.costs.loads import ingest_load
from pipeline.look.chain import downloads
from pipeline.look.look import rendering
from pipeline.run_folder import budget
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import FAILED, OK, VIDEOS
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import write_table
from pipeline.settings.config import Config
from trainers.places import Place


def step(run: Run) -> Step:
    """The step that makes the corpus, or the candidates for shaping."""
    config = run.config
    return Step(
        "ingest",
        {"corpus": config.corpus, "seed": config.seed, "files": corpus_state(run)},
        [destination(config, run.layout)],
        lambda: ingest(run),
        rows=lambda: Rows(corpus_facts(run).files),
        load=lambda: ingest_load(corpus_facts(run), config),
    )


def listed(run: Run) -> Listing:
    """The files that `corpus.videos` names, listed once in the life of a run.

    Raises:
        UserError: They cannot be listed.
    """
    corpus = run.config.corpus
    return run.once(
        "listing", lambda: Listing([]) if corpus.videos is None else list_inputs(corpus.videos, corpus.limit)
    )


def corpus_state(run: Run) -> list[list[object]]:
    """Name, size and time of every input file, which reveal a changed corpus without reading the files."""
    return run.once("corpus state", lambda: listed(run).state())


def corpus_size(run: Run) -> int:
    """Number of input files: listed, or rendered by the run."""
    corpus = run.config.corpus
    if corpus.videos is None:
        return min(corpus.made_clips, corpus.limit or corpus.made_clips)
    return len(listed(run).files)


def destination(config: Config, layout: RunLayout) -> Place:
    """Output of ingest: the table of the corpus, or of the candidates for shaping."""
    return layout.videos if config.shaping.keep is None else layout.candidates


def ingest(run: Run) -> dict[str, Any]:
    """Probe every file, drop duplicates, cut windows, hold out contents for the benchmarks, and add degraded copies."""
    files = probe_files(run)
    rows = windows_of(files, run.config)
    write_table(destination(run.config, run.layout), VIDEOS.table(rows), VIDEOS)
    status = Counter(row["status"] for row in rows)
    check_budget(files, run.config)
    parts = Counter(
        "heldout" if row["split"] == HELDOUT else ("copy" if row["copy"] else "window")
        for row in rows
        if row["status"] == OK
    )
    if not parts["window"] or not parts["heldout"]:
        raise UserError(
            f"{len(files)} file(s) are too few: both training and held-out contents are needed; give at least 4 videos"
        )
    return {
        "rows": len(rows),
        "files": len(files),
        "failed": status[FAILED],
        "what": f"{len(files)} files: {parts['window']} training windows, {parts['copy']} degraded copies, "
        f"{parts['heldout']} held-out windows, {status[FAILED]} unusable",
    }


def corpus_files(run: Run) -> Listing:
    """The files of the corpus; without `--videos`, renders clips."""
    corpus, layout = run.config.corpus, run.layout
    if corpus.videos is not None:
        listing = listed(run)
        if listing.passed_over:
            run.console.line(f"  below {corpus.videos}: {listing.passed_over_text()}, passed over")
        return listing
    scene: dict[str, Any] = {"seed": run.config.seed, "width": corpus.made_width, "height": corpus.made_height}
    scene |= {"seconds": corpus.made_seconds, "fps": corpus.made_fps}
    ids = [clip_id(index, **scene) for index in range(corpus_size(run))]
    # The name contains the identity, so that a clip with other settings is never mistaken for this one.
    names = [f"made-{index:03d}-{identity[:8]}" for index, identity in enumerate(ids)]
    rows = [
        {"video_id": name, "index": index, "uri": str(layout.corpus / f"{name}.mp4")}
        for index, name in enumerate(names)
    ]
    layout.corpus.mkdir(parents=True, exist_ok=True)
    with run.console.track(len(rows), "rendering demo clips") as progress:
        results = collect(run.engine, pa.Table.from_pylist(rows), [Pool(MakeClip, scene)], progress=progress.advance)
    failed = next((row for row in results if row["status"] != OK), None)
    if failed is not None:
        raise UserError(f"a demo clip could not be rendered: {failed['error']}")
    files = [str(row["uri"]) for row in rows]
    return Listing(files, content_ids=dict(zip(files, ids, strict=True)))


def probe_files(run: Run) -> list[Row]:
    """Header facts and content id of every file of the corpus, with repeated contents marked as duplicates.

    Names that must not be read are included as failed.
    """
    listing = corpus_files(run)
    ids = listing.content_ids
    rows = [{"video_id": short_id(uri), "uri": uri, "content_id": ids.get(uri, "")} for uri in listing.files]
    limits = {"max_pixels": SampleSpec().max_pixels, "rendering": rendering(run.config)}
    probe = Pool(Probe, {**limits, "downloads": downloads(run.config, run.layout.downloads)})
    with run.console.track(len(rows), "probing files") as progress:
        # a row whose worker died comes back without these columns
        table = pa.Table.from_pylist(rows)
        results = collect(run.engine, table, [probe], lambda row: {**UNKNOWN, **row}, progress.advance)
    return _first_of_each(results + [_refused(uri, why) for uri, why in listing.refused.items()])


def _refused(uri: str, why: str) -> Row:
    reason = {"status": FAILED, "error_kind": "refused", "error": f"{uri}: {why}"}
    return {"video_id": short_id(uri), "uri": uri, **UNKNOWN, **reason}


def _first_of_each(files: list[Row]) -> list[Row]:
    """Mark every later file with the same bytes as a duplicate of the first by name."""
    first: dict[str, str] = {}
    for row in sorted(files, key=lambda row: str(row["uri"])):
        if row["status"] == OK:
            twin = first.setdefault(row["content_id"], row["uri"])
            if twin != row["uri"]:
                row.update(status="skipped", error_kind="duplicate", error=f"same bytes as {twin}")
    return files


def check_budget(files: list[Row], config: Config) -> None:
    """Stop if too many files cannot be used; duplicates do not count.

    Raises:
        UserError: More files failed than the error budget allows; exit code 4.
    """
    failed = [row for row in files if row["status"] == FAILED]
    example = f"{Path(failed[0]['uri']).name}: {failed[0]['error']}" if failed else ""
    budget.check(len(failed), len(files), config, "files cannot be used", example)
