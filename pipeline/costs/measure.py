"""Measure the rates of a plan on a few of the user's own videos: the actors of a run, in this process, one after another."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from actors.distortions.table import DISTORTIONS, PRISTINE
from actors.media.outcome import Failure
from actors.media.rows import format_recipe
from actors.media.views import SampleSpec
from actors.probe import Probe
from actors.sample import Sampler, Synthesise
from actors.score import StudentEncoder, TeacherScorer
from actors.teachers import is_network
from cluster.engine import Row
from pipeline.console import Console, UserError
from pipeline.corpus.facts import Typical, shown, whole_file_s
from pipeline.corpus.listing import list_inputs
from pipeline.corpus.rules import short_id
from pipeline.corpus.windows import windows
from pipeline.costs.cpu import TreeClock
from pipeline.costs.loads import EACH_SECOND
from pipeline.costs.rates import built_in, make
from pipeline.look.chain import weights_folder
from pipeline.look.look import Look, encode_options, packs, rendering, sample_spec
from pipeline.run_folder.store import write_bytes
from pipeline.settings.config import Config

_ENOUGH_S = 0.5  # of CPU time: the clock of processes ticks every hundredth of a second
_MOST_PASSES = 20
_LEVELS = 2  # of each simulator: the mildest and the strongest


class _Window:
    """A window of the sample with its size in the units of the rates."""

    def __init__(self, row: Row, start: float, seconds: float, config: Config) -> None:
        self.area, self.rate = shown(_typical([row]), config.corpus)
        self.seconds = seconds or float(row["duration_s"]) or whole_file_s(config)
        name = short_id(row["uri"], start)
        self.row: Row = {
            "video_id": name,
            "uri": row["uri"],
            "start_s": start,
            "duration_s": seconds,
            "still": False,
            "recipe": "",
        }

    @property
    def clip(self) -> float:
        return self.seconds * self.area * self.rate

    def made(self, name: str, level: int, *, still: bool = False) -> Row:
        """A row that asks for a copy."""
        copy = {"video_id": short_id(self.row["video_id"], name, level), "recipe": format_recipe([(name, level, 1)])}
        return {**self.row, **copy, "still": still, "status": "ok", "error_kind": "", "error": ""}


def measure(config: Config, count: int, console: Console) -> dict[str, Any]:
    """Measure.

    Args:
        config: Configuration of the run that is planned; only what it uses is measured.
        count: Number of videos.
        console: Shows the progress.

    Returns:
        A tree in the form of `rates.yaml`.

    Raises:
        UserError: None of the sampled videos can be read.
    """
    clock = TreeClock()
    files = _probe(config, count, clock)
    good = [row for row in files.rows if row["status"] == "ok"]
    if not good:
        raise UserError(f"none of the {len(files.rows)} sampled videos can be read: {files.rows[0]['error']}")
    cut = [_Window(row, *next(windows(float(row["duration_s"]), config.corpus)), config) for row in good]
    rates: dict[str, float] = {"probe": files.each_s, "scan": 0.0}  # files like these: their size is in the first
    parts: list[tuple[str, Callable[[], Iterator[tuple[str, float]]]]] = [
        ("decoding", lambda: _decoding(config, cut, clock)),
        ("teachers and student", lambda: _models(config, cut, clock, console)),
        ("copies", lambda: _copies(config, cut, clock)),
    ]
    with console.track(len(parts), f"measuring {len(good)} videos") as progress:
        for title, part in parts:
            rates.update(part())
            progress.advance(1, title)
    return {
        "date": dt.datetime.now(tz=dt.UTC).date(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "samples": len(good),
        "typical": {name: float(value) for name, value in asdict(_typical(good)).items()},
        "cpu": {name: float(f"{round(seconds, 6):.4g}") for name, seconds in rates.items()},
    }


def write_rates(path: str, rates: dict[str, Any]) -> None:
    """Write a file of rates.

    Raises:
        UserError: It cannot be written.
    """
    head = "# CPU seconds of each unit (see pipeline/costs/rates.yaml), measured by `run.py plan --measure`.\n"
    try:
        write_bytes(Path(path), (head + yaml.safe_dump(rates, sort_keys=False)).encode())
    except OSError as error:
        raise UserError(f"--measure {path}: {error.strerror}; name a file that can be written") from error


def _typical(rows: Sequence[Row]) -> Typical:
    def mean(name: str) -> float:
        return float(np.mean([float(row[name]) for row in rows]))

    return Typical(mean("duration_s"), mean("width"), mean("height"), mean("fps"), mean("bytes"))


class _Probed:
    def __init__(self, rows: list[Row], each_s: float) -> None:
        self.rows = rows
        self.each_s = each_s


def _probe(config: Config, count: int, clock: TreeClock) -> _Probed:
    """Probe files from all over the listing."""
    files = list_inputs(str(config.corpus.videos), config.corpus.limit).files
    chosen = [files[k] for k in sorted({int(k) for k in np.linspace(0, len(files) - 1, min(count, len(files)))})]
    probe = Probe(max_pixels=SampleSpec().max_pixels, rendering=rendering(config))
    before = clock.seconds()
    rows = [probe({"video_id": short_id(uri), "uri": uri, "content_id": ""}) for uri in chosen]
    return _Probed(rows, (clock.seconds() - before) / len(rows))


def _timed(clock: TreeClock, work: Callable[[], object]) -> float:
    """CPU seconds of one pass, from as many as give the clock something to read."""
    before, passes = clock.seconds(), 0
    while True:
        work()
        passes += 1
        spent = clock.seconds() - before
        if spent >= _ENOUGH_S or passes == _MOST_PASSES:
            return spent / passes


def _decoding(config: Config, cut: Sequence[_Window], clock: TreeClock) -> Iterator[tuple[str, float]]:
    spec, clip = sample_spec(config, _look(config)), sum(one.clip for one in cut)
    seconds: dict[bool, float] = {}
    for measured in (False, True):
        with closing(Sampler(spec, encode_options(config), measure=measured)) as sampler:
            sampler(dict(cut[0].row))  # starts its process
            seconds[measured] = _timed(clock, lambda: [sampler(dict(one.row)) for one in cut])
    yield "decode", seconds[False] / clip
    yield "indicators", max(0.0, seconds[True] - seconds[False]) / clip


def _look(config: Config) -> Look:
    """A look that asks for everything; nothing is stored."""
    nowhere = Path(os.devnull)
    return Look(nowhere, nowhere, dict.fromkeys(config.teachers.names, nowhere), {})


def _models(config: Config, cut: Sequence[_Window], clock: TreeClock, console: Console) -> Iterator[tuple[str, float]]:
    """Every teacher and the student's encoder, on decoded windows; what a GPU is to do, or lacks its weights, is left out."""
    with closing(Sampler(sample_spec(config, _look(config)), encode_options(config))) as sampler:
        decoded = [row for one in cut if (row := sampler(dict(one.row)))["status"] == "ok"]
    if not decoded:
        return
    for name in config.teachers.names:
        if config.pools.score.share_of(name):
            continue
        try:
            scorer = TeacherScorer([name], weights_folder(config))
        except Failure as failure:
            console.warn(f"{name} is not measured: {failure.message}")
            continue
        scorer(dict(decoded[0]))  # loads what it needs
        seconds = _timed(clock, lambda: [scorer(dict(row)) for row in decoded])  # noqa: B023
        units = sum(_teacher_unit(name, one) for one in cut)
        yield f"teacher {name}", seconds / units
    if not packs(config) and not config.pools.encode.gpus:
        encoder = StudentEncoder(config.student.name, dict(config.student.options))
        encoder(dict(decoded[0]))
        yield "encode", _timed(clock, lambda: [encoder(dict(row)) for row in decoded]) / len(decoded)


