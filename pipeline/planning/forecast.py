"""What a run would do: its steps in order, what is done of them, rows, actors and time. Nothing is started or written.

The list of steps is that of `pipeline.loop` itself, run with a `Steps` that only takes notes. Rows are counted by the
plan functions of the steps; before a corpus is ingested, every file counts as one that is long enough for all its
windows. Times are CPU seconds per row measured once (`pipeline.planning.rates`), or what the same step took in this run so far.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actors.distortions.table import DISTORTIONS
from cluster.pools import Pool, actor_counts
from pipeline.console import Console
from pipeline.corpus.listing import list_inputs, short_id
from pipeline.look.observe import Look, pools
from pipeline.loop import prepare, round_of
from pipeline.method.pairs import Copy, sample_pairs, synthetic_pairs
from pipeline.planning.large_student import is_large, training_gib, training_seconds
from pipeline.planning.rates import MEMORY_GIB, OTHER_GIB, RATES, TRAINING_GIB, look_seconds
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Manifest, Steps, input_fingerprint, read_manifests
from pipeline.run_folder.records import OK, VIDEOS
from pipeline.run_folder.store import write_table
from pipeline.settings.config import Config, fingerprint, per_round
from pipeline.steps import benchmark, ingest, score, shape, synthesise
from pipeline.steps.ingest import TRAIN

Row = dict[str, Any]

DONE, PENDING, LATER = "done", "pending", "done, if its inputs stay"
THIS_RUN, BUILT_IN = "this run", "built-in"


@dataclass(frozen=True)
class StepPlan:
    """One step of the run.

    Attributes:
        name: The step's name.
        state: `DONE`, `PENDING`, `LATER`, or why it must run again.
        rows: Rows that it gives; an upper bound where it says so with `at_most`.
        at_most: The rows depend on what the run finds.
        seconds: Wall-clock time: spent if done, expected otherwise.
        basis: `THIS_RUN` or `BUILT_IN`.
        actors: Processes that work at once.
        gpus: GPUs that they ask for.
        memory_gib: Memory that they need together, roughly.
    """

    name: str
    state: str
    rows: int | None
    at_most: bool
    seconds: float
    basis: str
    actors: int
    gpus: float
    memory_gib: float

    @property
    def left(self) -> float:
        """Seconds that are still to be spent."""
        return 0.0 if self.state in (DONE, LATER) else self.seconds


class Notes(Steps):
    """A `Steps` that runs nothing and notes the name and the state of every step."""

    def __init__(self, layout: RunLayout, console: Console) -> None:
        super().__init__(layout, console)
        self.states: dict[str, str] = {}

    def run_step(
        self,
        name: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[Path],
        work: Callable[[], Mapping[str, Any]],  # noqa: ARG002 - not called here, on purpose
        *,
        keep: Sequence[Path] = (),  # noqa: ARG002 - the same
    ) -> bool:
        """Note the step; nothing runs."""
        self._kept.append(name)
        self.states[name] = self._state(name, inputs, outputs)
        return False

    def _state(self, name: str, inputs: Mapping[str, Any], outputs: Sequence[Path]) -> str:
        try:
            prints = {key: input_fingerprint(value) for key, value in inputs.items()}
        except FileNotFoundError:  # a step before it has not run
            return PENDING
        reason = self._reason(name, prints, fingerprint(prints), outputs)
        if reason is None:
            return DONE if set(self.states.values()) <= {DONE} else LATER
        return f"again: {reason}" if reason else PENDING


def states(config: Config, layout: RunLayout) -> dict[str, str]:
    """Name and state of every step, in the order of the loop."""
    notes = Notes(layout, Console())
    prepare(config, layout, Console(), notes)
    for number in range(1, config.stages + 1):
        round_of(config, layout, Console(), notes, number)
    made = layout.report_html.is_file() and set(notes.states.values()) <= {DONE}
    notes.states["report"] = DONE if made else PENDING
    return notes.states


def corpus_size(config: Config) -> int:
    """Number of input files: listed, or made by the run."""
    corpus = config.corpus
    if corpus.videos is None:
        return min(corpus.made_clips, corpus.limit or corpus.made_clips)
    return len(list_inputs(corpus.videos, corpus.limit).files)


def expected_videos(config: Config, files: int) -> list[Row]:
    """Table `Video` as ingest would write it if every file were usable, unlike the others, and long enough."""
    corpus = config.corpus
    length = max(corpus.window_s, 1.0) * (corpus.windows_per_clip + 1)
    facts = {
        "width": 960,
        "height": 540,
        "fps": 30.0,
        "codec": "h264",
        "bytes": 1,
        "status": OK,
        "error_kind": "",
        "error": "",
    }
    probed = [
        {"video_id": name, "uri": f"file-{k:08d}", "content_id": name, "duration_s": length, **facts}
        for k in range(files)
        for name in [short_id("planned", k)]
    ]
    return ingest.windows_of(probed, config)


@dataclass(frozen=True)
class Work:
    """What the steps look at: rows of each look, and the number of pairs and of mined pairs of each round."""

    files: int
    rendered: bool  # the run makes its own clips
    candidates: list[Row]  # windows that shaping chooses from; none where it is off
    pool: list[Row]
    benchmark: list[Row]
    distorted: dict[int, list[Row]]
    pairs: dict[int, int]
    mined: dict[int, int]


def workload(config: Config, layout: RunLayout, files: int, *, rendered: bool, ingested: bool) -> Work:
    """Count everything with the plan functions of the steps.

    Args:
        files: Number of input files.
        rendered: The run makes its own clips.
        ingested: The run folder's own table of videos is there and valid.
    """
    expected = expected_videos(config, files)
    windows = [row for row in expected if row["split"] == TRAIN and row["copy"] == 0]
    candidates = [] if config.shaping.keep is None else [{**row, "recipe": "", "still": False} for row in windows]
    if ingested:
        return _workload(config, layout, files, candidates, rendered=rendered)
    left_out = {(row["content_id"], row["start_s"]) for row in windows[config.shaping.keep :]} if candidates else set()
    kept = [row for row in expected if row["split"] != TRAIN or (row["content_id"], row["start_s"]) not in left_out]
    with tempfile.TemporaryDirectory(prefix="w2s-plan-") as folder:
        planned = RunLayout.at(folder)
        write_table(planned.videos, VIDEOS.table(kept), VIDEOS)
        return _workload(config, planned, files, candidates, rendered=rendered)


def _workload(config: Config, layout: RunLayout, files: int, candidates: list[Row], *, rendered: bool) -> Work:
    members = score.pool(layout)
    windows = benchmark.sources(config, layout)
    copies = [row for suite in benchmark.SUITES for row in benchmark.plan(config, windows, suite)]
    rounds = range(1, config.stages + 1)
    made = {number: synthesise.plan(config, layout, number) for number in rounds}
    mined = {number: _mined(config, members, number) for number in rounds if number < config.stages}
    pairs = {1: _first_pairs(config, members, made[1])}
    for number in range(2, config.stages + 1):
        pairs[number] = pairs[number - 1] + mined[number - 1]
    return Work(files, rendered, candidates, members, copies, made, pairs, mined)


def _first_pairs(config: Config, members: Sequence[Row], made: Sequence[Row]) -> int:
    ids = [row["video_id"] for row in members if row["round"] == 1]
    total = len(sample_pairs(ids, per_round(config.pairs.homogeneous, 1), config.seed, config.pairs.max_uses))
    counts = per_round(config.pairs.synthetic, 1)
    for family in ("spatial", "temporal", "streaming"):
        copies = [
            Copy(row["video_id"], row["source_id"], row["distortion"], row["level"])
            for row in made
            if row["family"] == family
        ]
        total += len(synthetic_pairs(copies, getattr(counts, family), config.seed, config.distort.include_pristine))
    return total


def _mined(config: Config, members: Sequence[Row], number: int) -> int:
    """Most pairs that round ``number`` can leave for the next."""
    new = sum(row["round"] == number + 1 for row in members)
    games = 2 * len(config.teachers.names)
    missed = config.mining.missed
    each = min(config.mining.pairs, new * config.mining.max_uses // 2)
    total: int = games * each + missed.spatial + missed.temporal + missed.streaming
    return total


def forecast(config: Config, layout: RunLayout, files: int | None = None) -> list[StepPlan]:
    """All steps of a run.

    Args:
        files: Number of input files; default: those that the configuration names.

    Raises:
        UserError: The videos cannot be listed.
    """
    known = states(config, layout)
    count = corpus_size(config) if files is None else files
    rendered = files is None and config.corpus.videos is None
    made = (
        known["ingest" if config.shaping.keep is None else "shape"] == DONE
    )  # the step that writes the table of videos
    work = workload(config, layout, count, rendered=rendered, ingested=made)
    manifests = {one.step: one for one in read_manifests(layout)} if layout.manifests.is_dir() else {}
    cpus = max(2, len(os.sched_getaffinity(0)))
    return [_step(name, state, config, layout, work, manifests, cpus) for name, state in known.items()]


def _step(
    name: str, state: str, config: Config, layout: RunLayout, work: Work, manifests: Mapping[str, Manifest], cpus: int
) -> StepPlan:
    kind, number = _split(name)
    rows, at_most = _rows(kind, number, work, config)
    actors, gpus, memory = _resources(kind, config, layout, cpus)
    seconds = _built_in(kind, number, config, work, cpus)
    plan = StepPlan(name, state, rows, at_most, seconds, BUILT_IN, actors, gpus, memory)
    own = manifests.get(name)
    if state in (DONE, LATER) and own is not None:
        return replace(plan, rows=own.rows, at_most=False, seconds=own.seconds, basis=THIS_RUN)
    alike = [one for step, one in manifests.items() if _split(step)[0] == kind and one.rows]
    if alike and rows:
        per_row = sum(one.seconds for one in alike) / sum(one.rows or 0 for one in alike)
        return replace(plan, seconds=per_row * rows, basis=THIS_RUN)
    return plan


def _split(name: str) -> tuple[str, int]:
    """`distort-2` -> (`distort`, 2); names without a round have number 0."""
    found = re.fullmatch(r"(.+)-(\d+)", name)
    return (found[1], int(found[2])) if found else (name, 0)


def _rows(kind: str, number: int, work: Work, config: Config) -> tuple[int | None, bool]:
    pool, copies = len(work.pool), len(work.benchmark)
    fixed = {
        "ingest": work.files,
        "measure": len(work.candidates),
        "shape": len(work.candidates),
        "score": pool,
        "ensemble": pool,
        "benchmark": copies,
        "evaluate": copies,
        "judge": pool,
    }
    if kind == "benchmark-teachers":
        return copies, False
    if kind in fixed:
        return fixed[kind], False
    if kind == "distort":
        return len(work.distorted[number]), False
    if kind in ("pair", "train"):
        return work.pairs[number], number > 1 or config.pairs.decisive
    if kind == "mine":
        return work.mined[number], True
    return None, False


def _resources(kind: str, config: Config, layout: RunLayout, cpus: int) -> tuple[int, float, float]:
    """Actors, GPUs and GiB of memory of a step."""
    if kind == "train":
        workers = config.training.workers
        each = training_gib(config) if is_large(config) else TRAINING_GIB
        return workers, float(workers if config.run.train_on_gpus else 0), workers * each
    if kind in ("judge", "evaluate", "mine"):
        return 1, config.pools.compare.gpus, OTHER_GIB
    look = _look(kind, config, layout)
    if look is None:
        return 1, 0.0, OTHER_GIB
    chain: list[Pool] = pools(config, look)
    counts = actor_counts(chain, cpus)
    gpus = sum(pool.gpus * count for pool, count in zip(chain, counts, strict=True))
    held = [pool.memory_gib or MEMORY_GIB.get(getattr(pool.work, "__name__", ""), OTHER_GIB) for pool in chain]
    memory = sum(gib * count for gib, count in zip(held, counts, strict=True))
    return sum(counts), gpus, memory


def _look(kind: str, config: Config, layout: RunLayout) -> Look | None:
    if kind == "score":
        return score.look(config, layout)
    if kind == "measure":
        return shape.look(layout)
    if kind == "distort":
        return synthesise.look(config, layout, 1)
    return replace(score.look(config, layout), vmaf=True) if kind == "benchmark" else None


def _built_in(kind: str, number: int, config: Config, work: Work, cpus: int) -> float:
    """Wall-clock seconds by the built-in rates, all CPUs busy."""
    shown = {"score": work.pool, "benchmark": work.benchmark, "distort": work.distorted.get(number, [])}
    shown["measure"] = work.candidates
    if kind in shown:
        taken = {
            "teachers": kind in ("score", "benchmark"),
            "encode": kind != "measure",
            "vmaf": kind == "benchmark",
            "indicators": kind == "measure" or (kind == "score" and score.measures(config)),
        }
        cpu = sum(look_seconds(row, config, rendered=work.rendered, **taken) for row in shown[kind])
        return RATES.pools + cpu / cpus
    if kind == "ingest":
        made = work.files * RATES.render * config.corpus.made_seconds if work.rendered else 0.0
        return RATES.pools + (work.files * RATES.probe + made) / cpus
    if kind == "train":
        if is_large(config):
            return RATES.train + training_seconds(config, work.pairs[number])
        return RATES.train + RATES.pair * work.pairs[number] * config.training.epochs
    videos = {"judge": len(work.pool), "evaluate": len(work.benchmark)}.get(kind)
    return 1.0 if videos is None else 2.0 + RATES.compare * videos


def distortion_rows(config: Config) -> list[tuple[str, str, str, str]]:
    """(name, use, levels, unit) of every distortion: those that the run would make first, then those that are off."""
    uses: dict[str, list[str]] = {}
    for use, names in (
        ("training", config.distort.enabled),
        ("benchmark seen", config.benchmark.seen),
        ("benchmark unseen", config.benchmark.unseen),
    ):
        for name in names:
            uses.setdefault(name, []).append(use)
    for name in DISTORTIONS:
        uses.setdefault(name, ["off"])
    return [
        (name, ", ".join(use), " ".join(f"{level:g}" for level in DISTORTIONS[name].levels), DISTORTIONS[name].unit)
        for name, use in uses.items()
    ]
