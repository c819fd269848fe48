"""One run per folder: a lock file with host, process and heartbeat.

A process changes the file only while it holds an advisory lock on it, so two commands that start at the same time cannot
both get the folder. A lock is taken over if its process on this host has died, or if the heartbeat of another host has
stopped.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.console import UserError
from pipeline.run_folder.layout import RunLayout

HEARTBEAT_S = 10.0
STALE_S = 120.0  # many heartbeats, because a shared disk may be slow


@dataclass(frozen=True)
class Holder:
    """The process that holds a run folder.

    Attributes:
        host: Its host.
        pid: Its process number.
        born: Its start time, which distinguishes it from a later process with the same number.
        beat: Unix time of its last heartbeat.
    """

    host: str
    pid: int
    born: str
    beat: float

    def alive(self, now: float) -> bool:
        """Whether the holder still runs, as far as this host can tell at Unix time `now`."""
        if self.host == socket.gethostname():
            return _born(self.pid) == self.born
        return now - self.beat < STALE_S


def _born(pid: int) -> str:
    """Return the start time of a process in clock ticks since boot, or "" if there is none (or it is a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()  # the name in parentheses may contain spaces
    return "" if fields[0] == "Z" else fields[19]


def holder(layout: RunLayout) -> Holder | None:
    """Return the process that is running in a folder now, or None."""
    if not layout.lock.is_file():
        return None
    with _opened(layout.lock) as descriptor:
        owner = _read(descriptor)
    return owner if owner is not None and owner.alive(time.time()) else None


class RunLock:
    """Holds a run folder during a `with` block.

    Raises:
        UserError: Another process is running in the folder.
    """

    def __init__(self, layout: RunLayout, clock: Callable[[], float] = time.time) -> None:
        self._path = layout.lock
        self._clock = clock
        self._me = Holder(socket.gethostname(), os.getpid(), _born(os.getpid()), clock())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="run-lock", daemon=True)

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(self._path) as descriptor:
            owner = _read(descriptor)
            if owner is not None and owner.alive(self._clock()):
                raise UserError(
                    f"{self._path.parent}: another run uses this folder (process {owner.pid} on {owner.host}); "
                    "wait for it, stop it, or name another folder with --out"
                )
            _write(descriptor, self._me)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        # Empty the file instead of removing it: a waiting command could otherwise lock a file without a name.
        with _opened(self._path) as descriptor:
            if _read(descriptor) is not None:
                os.ftruncate(descriptor, 0)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            with _opened(self._path) as descriptor:
                me = self._me
                _write(descriptor, Holder(me.host, me.pid, me.born, self._clock()))


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open the lock file and hold the advisory lock on it during the block."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)  # closing releases the lock


def _read(descriptor: int) -> Holder | None:
    data = os.pread(descriptor, 4096, 0)
    try:
        return Holder(**json.loads(data))
    except (ValueError, TypeError):  # empty after a clean end, or incomplete after a crash of the machine
        return None


def _write(descriptor: int, me: Holder) -> None:
    data = json.dumps(asdict(me)).encode()
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))
