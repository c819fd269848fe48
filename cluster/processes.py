"""The engine for jobs of one machine: each of some processes takes whole rows through all pools, and Ray is not started.

Ray needs some twenty seconds before the first of a few hundred files is judged, most of them for the workers of its pools. These
processes are ready after one. A process is a plain Python that shares nothing with the one that started it but a socket, so a
script that judges files need not guard its main module.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zlib
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from actors.media.rows import check_storage
from cluster import ClusterError
from cluster.capacity import Bundle
from cluster.engine import MAX_BLOCK_ROWS, Progress, Row, Rows, crashed, listed, silent
from cluster.in_process import InProcess, chained
from cluster.pools import MAX_TASK_RETRIES, Pool

if TYPE_CHECKING:
    from trainers.job import ProgressCallback, TrainJob

_AHEAD = 2  # rows that a process has been given: while one is on its way back, it works on the other
_GIB = 0.5  # of memory for each process; together they get half of the machine's
_LEAVE_S = 5.0  # for a process to end by itself
_DEAD = object()
_START = "import sys; from cluster.processes import serve; serve(int(sys.argv[1]))"


def most_processes() -> int:
    """How many processes this machine carries: one for every CPU that this process may use, as far as memory goes."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return max(1, min(len(os.sched_getaffinity(0)), int(memory_gib / 2 / _GIB)))


@dataclass(eq=False)
class _Process:
    """A process.

    Attributes:
        child: It.
        line: Our end of the socket.
        rows: What it was given and has not answered, first the one that it works on.
        ready: Whether it has made its pools.
        home: Its place in `_Left`.
    """

    child: subprocess.Popen[bytes]
    line: Connection
    rows: deque[Row] = field(default_factory=deque)
    ready: bool = False
    home: int = 0

    @classmethod
    def started(cls) -> _Process:
        ours, theirs = Pipe()
        try:
            place = os.pathsep.join(path for path in sys.path if path)
            # one order of every sum, as in Ray's workers
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            environment = {**os.environ, **threads, "PYTHONPATH": place}
            command = [sys.executable, "-c", _START, str(theirs.fileno())]
            # in a session of its own: what it starts can be ended with it, and an interrupt of the terminal reaches us alone
            child = subprocess.Popen(
                command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
            )
        finally:
            theirs.close()
        return cls(child, ours)

    def tell(self, message: object) -> None:
        with suppress(OSError):  # a process that has died answers with the end of its line
            self.line.send(message)

    def give(self, row: Row) -> None:
        self.rows.append(row)
        self.tell(row)

    def answer(self) -> Any:
        """A finished row, an error of its pools, None if it only made itself ready, or `_DEAD`.

        Raises:
            ClusterError: It ended before it was ready, which is the fault of no row.
        """
        try:
            answer = self.line.recv()
        except (EOFError, OSError):
            if self.ready:
                return _DEAD
            code = self.child.wait(_LEAVE_S)
            raise ClusterError(
                f"a process of this machine ended with {code} before its first file (what it said stands above); "
                "is there enough memory? --address local takes Ray instead"
            ) from None
        if answer is None:
            self.ready = True
        elif not isinstance(answer, BaseException):
            self.rows.popleft()
        return answer

    def end(self, *, at_once: bool = False) -> None:
        """End it, and what it has started; a process that is idle ends by itself when its line does."""
        self.line.close()
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=0 if at_once else _LEAVE_S)
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()


