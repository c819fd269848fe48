"""Score files with a student folder: list the files, cut windows, decode each once, compare with the folder's anchors.

A file is judged by three windows, one for every 20 seconds of a longer file, or as many as are asked for, of the length that
the student was trained on, spread evenly over it (a shorter file is one window, a still picture too). Each is brought into
the common form of the student's run, decoded once and scored; the file's figures are the means over its windows, its
deviation is the root of their mean variance. So more windows make no interval narrower: they share their anchors and their
content, and nothing says how much. A file of which a window cannot be decoded is damaged and counts as failed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from safetensors import SafetensorError

from actors.folder import FolderEncoder
from actors.media.colour import AS_USUAL, Rendering
from actors.media.rows import Row, format_recipe
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.sample import Sampler
from cluster.engine import Engine
from cluster.pools import Pool
from pipeline.console import Console, UserError
from pipeline.corpus.rules import PRISTINE
from pipeline.corpus.windows import windows
from pipeline.run_folder.kept import kept_student
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import read_json
from pipeline.settings.sections import CorpusConfig
from pipeline.student.folder import ANCHORS_JSON, Anchors, read_anchors, read_processor
from pipeline.student.released import add_anchors
from pipeline.student.workplace import streamed, workplace
from trainers.places import Place, place
from trainers.student.table import is_released, student_name, student_row

LEAST_WINDOWS, MOST_WINDOWS = 3, 30  # of a file, unless their number is asked for
SECONDS_PER_WINDOW = 20.0  # of a file that is long enough for more than the least
_SCORING = "scoring windows"
OK, FAILED = "ok", "failed"


@dataclass(frozen=True, eq=False)
class Model:
    """A student folder that was opened, with its anchors and with what of a file is judged."""

    folder: Place
    anchors: Anchors
    spec: SampleSpec
    options: EncodeOptions
    window_s: float
    windows: int | None = None

    @cached_property
    def network(self) -> FolderEncoder:
        """The folder's network in this process, loaded once.

        Raises:
            UserError: Its files are damaged or of another version.
        """
        try:
            return FolderEncoder(str(self.folder), self.anchors.features)
        except (
            SafetensorError, OSError, ValueError, KeyError, TypeError, ImportError, AttributeError, RuntimeError,
        ) as error:  # fmt: skip
            raise UserError(
                f"{self.folder}: the student cannot be loaded ({error}); copy it again or train it again"
            ) from error

    @property
    def sampling(self) -> str:
        """What of a file is judged, in words."""
        if self.window_s <= 0:
            return "whole file"
        if self.windows is None:
            often = f"one for every {SECONDS_PER_WINDOW:g} s of a file, {LEAST_WINDOWS} to {MOST_WINDOWS}"
            return f"windows of {self.window_s:g} s, {often}"
        many = f"up to {self.windows} windows" if self.windows > 1 else "1 window"
        return f"{many} of {self.window_s:g} s"

    def most_windows(self, length_s: float) -> int:
        """How many windows of a file are judged, if it is long enough for them."""
        if self.windows is not None:
            return self.windows
        return min(max(LEAST_WINDOWS, math.ceil(length_s / SECONDS_PER_WINDOW)), MOST_WINDOWS)


@dataclass(frozen=True)
class FileScore:
    """The score of one file, as `score --json` prints it.

    Attributes:
        video: The file as the user named it.
        status: "ok" or "failed".
        score: 0-100 on the anchors' scale, higher is better, not clipped beyond the anchors.
        low: Lower end of the 68 % interval, on the same scale.
        high: Its upper end.
        std: Posterior standard deviation, on the same scale.
        mean: Posterior mean, on the same scale.
        raw: The maximum-a-posteriori estimate that `score` is made of, in units of the prior's deviation.
        kind: "video" or "still".
        seconds: Length of the file; 0 for a still.
        seconds_seen: Length of the windows that were judged.
        windows: How many.
        comparisons: With anchors, of all windows together.
        order_gap: Position bias: mean P(window beats anchor) shown second less shown first; only where both were asked.
        note: What is odd about a file that was scored, such as an end before the one that its header promises.
        error: "kind: message" of a failed file.
    """

    video: str
    status: str
    score: float | None = None
    low: float | None = None
    high: float | None = None
    std: float | None = None
    mean: float | None = None
    raw: float | None = None
    kind: str | None = None
    seconds: float | None = None
    seconds_seen: float | None = None
    windows: int | None = None
    comparisons: int | None = None
    order_gap: float | None = None
    note: str | None = None
    error: str | None = None


def open_model(name: str, anchors_of: str | None = None, console: Console | None = None) -> Model:
    """Open a run folder (its latest student), a student folder, or a released checkpoint; only the last loads a network.

    Args:
        anchors_of: Table of the videos that become a released checkpoint's anchors (`pipeline.student.released`).

    Raises:
        UserError: There is no student, its files are damaged, or it has no anchors.
    """
    folder = _student_folder(name)
    if anchors_of is not None:
        if not is_released(folder):
            raise UserError(f"--anchors: {folder} is a student with anchors of its own; leave the option out")
        add_anchors(folder, anchors_of, console or Console())
    elif is_released(folder) and not (folder / ANCHORS_JSON).is_file():
        raise UserError(
            f"{folder}: a released checkpoint comes without anchors to compare with; name five videos of known quality once "
            "with --anchors FILE.csv (columns video and score), and they are kept beside the weights"
        )
    try:
        anchors = read_anchors(folder)
        facts = read_processor(folder)
        anchors.scale()
        key_frames, strip, side = (int(facts[key]) for key in ("key_frames", "motion_frames", "motion_short_side"))
        rendering = Rendering(facts.get("hdr", AS_USUAL.hdr), facts.get("interlaced", AS_USUAL.interlaced))
        spec = SampleSpec(key_frames, strip, side, views=student_row(student_name(folder)).views, rendering=rendering)
        options = EncodeOptions(max_short_side=facts["max_short_side"], max_fps=facts["max_fps"], rendering=rendering)
        window_s = float(facts["window_s"])
    except (KeyError, TypeError, ValueError, ArithmeticError, SafetensorError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise UserError(f"{folder}: this student is damaged ({detail}); train it again or copy it again") from error
    return Model(folder, anchors, spec, options, window_s)


def _student_folder(name: str) -> Place:
    path = place(name).expanduser()
    advice = "name a run folder or its round-<k>/student folder"
    if not path.is_dir():
        raise UserError(f"{name}: there is no such folder; {advice}")
    if (path / "config.json").is_file():
        _check_config(path, advice)
        return path.resolve()
    layout = RunLayout.at(path)
    if not layout.manifests.is_dir() and not layout.rounds():
        raise UserError(f"{name}: neither a student (no config.json) nor a run (no manifests); {advice}")
    folder = kept_student(layout)
    _check_config(folder, advice)
    return folder


def _check_config(folder: Place, advice: str) -> None:
    config = read_json(folder / "config.json")
    if is_released(folder):
        return
    if not (isinstance(config, dict) and isinstance(config.get("student"), str) and (folder / ANCHORS_JSON).is_file()):
        raise UserError(f"{folder}: no student of this program is there (config.json, {ANCHORS_JSON}); {advice}")


def score_files(
    model: Model,
    files: Sequence[str],
    console: Console,
    address: str | None = None,
    verbose: bool = False,
    done: Callable[[FileScore], None] | None = None,
) -> list[FileScore]:
    """Score files with a student; the answers come in the order of ``files``.

    Up to `workplace.ALONE` windows are scored in this process, more by processes of this machine, or by a cluster. `done` is
    called with each answer as soon as it is there.

    Raises:
        UserError: The student's network cannot be loaded.
        ClusterError: Ray cannot be started or joined.
        Failure: ``storage``: the disk of temporary files is full.
    """
    with workplace(model, files, console, address, verbose, lambda headers: len(_windows_of(headers, model))) as place:
        network = Pool(lambda: model.network) if place.here else place.student(FolderEncoder)
        return scores_on(place.engine, model, files, place.headers, network, console, done)


def scores_on(
    engine: Engine,
    model: Model,
    files: Sequence[str],
    headers: Sequence[Row],
    network: Pool,
    console: Console,
    done: Callable[[FileScore], None] | None = None,
) -> list[FileScore]:
    """The scores of files on an engine that runs, in the order of ``files``.

    Args:
        engine: Runs the rows.
        model: The student.
        files: Files, as the user named them.
        headers: What `actors.folder.HeaderReader` says of each, in any order; `video_id` is a file's place in `files`.
        network: The pool with `actors.folder.FolderEncoder`.
        console: Shows the progress, and names files that end early.
        done: Called with each answer as soon as it is there.
    """
    warn(files, headers, console)
    pools = [Pool(Sampler, {"spec": model.spec, "options": model.options}), network]
    scored = streamed(engine, _windows_of(headers, model), pools, console, _SCORING)
    return _collected(files, headers, scored, model, done)


def warn(files: Sequence[str], headers: Sequence[Row], console: Console) -> None:
    """Name the files that end before their header says so: their score is that of the pictures that are there."""
    for row in sorted(headers, key=lambda row: str(row["video_id"])):
        if row.get("note"):
            console.warn(f"{files[int(row['video_id'])]}: {row['note']}")


def _cut(length_s: float, model: Model) -> Iterator[tuple[float, float]]:
    most = model.most_windows(length_s)
    return windows(length_s, CorpusConfig(window_s=model.window_s, windows_per_clip=most))


def _windows_of(headers: Sequence[Row], model: Model) -> list[Row]:
    return [
        {
            "video_id": f"{row['video_id']}-{number}",
            "uri": row["uri"],
            "start_s": start,
            "duration_s": length,
            "recipe": format_recipe([PRISTINE]),
            "still": False,
        }
        for row in headers
        if row["status"] == OK
        for number, (start, length) in enumerate(_cut(float(row["length_s"]), model))
    ]


def _collected(
    files: Sequence[str],
    headers: Sequence[Row],
    scored: Iterable[Row],
    model: Model,
    done: Callable[[FileScore], None] | None = None,
) -> list[FileScore]:
    """One answer per file, in the order of ``files``; `done` hears of each when its last window has been scored."""
    left = Counter(_place(row) for row in _windows_of(headers, model))
    rows_of: dict[int, list[Row]] = {_place(row): [] for row in headers}
    answers: dict[int, FileScore] = {}

    def finish(header: Row) -> None:
        where = _place(header)
        rows = sorted(rows_of[where], key=lambda row: str(row["video_id"]))
        answers[where] = _file_score(files[where], header, rows, model)
        if done is not None:
            done(answers[where])

    header_of = {_place(row): row for row in headers}
    for where, header in sorted(header_of.items()):
        if not left[where]:
            finish(header)
    for row in scored:
        where = _place(row)
        rows_of[where].append(row)
        if len(rows_of[where]) == left[where]:
            finish(header_of[where])
    return [answers[k] for k in range(len(files))]


def _place(row: Row) -> int:
    """Which file a header or a window belongs to."""
    return int(str(row["video_id"]).partition("-")[0])


def _file_score(name: str, header: Row, rows: Sequence[Row], model: Model) -> FileScore:
    failed = next((row for row in (header, *rows) if row["status"] != OK), None)
    if failed is not None:
        return FileScore(name, FAILED, error=f"{failed['error_kind']}: {failed['error']}")
    scores = model.anchors.score(np.stack([np.frombuffer(row["logits"], np.float32).reshape(-1, 5) for row in rows]))
    seconds = float(header["length_s"])
    seen = min(seconds, len(rows) * model.window_s) if model.window_s > 0 else seconds
    return FileScore(
        name,
        OK,
        score=float(scores.score.mean()),
        low=float(scores.low.mean()),
        high=float(scores.high.mean()),
        std=math.sqrt(float(np.mean(scores.std**2))),
        mean=float(scores.mean.mean()),
        raw=float(scores.raw.mean()),
        kind="still" if seconds == 0 else "video",
        seconds=seconds,
        seconds_seen=seen,
        windows=len(rows),
        comparisons=len(rows) * len(model.anchors.ids),
        note=header.get("note") or None,
    )
