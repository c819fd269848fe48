"""The queue of jobs: each upload is scored by a thread that waits for replicas, and tells what it does as it goes."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from actors.media.outcome import Failure
from actors.media.rows import Row
from cluster import ClusterError
from cluster.engine import Engine
from cluster.pools import Pool
from pipeline.console import Console, Track
from pipeline.serve.answers import Answer, Answers, answer_of
from pipeline.serve.limits import TOO_LARGE, Limits, Refusal, refused_file
from pipeline.serve.uploads import Upload
from pipeline.student.curve import curves_on
from pipeline.student.results import Results
from pipeline.student.scoring import FAILED, OK, Model, scores_on
from pipeline.student.seconds import Curve
from pipeline.student.workplace import file_rows, streamed

Event = dict[str, Any]
_LOG = logging.getLogger(__name__)


class Cancelled(Exception):  # noqa: N818 - nobody waits for the answer any more
    """The client has gone, or the service stops."""


@dataclass(eq=False)
class Job:
    """One upload on its way to an answer.

    Attributes:
        upload: The file.
        per_second: Whether its curve is wanted.
        cancelled: Set when nobody waits for the answer any more.
    """

    upload: Upload
    per_second: bool
    cancelled: threading.Event = field(default_factory=threading.Event)
    _events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def tell(self, **event: Any) -> None:
        """Hand an event to whoever waits; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: the service has stopped
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def events(self, gone: asyncio.Future[None]) -> AsyncIterator[Event]:
        """What happens to the job, until its `state` is "done" or "failed".

        Args:
            gone: Completes when the client goes away; then the job is cancelled and this ends.
        """
        try:
            while not gone.done():
                coming = asyncio.ensure_future(self._events.get())
                either: set[asyncio.Future[Any]] = {coming, gone}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                event = coming.result()
                yield event
                if event["state"] in ("done", "failed"):
                    return
        finally:
            self.cancelled.set()


class _JobConsole(Console):
    """Where the steps of a job report to: their progress becomes events."""

    def __init__(self, job: Job) -> None:
        super().__init__(plain=True)
        self._job = job

    def line(self, text: str) -> None:
        """Nobody reads it."""

    def warn(self, text: str) -> None:
        """Notes of a file are in its row."""

    @contextmanager
    def track(self, total: int, title: str) -> Iterator[Track]:
        """Tell of every unit."""
        track = _JobTrack(self._job, total, title)
        track.advance(0)
        yield track


class _JobTrack:
    def __init__(self, job: Job, total: int, title: str) -> None:
        self._job, self._total, self._title = job, total, title
        self._done = 0

    def advance(self, count: int = 1, note: str = "") -> None:  # noqa: ARG002 - of the protocol
        if self._job.cancelled.is_set():
            raise Cancelled
        self._done += count
        self._job.tell(state="running", stage=self._title, done=self._done, total=self._total)


@dataclass(frozen=True)
class Pools:
    """The pools of a job; an engine that keeps replicas only looks at their classes.

    Attributes:
        header: `actors.folder.HeaderReader`.
        network: `actors.folder.FolderEncoder`.
        seconds: `actors.seconds.SecondsScorer`.
    """

    header: Pool
    network: Pool
    seconds: Pool


