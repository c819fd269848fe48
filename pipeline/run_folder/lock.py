"""One run per folder: a lock file, or an object in a bucket, with host, process and heartbeat.

A process changes the file only while it holds an advisory lock on it, and the object only if nobody has changed it since, so
two commands that start at the same time cannot both get the folder. A lock is taken over if its process on this host has
died, or if the heartbeat of another host has stopped.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pipeline.console import UserError
from pipeline.run_folder.layout import RunLayout
from trainers.bucket import BucketError, BucketPath, Version

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
    owner = _record(layout).read()
    return owner if owner is not None and owner.alive(time.time()) else None


class RunLock:
    """Holds a run folder during a `with` block.

    Raises:
        UserError: Another process is running in the folder, or took it over because this one did not answer.
    """

    def __init__(self, layout: RunLayout, clock: Callable[[], float] = time.time) -> None:
        self._root = layout.root
        self._record = _record(layout)
        self._clock = clock
        self._me = Holder(socket.gethostname(), os.getpid(), _born(os.getpid()), clock())
        self._lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="run-lock", daemon=True)

    def __enter__(self) -> Self:
        owner = self._record.claim(self._me, self._clock())
        if owner is not None:
            raise UserError(
                f"{self._root}: another run uses this folder (process {owner.pid} on {owner.host}); "
                "wait for it, stop it, or name another folder with --out"
            )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self._lost:
            raise UserError(
                f"{self._root}: another run took this folder over, since this one had not answered for {STALE_S:g} s; "
                "what is finished is kept, and the other run goes on"
            ) from error
        self._record.release()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            try:
                self._record.beat(replace(self._me, beat=self._clock()))
            except FileExistsError:
                self._lost = True
                os.kill(os.getpid(), signal.SIGTERM)  # ends the work in the main thread, as Ctrl-C does
                return
            except BucketError:
                continue  # the bucket may be back at the next beat; until the lock is stale, nobody takes it


class _Record(Protocol):
    """Where the holder is written."""

    def read(self) -> Holder | None:
        """The holder that is written there."""

    def claim(self, me: Holder, now: float) -> Holder | None:
        """Write `me` unless a holder is alive; return that one."""

    def beat(self, me: Holder) -> None:
        """Write `me`. Raises FileExistsError if somebody else has done so since."""

    def release(self) -> None:
        """Write that nobody holds the folder."""


def _record(layout: RunLayout) -> _Record:
    return _FileRecord(layout.lock) if isinstance(layout.lock, Path) else _ObjectRecord(layout.lock)


class _FileRecord:
    """A file on a disk; whoever changes it holds an advisory lock on it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Holder | None:
        if not self._path.is_file():
            return None
        with _opened(self._path) as descriptor:
            return _read(descriptor)

    def claim(self, me: Holder, now: float) -> Holder | None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(self._path) as descriptor:
            owner = _read(descriptor)
            if owner is not None and owner.alive(now):
                return owner
            _write(descriptor, me)
        return None

    def beat(self, me: Holder) -> None:
        with _opened(self._path) as descriptor:
            _write(descriptor, me)

    def release(self) -> None:
        # Empty the file instead of removing it: a waiting command could otherwise lock a file without a name.
        with _opened(self._path) as descriptor:
            if _read(descriptor) is not None:
                os.ftruncate(descriptor, 0)


class _ObjectRecord:
    """An object in a bucket; every write names the version that it replaces, so of two at the same time one fails."""

    def __init__(self, path: BucketPath) -> None:
        self._path = path
        self._version: Version = {}

    def read(self) -> Holder | None:
        try:
            return _parsed(self._path.read_bytes())
        except FileNotFoundError:
            return None

    def claim(self, me: Holder, now: float) -> Holder | None:
        try:
            self._version = self._path.create(_text(me))
        except FileExistsError:
            data, version = self._path.read_version()
            owner = _parsed(data)
            # a write whose answer was lost is tried again, and then meets itself
            if owner is not None and owner != me and owner.alive(now):
                return owner
            try:
                self._version = self._path.replace_version(_text(me), version)
            except FileExistsError:
                return self.claim(me, now)
        return None

    def beat(self, me: Holder) -> None:
        try:
            self._version = self._path.replace_version(_text(me), self._version)
        except FileExistsError:
            data, version = self._path.read_version()
            owner = _parsed(data)
            if owner is None or replace(owner, beat=me.beat) != me:
                raise
            self._version = version  # this very write, whose answer was lost

    def release(self) -> None:
        with suppress(FileExistsError):  # somebody else's by now
            self._path.replace_version(b"", self._version)


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
    return _parsed(os.pread(descriptor, 4096, 0))


def _write(descriptor: int, me: Holder) -> None:
    data = _text(me)
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))


def _parsed(data: bytes) -> Holder | None:
    try:
        return Holder(**json.loads(data))
    except (ValueError, TypeError):  # empty after a clean end, or incomplete after a crash of the machine
        return None


def _text(me: Holder) -> bytes:
    return json.dumps(asdict(me)).encode()
