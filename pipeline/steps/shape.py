"""Measure and shape: the nine indicators of every candidate window, and the corpus chosen by them (CVPR 2026, 3.2).

`shaping.keep` switches it on. The original candidates are measured, without any processing, and only the chosen windows
(with their degraded copies) are scored later. Held-out windows are not part of the choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from actors.indicators import INDICATORS as INDICATOR_ROWS
from cluster.engine import Row
from pipeline.console import UserError
from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.members import TRAIN
from pipeline.corpus.rules import pool_rounds
from pipeline.costs.loads import candidates_load, look_needs, look_resources
from pipeline.look.look import Look, look_settings
from pipeline.look.observe import observe
from pipeline.method import shaping
from pipeline.run_folder import budget
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import INDICATORS, OBSERVED, OK, VIDEOS
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import read_json, read_shards, read_table, write_json, write_table
from pipeline.settings.config import Config

UNIFORM = "uniform"


def measure_step(run: Run) -> Step:
    """The step that measures the indicators of all candidates."""
    config, layout = run.config, run.layout
    target_state(config)  # a wrong path stops the run here, before hours of measuring
    request = look(layout)
    shards = [layout.observed(layout.CANDIDATES), layout.indicator_shards(layout.CANDIDATES)]
    return Step(
        "measure",
        {"candidates": layout.candidates, "look": look_settings(request, config)},
        [*shards, layout.indicators],
        lambda: measure(run),
        reusable_outputs=shards,
        rows=lambda: Rows(corpus_facts(run).candidates),
        resources=lambda cpus: look_resources(config, request, cpus),
        needs=lambda: look_needs(config, request),
        load=lambda: candidates_load(corpus_facts(run), config, request),
    )


def shape_step(run: Run) -> Step:
    """The step that chooses the corpus from the candidates."""
    config, layout = run.config, run.layout
    return Step(
        "shape",
        {"candidates": layout.candidates, "indicators": layout.indicators, "seen": layout.observed(layout.CANDIDATES)}
        | {"config": config.shaping, "seed": config.seed, "target": target_state(config)},
        [layout.videos, layout.shaping],
        lambda: shape(run),
        rows=lambda: Rows(corpus_facts(run).candidates),
    )


def look(layout: RunLayout) -> Look:
    """The look at the candidates: their indicators, and where to store them."""
    return Look(
        downloads=layout.downloads,
        observed=layout.observed(layout.CANDIDATES),
        features=None,
        scores={},
        digests={},
        indicators=layout.indicator_shards(layout.CANDIDATES),
        bare=True,
    )


def candidates(layout: RunLayout) -> pa.Table:
    """The usable training windows of `candidates.parquet`, without their degraded copies."""
    table = read_table(layout.candidates, VIDEOS)
    usable = pc.and_(pc.equal(table["status"], OK), pc.equal(table["split"], TRAIN))
    return table.filter(pc.and_(usable, pc.equal(table["copy"], 0)))


def _windows(layout: RunLayout) -> list[Row]:
    rows = candidates(layout).select(["video_id", "uri", "start_s", "duration_s"]).to_pylist()
    return [{**row, "recipe": "", "still": False} for row in rows]


def measure(run: Run) -> dict[str, Any]:
    """Decode every candidate once; write `indicators.parquet`."""
    layout, rows = run.layout, _windows(run.layout)
    results = observe(run, rows, look(layout), "indicators")
    failed = results.filter(pc.not_equal(results["status"], OK))
    count = failed.num_rows
    example = str(failed["error"][0].as_py()) if count else ""
    budget.check(count, len(rows), run.config, "windows could not be measured", example)
    write_table(layout.indicators, read_shards(layout.indicator_shards(layout.CANDIDATES), INDICATORS), INDICATORS)
    what = f"{len(INDICATOR_ROWS)} indicators, one decode per window, {count} failed"
    return {"rows": len(rows), "failed": count, "what": what}


def shape(run: Run) -> dict[str, Any]:
    """Choose the corpus; write `videos.parquet` and `shaping.json`."""
    config, layout = run.config, run.layout
    indicators = read_table(layout.indicators, INDICATORS)
    ids = candidates(layout)["video_id"]
    indicators = indicators.filter(pc.is_in(indicators["video_id"], value_set=ids.combine_chunks()))
    keep = min(config.shaping.keep or indicators.num_rows, indicators.num_rows)
    if keep == 0:
        raise UserError("no training window could be measured, so none can be chosen; see quarantine.parquet")
    target = load_target(config, indicators)
    numbers = shaping.bin_numbers(matrix(indicators, target.names), target.edges)
    goal = shaping.goal_counts(target.shares, keep)
    choice = shaping.choose(numbers, goal, keep, config.seed, config.shaping.exact_up_to)
    selection = indicators["video_id"].combine_chunks().take(pa.array(choice.videos))
    rows = _corpus(layout, selection, config.seed)
    write_table(layout.videos, rows, VIDEOS)
    bins = target.shares.shape[1]
    before, after = (shaping.histogram(part, bins) for part in (numbers, numbers[choice.videos]))
    # Half the distance per video: on average, the share of each histogram in the wrong bin.
    misplaced = [
        shaping.distance(counts, keep * target.shares) / (2 * keep * len(goal))
        for counts in (before * (keep / len(numbers)), after)
    ]
    write_json(
        layout.shaping,
        {
            "target": config.shaping.target, "pool": len(numbers), "keep": keep, "exact": choice.exact,
            "distance": choice.distance, "bound": choice.bound,
            "misplaced_before": misplaced[0], "misplaced_after": misplaced[1],
            "indicators": {
                name: {
                    "edges": target.edges[k].tolist(),
                    "shares": target.shares[k].tolist(),
                    "before": (before[k] / len(numbers)).tolist(),
                    "after": (after[k] / keep).tolist(),
                }
                for k, name in enumerate(target.names)
            },
        },
    )  # fmt: skip
    if keep == len(numbers):
        run.console.warn(
            f"shaping.keep={config.shaping.keep} leaves no choice among {len(numbers)} windows: all are kept"
        )
    return {
        "rows": rows.num_rows,
        "what": f"{keep} of {len(numbers)} windows, out of place {misplaced[0]:.1%} before and {misplaced[1]:.1%} after",
    }


def matrix(table: pa.Table, names: tuple[str, ...]) -> np.ndarray:
    """Columns of a table of indicators, float64 `[rows, len(names)]`."""
    return np.column_stack([table[name].to_numpy() for name in names]).astype(np.float64)


def target_state(config: Config) -> str | Path:
    """The input that decides the target: the name `uniform`, or the path of a file.

    Raises:
        UserError: There is no such file.
    """
    if config.shaping.target == UNIFORM:
        return UNIFORM
    path = Path(config.shaping.target).expanduser()
    if not path.is_file():
        raise UserError(f"shaping.target {path}: no such file; name a JSON or Parquet file, or use {UNIFORM}")
    return path


def load_target(config: Config, indicators: pa.Table) -> shaping.Target:
    """Load the target that the configuration names.

    A JSON file holds `{"indicators": {NAME: {"edges": [...], "shares": [...]}}}` for any of the nine, all with the
    same number of bins, like the `shaping.json` of another run. A Parquet file is an `indicators.parquet`, whose
    histograms become the target.

    Raises:
        UserError: The file has neither form.
    """
    bins, names = config.shaping.bins, tuple(INDICATOR_ROWS)
    source = target_state(config)
    try:
        if not isinstance(source, Path):
            return shaping.uniform(names, matrix(indicators, names), bins)
        if source.suffix == ".parquet":
            return shaping.reference(names, matrix(read_table(source, INDICATORS), names), bins)
        return _histograms(read_json(source), source)
    except shaping.ShapingError as error:
        raise UserError(f"shaping.target {source}: {error}") from error


def _histograms(tree: Any, path: Path) -> shaping.Target:
    histograms = tree.get("indicators") if isinstance(tree, Mapping) else None
    if not isinstance(histograms, Mapping) or not histograms:
        raise UserError(f'shaping.target {path}: no object "indicators" with edges and shares of each indicator')
    unknown = sorted(set(histograms) - set(INDICATOR_ROWS))
    if unknown:
        raise UserError(f"shaping.target {path}: {unknown[0]!r} is not an indicator; use {', '.join(INDICATOR_ROWS)}")
    try:
        edges, shares = (np.array([one[key] for one in histograms.values()], np.float64) for key in ("edges", "shares"))
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"shaping.target {path}: every indicator needs a list of edges and a list of shares, with the same lengths for all"
        ) from None
    return shaping.Target(tuple(histograms), edges, shares)


def _corpus(layout: RunLayout, selection: pa.Array, seed: int) -> pa.Table:
    """Table `Video` without the training windows (and their copies) that were not chosen, with new rounds.

    A window that could not be measured stays in the table as failed, so that it appears in quarantine.
    """
    table = read_table(layout.candidates, VIDEOS)
    results = read_shards(layout.observed(layout.CANDIDATES), OBSERVED)
    failures = {row["video_id"]: row for row in results.filter(pc.not_equal(results["status"], OK)).to_pylist()}
    window = pc.binary_join_element_wise(
        table["content_id"], pc.cast(table["start_s"], pa.string()), pc.cast(table["duration_s"], pa.string()), "@"
    )
    selected_windows = window.filter(pc.is_in(table["video_id"], value_set=selection))
    training = pc.and_(pc.equal(table["status"], OK), pc.equal(table["split"], TRAIN))
    failed_mask = pc.is_in(table["video_id"], value_set=pa.array(list(failures), pa.string()))
    mask = pc.or_(
        pc.or_(pc.invert(training), pc.is_in(window, value_set=selected_windows.combine_chunks())), failed_mask
    )
    rounds = pool_rounds(selection.to_pylist(), seed)
    rows, windows = table.filter(mask).to_pylist(), window.filter(mask).to_pylist()
    of_window = {
        name: rounds[row["video_id"]] for row, name in zip(rows, windows, strict=True) if row["video_id"] in rounds
    }
    for row, name in zip(rows, windows, strict=True):
        if row["video_id"] in failures:
            row |= {key: failures[row["video_id"]][key] for key in ("status", "error_kind", "error")}
        elif row["split"] == TRAIN and row["status"] == OK:
            row["round"] = of_window[name]
    return VIDEOS.table(rows)