class Desk:
    """Takes uploads and gives answers, some at a time; the others wait in their order.

    Args:
        engine: Runs the rows.
        model: The student.
        pools: What the rows pass.
        limits: Limits.
        at_once: Jobs under way.
    """

    def __init__(self, engine: Engine, model: Model, pools: Pools, limits: Limits, at_once: int) -> None:
        self._engine = engine
        self._pools = pools
        self._model = model
        self._limits = limits
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="job")
        self._waiting: list[Job] = []
        self._running: set[Job] = set()
        self._lock = threading.Lock()
        self.answers = Answers()
        self.facts = Results(model).facts

    @property
    def load(self) -> dict[str, int]:
        """Jobs that wait, and jobs under way."""
        with self._lock:
            return {"waiting": len(self._waiting), "running": len(self._running)}

    def submit(self, job: Job) -> None:
        """Queue a job; one with the bytes of an answer that is kept has it at once."""
        known = self.answers.find(job.upload.digest, per_second=job.per_second)
        if known is not None:
            job.tell(state="done", answer=known.renamed(job.upload.name, kept=True))
            return
        with self._lock:
            self._waiting.append(job)
            before = len(self._waiting) - 1
        job.tell(state="waiting", before=before)
        self._threads.submit(self._run, job)

    def close(self) -> None:
        """Cancel everything."""
        with self._lock:
            for job in (*self._waiting, *self._running):
                job.cancelled.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: Job) -> None:
        with self._lock:
            self._waiting.remove(job)
            self._running.add(job)
            for place, other in enumerate(self._waiting):
                other.tell(state="waiting", before=place)
        end: Event | None = None
        try:
            end = self._end(job)
        finally:
            with self._lock:
                self._running.discard(job)
        if end is not None:  # told at last: whoever hears it finds the desk free
            job.tell(**end)

    def _end(self, job: Job) -> Event | None:
        """Do the work of a job; its last event, or None where nobody waits for it any more."""
        try:
            answer = self._answer(job)
        except Cancelled:
            return None
        except Refusal as refusal:
            return {"state": "failed", "refusal": _named(refusal, job.upload)}
        except Failure as failure:  # of the service's disk
            return {"state": "failed", "refusal": refused_file(f"{failure.kind}: the disk of this service is full")}
        except ClusterError as error:
            return {"state": "failed", "refusal": Refusal(500, "crash", f"the service failed: {error}")}
        except Exception:  # noqa: BLE001 - logged, and the thread goes on with the next job
            _LOG.exception("a job failed by an error of the program")
            return {"state": "failed", "refusal": Refusal(500, "crash", "the service failed; its log says more")}
        self.answers.keep(answer)
        return {"state": "done", "answer": answer}

    def _answer(self, job: Job) -> Answer:
        if job.cancelled.is_set():
            raise Cancelled
        name, console = str(job.upload.path), _JobConsole(job)
        (header,) = streamed(self._engine, file_rows([name]), [self._pools.header], console, "reading the file")
        self._check(header)
        (score,) = scores_on(self._engine, self._model, [name], [header], self._pools.network, console)
        if score.status == FAILED:
            raise refused_file(score.error)
        curve = self._curve(name, header, console) if job.per_second else None
        return answer_of(job.upload, score, curve, self.facts)

    def _curve(self, name: str, header: Row, console: Console) -> Curve:
        (curve,) = curves_on(self._engine, self._model, [name], [header], self._pools.seconds, console)
        return curve

    def _check(self, header: Row) -> None:
        """Refuse a file before any of its pictures is scored."""
        if header["status"] != OK:
            raise refused_file(f"{header['error_kind']}: {header['error']}")
        elsewhere = "score it with `run.py score`"
        width, height, seconds = int(header["width"]), int(header["height"]), float(header["length_s"])
        if width * height > self._limits.pixels:
            limit = f"the limit is {self._limits.pixels} pixels: shrink it, or {elsewhere}"
            raise Refusal(TOO_LARGE, "too_large", f"the pictures have {width}x{height}; {limit}")
        if seconds > self._limits.seconds:
            limit = f"the limit is {self._limits.seconds:g} s: cut it, or {elsewhere}"
            raise Refusal(TOO_LARGE, "too_long", f"the video lasts {seconds:.1f} s; {limit}")


def _named(refusal: Refusal, upload: Upload) -> Refusal:
    """The refusal with the name that the owner of the file knows."""
    message = refusal.message.replace(str(upload.path), upload.name)
    return Refusal(refusal.status, refusal.kind, message, refusal.retry_s)
