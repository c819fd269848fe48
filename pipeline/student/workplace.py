"""Where files are judged: few in this process, more by processes of this machine, and on a cluster by actors of Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.folder import HeaderReader
from actors.media.inputs import from_path, scheme, to_path
from actors.media.rows import Row
from cluster.capacity import Capacity
from cluster.engine import PIXEL_ROWS, Engine, RayEngine
from cluster.in_process import InProcess
from cluster.joining import chosen
from cluster.pools import Pool
from cluster.processes import Processes
from pipeline.console import Console
from trainers.student.table import student_name, student_row

if TYPE_CHECKING:
    from pipeline.student.scoring import Model

ALONE = 8  # pieces of files that this process judges itself: fewer than other processes need time to start


@dataclass(frozen=True, eq=False)
class Workplace:
    """An engine that runs, with the headers of the files that are to be judged.

    Attributes:
        model: The student.
        engine: Runs the rows.
        headers: What `actors.folder.HeaderReader` says of each file, in any order; `video_id` is a file's place.
        gpus: GPUs of each actor that holds the student.
        here: Whether it is this process.
    """

    model: Model
    engine: Engine
    headers: list[Row]
    gpus: float = 0.0
    here: bool = False

    def student(self, work: Callable[..., Any], **options: Any) -> Pool:
        """The pool of a class that holds the student: takes the one of this process, or loads it in every actor."""
        if self.here:
            return Pool(work, {**options, "encoder": self.model.network})
        loaded = {"student": str(self.model.folder), "anchors": self.model.anchors.features}
        return Pool(work, {**loaded, **options}, gpus=self.gpus)


@contextmanager
def workplace(
    model: Model,
    files: Sequence[str],
    console: Console,
    address: str | None,
    verbose: bool,
    pieces: Callable[[Sequence[Row]], int],
) -> Iterator[Workplace]:
    """Read the headers of files, and have an engine for the length of the block.

    Args:
        model: The student.
        files: Files, as the user named them.
        console: Shows the progress.
        address: Ray cluster to use.
        verbose: Show Ray's own log.
        pieces: How many pieces the files with these headers have; up to `ALONE` of them are judged in this process.

    Raises:
        UserError: The student's network cannot be loaded.
        ClusterError: Ray cannot be started or joined.
        Failure: ``storage``: the disk of temporary files is full.
    """
    names = [from_path(name) for name in files]
    headers: list[Row] = []
    ray = chosen(address)
    on_ray = bool(ray.said)  # asked for, be it one of this machine
    if not on_ray and len(names) <= ALONE:
        here = InProcess()
        headers = _headers(here, names, console, "")
        if pieces(headers) <= ALONE:
            yield Workplace(model, here, headers, here=True)
            return
    _ = model.network  # without this look, every process and worker would die of a damaged file
    if not on_ray and not _is_large(model):
        with Processes() as processes:
            console.line(f"  up to {processes.count} processes of this machine")
            headers = headers or _headers(processes, names, console, "reading headers")
            yield Workplace(model, processes, headers)
        return
    from cluster.session import SessionSettings, connect

    with RayEngine(lambda: connect(address, SessionSettings(verbose=verbose), console.line)) as engine:
        engine.start()
        if headers:
            headers = [{**row, "uri": absolute(row["uri"])} for row in headers]  # workers run in folders of their own
        else:
            headers = _headers(engine, [absolute(name) for name in names], console, "reading headers")
        yield Workplace(model, engine, headers, gpus_of(model, engine.capacity))


def gpus_of(model: Model, capacity: Capacity) -> float:
    """A student that takes whole videos is a large network: one GPU for each that is loaded, where the cluster has any."""
    return 1.0 if _is_large(model) and capacity.most.gpus >= 1 else 0.0


def _is_large(model: Model) -> bool:
    """Whether a machine holds it few times: GPUs and memory have to be shared out."""
    return student_row(student_name(model.folder)).whole_videos


def _headers(engine: Engine, uris: Sequence[str], console: Console, title: str) -> list[Row]:
    return list(streamed(engine, file_rows(uris), [Pool(HeaderReader)], console, title))


def streamed(engine: Engine, rows: Sequence[Row], pools: Sequence[Pool], console: Console, title: str) -> Iterator[Row]:
    """The rows after they have passed the pools, with a bar on the console."""
    with console.track(len(rows), title) as progress:
        for batch in engine.stream(rows, pools, progress.advance, most_rows=PIXEL_ROWS):
            yield from batch


def file_rows(uris: Sequence[str]) -> list[Row]:
    """One row for each file; its `video_id` is its place."""
    return [{"video_id": f"{k:08d}", "uri": uri} for k, uri in enumerate(uris)]


def absolute(uri: str) -> str:
    """A uri that names the same file from any folder."""
    return from_path(str(Path(to_path(uri)).absolute())) if scheme(uri) in ("", "file") else uri
