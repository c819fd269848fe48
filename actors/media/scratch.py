"""Folders of single workers on their node's own disk: gone with the worker, or with the next one after a crash."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import weakref
from pathlib import Path

_NEW = "new-"  # before the prefix of a folder that is not locked yet


class Scratch:
    """A folder of this process that no other one uses or removes while the process lives.

    The kernel frees the lock of a process that dies, however it dies; whoever makes the next folder with the same prefix
    removes those that are not locked.

    Args:
        prefix: Beginning of the folder's name.
        root: Where the folder lies; default: the worker's temporary folder (`TMPDIR`).

    Attributes:
        path: The folder.

    Raises:
        OSError: The folder cannot be made.
    """

    def __init__(self, prefix: str, root: str | os.PathLike[str] | None = None) -> None:
        place = Path(root if root is not None else tempfile.gettempdir())
        _sweep(place, prefix)
        new = Path(tempfile.mkdtemp(prefix=_NEW + prefix, dir=place))
        lock = os.open(new, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.path = new.rename(place / new.name.removeprefix(_NEW))  # under its own name it has always been locked
        self._end = weakref.finalize(self, _remove, self.path, lock)

    def close(self) -> None:
        """Remove the folder; further calls do nothing."""
        self._end()


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def _sweep(root: Path, prefix: str) -> None:
    """Remove what killed workers of this user left: folders that no living process holds its lock on."""
    for folder in root.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            facts = folder.lstat()
            if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
                continue
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                _remove(folder, lock)
