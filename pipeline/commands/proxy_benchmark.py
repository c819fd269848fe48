"""A benchmark without human labels: distorted copies of your videos with VMAF as the score.

Nothing is trained here, so all videos count as held out. The copies are in DIR/clips, listed in DIR/benchmark.csv: suite
seen uses the simulators of training, suite unseen has artefacts that training never uses. The label (column mos) is VMAF
v0.6.1; a second column has VMAF v1.0.16, which punishes lost colours and banding too, where frames are large enough for it
(320 pixels a side). To see how well a student predicts them, run `evaluate MODEL --benchmark
DIR/benchmark.csv --videos-root DIR`, and with `--label vmaf_v1.0.16_3d0h` for the second. The same command resumes.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from actors.media.vmaf import FIRST, SECOND
from pipeline.commands import VIDEOS_HELP, address_argument
from pipeline.commands.figures import NAMES, print_figures
from pipeline.commands.opening import opened
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.corpus.members import HELDOUT
from pipeline.corpus.proxies import SUITES, figures, items
from pipeline.corpus.rules import pool_recipe
from pipeline.opinions import benchmark_scores, signed
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps
from pipeline.run_folder.records import BENCHMARK, OBSERVED, OK, VIDEOS
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import append_shard, read_shards, read_table, shards, write_bytes, write_table
from pipeline.settings.config import Config, load
from trainers.places import Place, remove_files

COLUMNS = ("video", "score", "mos", "label", SECOND.name, "suite", "source", "distortion", "level")


class ProxyLayout(RunLayout):
    """A run folder with the benchmark copies in `clips`, where users look for them."""

    @property
    def benchmark_clips(self) -> Path:
        """Folder of the distorted copies."""
        return self.disk / "clips"

    @property
    def table(self) -> Place:
        """The benchmark itself: CSV."""
        return self.root / "benchmark.csv"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--videos", metavar="PATH", required=True, help=VIDEOS_HELP)
    parser.add_argument("--out", metavar="DIR", required=True, help="folder of the benchmark")
    parser.add_argument(
        "--preset", metavar="NAME", help="preset whose distortions and teachers are used (default local)"
    )
    parser.add_argument("--config", metavar="FILE", help="YAML or JSON with any part of the configuration")
    parser.add_argument(
        "--set", metavar="a.b=c", action="append", default=[], dest="overrides", help="one value of the configuration"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seed of every random choice (default 0)")
    parser.add_argument("--limit", type=int, metavar="N", help="use at most N videos")
    address_argument(parser)


def configuration(options: argparse.Namespace) -> Config:
    """The configuration of the benchmark: copies are kept, and no degraded copy of a video is made."""
    forced = ["benchmark.keep=true", "corpus.degraded_copies=0"]
    return load(
        options.preset, options.config, [*options.overrides, *forced],
        videos=options.videos, seed=options.seed, limit=options.limit,
    )  # fmt: skip


def main(options: argparse.Namespace) -> int:
    """Make the missing parts; return 0, or 1 if a video or a copy failed."""
    config = configuration(options)
    layout = ProxyLayout.at(options.out)
    layout.on_disk("a benchmark of files")
    if layout.config.is_file():
        raise UserError(f"--out {options.out}: this is the folder of a run; name another folder")
    console = Console()
    with opened(config, layout, console, options) as run:
        from pipeline.steps import benchmark

        making = benchmark.step(run, encode=False)
        steps = Steps(layout, console, lambda: run.engine.start({making.name: making.needs()}))
        steps.run(_ingest_step(run))
        _unmark_missing(layout)
        steps.run(making)
    steps.close()
    return _close(run, layout)


def _ingest_step(run: Run) -> Step:
    """The step that ingests all windows as held out."""
    from pipeline.steps import ingest

    return replace(ingest.step(run), outputs=[run.layout.videos], work=lambda: _ingest(run))


def _ingest(run: Run) -> dict[str, Any]:
    """Write `videos.parquet`, with every usable window held out."""
    from pipeline.corpus.windows import windows_of
    from pipeline.steps.ingest import check_budget, probe_files

    config = run.config
    files = probe_files(run)
    check_budget(files, config)
    rows = [
        {**row, "split": HELDOUT, "round": 0, "recipe": pool_recipe(row["video_id"], 0, config.seed)}
        if row["status"] == OK
        else row
        for row in windows_of(files, config)
    ]
    write_table(run.layout.videos, VIDEOS.table(rows), VIDEOS)
    usable = sum(row["status"] == OK for row in rows)
    if not usable:
        raise UserError(
            f"--videos {config.corpus.videos}: none of {len(files)} file(s) can be used; for example {files[0]['error']}"
        )
    return {"rows": len(rows), "what": f"{len(files)} files, {usable} usable windows"}


def _unmark_missing(layout: RunLayout) -> None:
    """Remove the marks of copies whose files have been deleted, so that they are made again."""
    folder = layout.observed(layout.BENCHMARK)
    table = read_shards(folder, OBSERVED)
    missing = [
        row["video_id"]
        for row in table.to_pylist()
        if row["status"] == OK and not (layout.benchmark_clips / f"{row['video_id']}.mkv").is_file()
    ]
    if missing:
        rest = table.filter(pc.invert(pc.is_in(table["video_id"], value_set=pa.array(missing, pa.string()))))
        remove_files(shards(folder))
        append_shard(folder, rest, OBSERVED)


def _close(run: Run, layout: ProxyLayout) -> int:
    """Write the CSV, print the teachers' figures, and list the failures."""
    console = run.console
    lines: list[dict[str, object]] = []
    failed = [row for row in read_table(layout.videos, VIDEOS).to_pylist() if row["status"] != OK]
    for suite in SUITES:
        rows = items(layout, suite)
        lines += [_line(row, suite, layout) for row in rows]
        failed += [row for row in read_table(layout.benchmark(suite), BENCHMARK).to_pylist() if row["status"] != OK]
        scores = signed(run.config, benchmark_scores(run, [row["video_id"] for row in rows]))
        table = [(name, figures(values, rows)) for name, values in scores.items()]
        print_figures(Console(sys.stdout), f"{suite} distortions: {len(rows)} copies", "teacher", table, tuple(NAMES))
    write_bytes(layout.table, _csv(lines))
    console.line(f"benchmark: {layout.table} ({len(lines)} copies)")
    console.line(f"use it: python run.py evaluate MODEL --benchmark {layout.table} --videos-root {layout.root}")
    for row in failed:
        console.warn(f"{row['uri']}: {row['error']}")
    return SOME_FAILED if failed else DONE


def _line(row: dict[str, Any], suite: str, layout: RunLayout) -> dict[str, object]:
    return {
        "video": Path(row["uri"]).relative_to(layout.disk).as_posix(),
        "score": row["mos"],
        "mos": row["mos"],
        "label": FIRST.name,
        SECOND.name: row["vmaf_v1"],
        "suite": suite,
        "source": row["source_id"],
        "distortion": row["distortion"],
        "level": row["level"],
    }


def _csv(lines: list[dict[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()