class Processes:
    """A `cluster.engine.Engine` of some processes of this machine; use it in a `with` statement.

    Args:
        count: How many processes; as many as the machine carries by default.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or most_processes()
        self._processes: list[_Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._processes:
            self._processes.pop().end(at_once=kind is not None)

    def start(self, needs: Mapping[str, Sequence[Bundle]] | None = None) -> None:
        """Do nothing: a stream starts as many processes as it has rows for."""

    def _filled(self, count: int) -> list[_Process]:
        for process in [process for process in self._processes if process.child.poll() is not None]:
            self._ended(process)
        while len(self._processes) < count:
            self._added()
        return self._processes[:count]

    def _added(self) -> _Process:
        self._processes.append(_Process.started())
        return self._processes[-1]

    def stream(
        self,
        table: Rows,
        pools: Sequence[Pool],
        progress: Progress = silent,
        key: str = "video_id",
        most_rows: int = MAX_BLOCK_ROWS,  # noqa: ARG002 - there are no blocks
    ) -> Iterator[list[Row]]:
        """See `Engine.stream`; a row whose process died at every try comes back failed, with the kind `crash`."""
        rows = listed(table)
        if not rows:
            return
        deaths: Counter[str] = Counter()
        busy = self._filled(min(self.count, len(rows)))
        left = _Left(rows, len(busy))
        finished = False
        try:
            for home, process in enumerate(busy):
                _begin(process, home, pools, left)
            while waiting := {process.line: process for process in busy if process.rows}:
                for line in wait(list(waiting)):
                    process = waiting[line]  # type: ignore[index]  # one of those that were waited for
                    answer = process.answer()
                    if answer is _DEAD:
                        yield from _buried(process, left, deaths, key)
                        busy.remove(process)
                        self._ended(process)
                        if left:
                            busy.append(self._added())
                            _begin(busy[-1], process.home, pools, left)
                    elif isinstance(answer, BaseException):
                        raise answer
                    elif answer is not None:
                        if left:
                            process.give(left.next(process.home))
                        check_storage([answer])
                        progress(1)
                        yield [answer]
            for process in busy:
                process.tell(None)  # the pools are done
            finished = True
        finally:
            for process in [] if finished else busy:
                self._ended(process)

    def _ended(self, process: _Process) -> None:
        self._processes.remove(process)
        process.end(at_once=True)

    def calls(
        self, kind: type, arguments: tuple[Any, ...], method: str, work: Sequence[tuple[Any, ...]], gpus: float = 0.0
    ) -> list[Any]:
        """As `Engine.calls`, with one object in this process."""
        return InProcess().calls(kind, arguments, method, work, gpus)

    def train(self, job: TrainJob, on_progress: ProgressCallback | None = None) -> dict[str, Any]:
        """Refuse: a training runs in processes of Ray.

        Raises:
            ClusterError: Always.
        """
        return InProcess().train(job, on_progress)


class _Left:
    """The rows that no process has yet.

    Rows of one file have one home, the process that saw the file before and remembers what it read of it. One that has
    nothing left takes of the others.
    """

    def __init__(self, rows: Sequence[Row], homes: int) -> None:
        self._of: list[deque[Row]] = [deque() for _ in range(homes)]
        for row in rows:
            self._home(row).append(row)

    def __bool__(self) -> bool:
        return any(self._of)

    def _home(self, row: Row) -> deque[Row]:
        return self._of[zlib.crc32(str(row.get("uri")).encode(errors="surrogateescape")) % len(self._of)]

    def next(self, home: int) -> Row:
        if self._of[home]:
            return self._of[home].popleft()
        return max(self._of, key=len).pop()

    def back(self, row: Row) -> None:
        self._home(row).appendleft(row)


def _begin(process: _Process, home: int, pools: Sequence[Pool], left: _Left) -> None:
    """Give a process the pools, and its first rows."""
    process.ready, process.home = False, home
    process.tell(list(pools))
    while left and len(process.rows) < _AHEAD:
        process.give(left.next(home))


def _buried(process: _Process, left: _Left, deaths: Counter[str], key: str) -> Iterator[list[Row]]:
    """What becomes of the rows of a dead process: only the one it worked on may be at fault."""
    first, *others = process.rows
    process.rows.clear()
    for row in reversed(others):
        left.back(row)
    deaths[first[key]] += 1
    if deaths[first[key]] > MAX_TASK_RETRIES:
        yield [crashed(first, key)]
    else:
        left.back(first)


def serve(handle: int) -> None:
    """The work of a process: pools, then rows until None, and again, until the line ends.

    Args:
        handle: File descriptor of its end of the socket.
    """
    line = Connection(handle)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            try:
                _serve_pools(line, line.recv())
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:  # noqa: BLE001 - it is raised again where the rows are wanted
                line.send(_sendable(error))


def _serve_pools(line: Connection, pools: Sequence[Pool]) -> None:
    with chained(pools) as chain:
        line.send(None)  # ready
        while (row := line.recv()) is not None:
            line.send(chain(row))


def _sendable(error: Exception) -> Exception:
    """The error, or its text if it does not survive the way."""
    import pickle

    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever its class does
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
