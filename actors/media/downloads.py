"""Objects of buckets that one node has downloaded: kept up to a size for the next look at them, shared by its workers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Keep:
    """Where downloads are kept, and how much of them.

    Attributes:
        folder: Of the run; each node has a folder of its own below it.
        most_bytes: Of one node; the objects that were used longest ago are removed first.
    """

    folder: str
    most_bytes: int


class Downloads:
    """The downloads of this node. Workers get hard links, so what one removes to make room stays for those who use it."""

    def __init__(self, keep: Keep) -> None:
        self.folder = Path(keep.folder) / platform.node()
        self._objects, self._locks = self.folder / "objects", self.folder / "locks"
        self._most_bytes = keep.most_bytes
        for folder in (self._objects, self._locks):
            folder.mkdir(parents=True, exist_ok=True)

    def fetch(self, key: str, target: Path, download: Callable[[], None]) -> None:
        """Make ``target`` (a new file on the same disk) the object with a key; ``download()`` writes it if it is not kept.

        Workers that want the same object wait for the one that downloads it.
        """
        with self._locked(key):
            if not self._take(key, target):
                download()
                self._put(key, target)

    def _take(self, key: str, target: Path) -> bool:
        stored = self._objects / key
        with self._locked("all"):
            if not stored.exists():
                return False
            os.link(stored, target)
            os.utime(stored)
        return True

    def _put(self, key: str, target: Path) -> None:
        """Keep a whole object, and make room for it if that is possible."""
        size = target.stat().st_size
        if size > self._most_bytes:
            return
        with self._locked("all"):
            oldest = sorted((facts.st_mtime_ns, facts.st_size, path) for path, facts in self._kept())
            free = self._most_bytes - size - sum(size_there for _, size_there, _ in oldest)
            for _, size_there, path in oldest:
                if free < 0:
                    path.unlink()
                    free += size_there
            os.link(target, self._objects / key)

    def _kept(self) -> Iterator[tuple[Path, os.stat_result]]:
        return ((path, path.stat()) for path in self._objects.iterdir())

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self._locks / name).open("w") as lock:  # the kernel frees the lock of a process that dies
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