def _teacher_unit(name: str, one: _Window) -> float:
    if is_network(name):
        return one.seconds if name in EACH_SECOND else 1.0
    return one.area


def _copies(config: Config, cut: Sequence[_Window], clock: TreeClock) -> Iterator[tuple[str, float]]:
    """Every simulator of the run, on windows in turn, then VMAF."""
    preset = config.distort.x265_preset
    used = dict.fromkeys([PRISTINE, *config.distort.enabled, *config.benchmark.seen, *config.benchmark.unseen])
    spent: dict[str, list[float]] = {}
    for k, name in enumerate(used):
        levels = (0,) if name == PRISTINE else sorted({1, len(DISTORTIONS[name].levels)})[:_LEVELS]
        for level in levels:
            one = cut[k % len(cut)]
            spent.setdefault(make(name, preset), []).append(_made(config, one.made(name, level), clock) / one.clip)
            if name != PRISTINE and DISTORTIONS[name].family == "spatial" and config.distort.still_spatial:
                still = _made(config, one.made(name, level, still=True), clock) / one.area
                spent.setdefault("still", []).append(still)
    rates = {name: float(np.mean(values)) for name, values in spent.items()}
    yield from rates.items()
    seconds, plain = (_made(config, cut[0].made("h264", 1), clock, vmaf=vmaf) / cut[0].clip for vmaf in (True, False))
    yield "vmaf", max(seconds - plain - rates[make(PRISTINE, preset)], 0.1 * built_in().cpu["vmaf"])


def _made(config: Config, row: Row, clock: TreeClock, *, vmaf: bool = False) -> float:
    """CPU seconds of one copy."""

    def once() -> None:
        with closing(Synthesise(encode_options(config), vmaf)) as synthesise:
            made = synthesise(dict(row))
            synthesise.drop(made)

    return _timed(clock, once)
