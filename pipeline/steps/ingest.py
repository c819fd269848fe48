"""Ingest: from files to windows. Gives `videos.parquet` (table `Video`); what cannot be used goes to quarantine with its reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.media.views import SampleSpec
from actors.probe import UNKNOWN, MakeClip, Probe
from cluster.pools import Pool
from cluster.stream import Row, collect
from pipeline.console import TOO_MANY_BAD, Console, UserError
from pipeline.corpus.listing import Listing, heldout_contents, list_inputs, pool_recipe, pool_rounds, short_id, windows
from pipeline.look.observe import downloads, rendering
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import FAILED, OK, VIDEOS
from pipeline.run_folder.store import write_table
from pipeline.settings.config import Config

TRAIN, HELDOUT = "train", "heldout"


def corpus_files(config: Config, layout: RunLayout, console: Console) -> Listing:
    """The files of the corpus; without ``--videos`` the program renders its own clips, and says so."""
    corpus = config.corpus
    if corpus.videos is not None:
        listing = list_inputs(corpus.videos, corpus.limit)
        if listing.passed_over:
            console.line(
                f"  {listing.passed_over} file(s) below {corpus.videos} are no videos by their names and are passed over"
            )
        return listing
    count = min(corpus.made_clips, corpus.limit or corpus.made_clips)
    rows = [
        {"video_id": f"made-{index:03d}", "index": index, "uri": str(layout.corpus / f"made-{index:03d}.mp4")}
        for index in range(count)
    ]
    layout.corpus.mkdir(parents=True, exist_ok=True)
    scene = {"seed": config.seed, "width": corpus.made_width, "height": corpus.made_height}
    maker = Pool(MakeClip, {**scene, "seconds": corpus.made_seconds, "fps": corpus.made_fps})
    with console.track(len(rows), "rendering demo clips") as progress:
        made = collect(pa.Table.from_pylist(rows), [maker], lambda row: row, progress.advance)
    failed = next((row for row in made if row["status"] != OK), None)
    if failed is not None:
        raise UserError(f"a demo clip could not be rendered: {failed['error']}")
    return Listing([str(row["uri"]) for row in rows])


def ingest(config: Config, layout: RunLayout, console: Console) -> dict[str, Any]:
    """Probe every file, keep one of each content, cut windows, hold out contents for the benchmarks, and add degraded copies."""
    probed = probe_files(config, layout, console)
    rows = windows_of(probed, config)
    write_table(destination(config, layout), VIDEOS.table(rows), VIDEOS)
    status = Counter(row["status"] for row in rows)
    check_budget(probed, config)
    parts = Counter(
        "heldout" if row["split"] == HELDOUT else ("copy" if row["copy"] else "window")
        for row in rows
        if row["status"] == OK
    )
    if not parts["window"] or not parts["heldout"]:
        raise UserError(
            f"{len(probed)} file(s) are too few: training and held-out contents are both needed; give at least 4 videos"
        )
    return {
        "rows": len(rows),
        "files": len(probed),
        "failed": status[FAILED],
        "what": f"{len(probed)} files: {parts['window']} training windows, {parts['copy']} degraded copies, "
        f"{parts['heldout']} held-out windows, {status[FAILED]} unusable",
    }


def destination(config: Config, layout: RunLayout) -> Path:
    """Where ingest writes: the corpus itself, or the candidates that shaping chooses it from."""
    return layout.videos if config.shaping.keep is None else layout.candidates


def probe_files(config: Config, layout: RunLayout, console: Console) -> list[Row]:
    """Header facts and content id of every file of the corpus, with later files of the same bytes marked as duplicates.

    Names that may not be read are among them, failed.
    """
    listing = corpus_files(config, layout, console)
    table = pa.Table.from_pylist([{"video_id": short_id(uri), "uri": uri} for uri in listing.files])
    limits = {"max_pixels": SampleSpec().max_pixels, "rendering": rendering(config)}
    probe = Pool(Probe, {**limits, "downloads": downloads(config, layout.downloads)})
    # a row whose worker died comes back as it was sent
    with console.track(table.num_rows, "probing files") as progress:
        probed = collect(table, [probe], lambda row: {**UNKNOWN, **row}, progress.advance)
    return _first_of_each(probed + [_refused(uri, why) for uri, why in listing.refused.items()])


def _refused(uri: str, why: str) -> Row:
    told = {"status": FAILED, "error_kind": "refused", "error": f"{uri}: {why}"}
    return {"video_id": short_id(uri), "uri": uri, **UNKNOWN, **told}


def _first_of_each(probed: list[Row]) -> list[Row]:
    """Mark every later file with the same bytes as a duplicate of the first by name."""
    first: dict[str, str] = {}
    for row in sorted(probed, key=lambda row: str(row["uri"])):
        if row["status"] == OK:
            twin = first.setdefault(row["content_id"], row["uri"])
            if twin != row["uri"]:
                row.update(status="skipped", error_kind="duplicate", error=f"same bytes as {twin}")
    return probed


def check_budget(probed: list[Row], config: Config) -> None:
    """Stop when too many files cannot be used; a duplicate is no failure.

    Raises:
        UserError: More than the error budget; exit code 4.
    """
    failed, total = [row for row in probed if row["status"] == FAILED], len(probed)
    if len(failed) > config.errors.budget * total:
        example = failed[0]
        raise UserError(
            f"{len(failed)} of {total} files cannot be used, more than errors.budget={config.errors.budget:g} allows; "
            f"for example {Path(example['uri']).name}: {example['error']}",
            TOO_MANY_BAD,
        )


def windows_of(probed: list[Row], config: Config) -> list[Row]:
    """Rows of table `Video`: the windows of every usable file, their degraded copies, and what cannot be used."""
    usable = [row for row in probed if row["status"] == OK]
    heldout = heldout_contents([row["content_id"] for row in usable], config.corpus.heldout_share, config.seed)
    rows = [_video(row, 0.0, 0.0, TRAIN, "", 0, 0) for row in probed if row["status"] != OK]
    base: list[Row] = []
    for row in usable:
        split = HELDOUT if row["content_id"] in heldout else TRAIN
        base += [
            _video(row, start, length, split, "", 0, 0) for start, length in windows(row["duration_s"], config.corpus)
        ]
    rounds = pool_rounds([row["video_id"] for row in base if row["split"] == TRAIN], config.seed)
    for row in base:
        if row["split"] == HELDOUT:
            rows.append({**row, "recipe": pool_recipe(row["video_id"], 0, config.seed)})
            continue
        for copy in range(1 + config.corpus.degraded_copies):
            name = row["video_id"] if copy == 0 else short_id(row["video_id"], "copy", copy)
            recipe = pool_recipe(row["video_id"], copy, config.seed)
            rows.append({**row, "video_id": name, "recipe": recipe, "copy": copy, "round": rounds[row["video_id"]]})
    return rows


def _video(row: Row, start: float, length: float, split: str, recipe: str, copy: int, number: int) -> Row:
    ok = row["status"] == OK
    return {
        "video_id": short_id(row["content_id"], start, length) if ok else row["video_id"],
        "uri": row["uri"],
        "start_s": start,
        "duration_s": length,
        "content_id": row["content_id"],
        "split": split,
        "round": number,
        "copy": copy,
        "recipe": recipe,
        "width": row["width"] or None,
        "height": row["height"] or None,
        "fps": row["fps"] or None,
        "codec": row["codec"] or None,
        "bytes": row["bytes"] or None,
        "status": row["status"],
        "error_kind": row["error_kind"] or None,
        "error": row["error"] or None,
    }


__all__ = ["HELDOUT", "TRAIN", "check_budget", "corpus_files", "destination", "ingest", "probe_files", "windows_of"]
