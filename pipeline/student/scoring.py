"""Score files with a student folder: list the files, cut windows, decode each once, compare with the folder's anchors.

A file is judged by up to three windows of the length that the student was trained on, spread evenly over it (a shorter
file is one window). Each is brought into the common form of the student's run, decoded once and scored; the file's
score and its raw estimate are the means over its windows, its deviation is the root of their mean variance. A file of
which a window cannot be decoded is damaged and counts as failed.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError

from actors.media.colour import AS_USUAL, Rendering
from actors.media.inputs import from_path, is_remote, scheme, to_path
from actors.media.rows import Row, format_recipe
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from pipeline.console import Console, UserError
from pipeline.corpus.listing import PRISTINE, list_inputs, windows
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import StoreError, read_json
from pipeline.settings.sections import CorpusConfig
from pipeline.student.folder import ANCHORS_JSON, Anchors, read_anchors, read_processor
from pipeline.student.released import add_anchors, is_released
from trainers.student.table import SEQUENCE_STUDENTS, VIEWS_TAKEN, student_name

WINDOWS_PER_FILE = 3
WITHOUT_RAY = 8  # windows that this process scores itself: fewer than Ray needs time to start
OK, FAILED = "ok", "failed"


@dataclass(frozen=True, eq=False)
class Model:
    """A student folder that was opened: where it lies, its anchors, and how it wants a window to be sampled."""

    folder: Path
    anchors: Anchors
    spec: SampleSpec
    options: EncodeOptions
    window_s: float


@dataclass(frozen=True)
class FileScore:
    """The score of one file, as `score --json` prints it. `score` is 0-100 at the anchors and not clipped beyond them,
    `raw` the MAP estimate, `std` the posterior deviation on the score scale; `error` is "kind: message"."""

    video: str
    status: str
    score: float | None = None
    raw: float | None = None
    std: float | None = None
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
        kept, strip, side = (int(facts[key]) for key in ("key_frames", "motion_frames", "motion_short_side"))
        spec = SampleSpec(kept, strip, side, views=VIEWS_TAKEN.get(student_name(folder), ()))
        rendering = Rendering(facts.get("hdr", AS_USUAL.hdr), facts.get("interlaced", AS_USUAL.interlaced))
        options = EncodeOptions(max_short_side=facts["max_short_side"], max_fps=facts["max_fps"], rendering=rendering)
        window_s = float(facts["window_s"])
    except (KeyError, TypeError, ValueError, ArithmeticError, SafetensorError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise UserError(f"{folder}: this student is damaged ({detail}); train it again or copy it again") from error
    return Model(folder, anchors, spec, options, window_s)


def _student_folder(name: str) -> Path:
    path = Path(name).expanduser()
    advice = "name a run folder or its round-<k>/student folder"
    if not path.is_dir():
        raise UserError(f"{name}: there is no such folder; {advice}")
    if (path / "config.json").is_file():
        _check_config(path, advice)
        return path.resolve()
    layout = RunLayout.at(path)
    if not layout.manifests.is_dir() and not layout.rounds():
        raise UserError(f"{name}: neither a student (no config.json) nor a run (no manifests); {advice}")
    folder = layout.last_student()
    _check_config(folder, advice)
    return folder


def _check_config(folder: Path, advice: str) -> None:
    config = read_json(folder / "config.json")
    if is_released(folder):
        return
    if not (isinstance(config, dict) and isinstance(config.get("student"), str) and (folder / ANCHORS_JSON).is_file()):
        raise UserError(f"{folder}: no student of this program is there (config.json, {ANCHORS_JSON}); {advice}")


def expand(given: Sequence[str]) -> list[str]:
    """The files that the arguments name, in their order: files as they are, folders and globs sorted by name.

    What does not exist stays in the list under its own name, so that it is reported as failed in its place.
    """
    found: list[str] = []
    for name in given:
        path = Path(to_path(name)).expanduser()
        if is_remote(name):
            found += _listed(name) or [name]
        elif path.is_dir():
            found += _below(path) or [name]
        elif not path.exists() and glob.has_magic(str(path)):
            found += sorted(match for match in glob.glob(str(path), recursive=True) if Path(match).is_file()) or [name]  # noqa: PTH207 - the pattern may be absolute
        else:
            found.append(str(path) if path.exists() else name)
    return found


def _below(folder: Path) -> list[str]:
    """The videos below a folder, named as the user named the folder."""
    root = folder.resolve()
    return [str(folder / Path(to_path(uri)).relative_to(root)) for uri in _listed(from_path(str(folder)))]


def _listed(videos: str) -> list[str]:
    try:
        return list_inputs(videos).files
    except StoreError:
        raise
    except UserError:  # no video in it
        return []


def score_files(
    model: Model, files: Sequence[str], console: Console, address: str | None = None, verbose: bool = False
) -> list[FileScore]:
    """Score files with a student; the answers come in the order of ``files``.

    Up to `WITHOUT_RAY` windows are scored in this process; more, or an address, go through actor pools on Ray.

    Raises:
        UserError: The student's network cannot be loaded.
        ClusterError: Ray cannot be started or joined.
    """
    todo = [{"video_id": f"{k:08d}", "uri": from_path(name)} for k, name in enumerate(files)]
    if address is None and len(todo) <= WITHOUT_RAY:
        headers = _headers_here(todo)
        cut = _windows_of(headers, model)
        if len(cut) <= WITHOUT_RAY:
            return _collected(files, headers, _score_here(cut, model, console), model)
    else:
        headers, cut = [], []
    from cluster.session import SessionSettings, connect

    _encoder(model)
    with connect(address, SessionSettings(verbose=verbose)):
        headers = headers or list(_on_ray(_files_table(todo), _header_pools(), console, "reading headers"))
        cut = cut or _windows_of(headers, model)
        scored = list(_on_ray(_windows_table(cut), _score_pools(model), console, "scoring windows"))
    return _collected(files, headers, scored, model)


def _windows_of(headers: Sequence[Row], model: Model) -> list[Row]:
    sampling = CorpusConfig(window_s=model.window_s, windows_per_clip=WINDOWS_PER_FILE)
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
        for number, (start, length) in enumerate(windows(row["length_s"], sampling))
    ]


def _headers_here(rows: Sequence[Row]) -> list[Row]:
    from actors.folder import HeaderReader

    read = HeaderReader()
    return [read(row) for row in rows]


def _score_here(rows: Sequence[Row], model: Model, console: Console) -> list[Row]:
    if not rows:
        return []
    from actors.folder import WindowReader

    encode = _encoder(model)
    reader = WindowReader(model.spec, model.options)
    try:
        scored = []
        with console.track(len(rows), "scoring windows") as progress:
            for row in rows:
                scored.append(encode(reader(row)))
                progress.advance()
        return scored
    finally:
        reader.close()


def _encoder(model: Model) -> Any:
    """The folder's network in this process.

    Raises:
        UserError: Its files are damaged or of another version; without this look, every worker would die of it.
    """
    from actors.folder import FolderEncoder

    try:
        return FolderEncoder(str(model.folder), model.anchors.features)
    except (
        SafetensorError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        ImportError,
        AttributeError,
        RuntimeError,
    ) as error:
        raise UserError(
            f"{model.folder}: the student cannot be loaded ({error}); copy it again or train it again"
        ) from error


def _header_pools() -> list[Any]:
    from actors.folder import HeaderReader
    from cluster.pools import Pool

    return [Pool(HeaderReader)]


def _score_pools(model: Model) -> list[Any]:
    from actors.folder import FolderEncoder, WindowReader
    from cluster.pools import Pool, cluster_gpus

    # a student that takes whole videos is a large network: one GPU for each that is loaded, where the cluster has any
    gpus = 1.0 if student_name(model.folder) in SEQUENCE_STUDENTS and cluster_gpus() >= 1 else 0.0
    return [
        Pool(WindowReader, {"spec": model.spec, "options": model.options}),
        Pool(FolderEncoder, {"student": str(model.folder), "anchors": model.anchors.features}, gpus=gpus),
    ]


def _files_table(rows: Sequence[Row]) -> pa.Table:
    absolute = [{**row, "uri": _absolute(row["uri"])} for row in rows]
    return pa.Table.from_pylist(absolute, schema=pa.schema([("video_id", pa.string()), ("uri", pa.string())]))


def _absolute(uri: str) -> str:
    """Workers run in folders of their own."""
    return from_path(str(Path(to_path(uri)).absolute())) if scheme(uri) in ("", "file") else uri


def _windows_table(rows: Sequence[Row]) -> pa.Table:
    from pipeline.look.observe import SHOWN

    absolute = [{**row, "uri": _absolute(row["uri"])} for row in rows]
    return pa.Table.from_pylist(absolute, schema=SHOWN)


def _on_ray(table: pa.Table, pools: list[Any], console: Console, title: str) -> Iterator[Row]:
    from cluster.stream import PIXEL_ROWS, stream

    with console.track(table.num_rows, title) as progress:
        for batch in stream(table, pools, progress.advance, most_rows=PIXEL_ROWS):
            yield from batch


def _collected(files: Sequence[str], headers: Sequence[Row], scored: Sequence[Row], model: Model) -> list[FileScore]:
    """One answer per file, in the order of ``files``."""
    by_file: dict[int, list[Row]] = {k: [] for k in range(len(files))}
    for row in [*headers, *sorted(scored, key=lambda row: str(row["video_id"]))]:
        place, _, window = str(row["video_id"]).partition("-")
        if window or row["status"] != OK:  # a header says nothing more once its windows have answered
            by_file[int(place)].append(row)
    return [_file_score(name, by_file[k], model) for k, name in enumerate(files)]


def _file_score(name: str, rows: Sequence[Row], model: Model) -> FileScore:
    failed = next((row for row in rows if row["status"] != OK), None)
    if failed is not None:
        return FileScore(name, FAILED, error=f"{failed['error_kind']}: {failed['error']}")
    logits = np.stack([np.frombuffer(row["logits"], np.float32).reshape(-1, 5) for row in rows])
    raw, score, deviation = model.anchors.score(logits)
    return FileScore(name, OK, float(score.mean()), float(raw.mean()), math.sqrt(float(np.mean(deviation**2))))
