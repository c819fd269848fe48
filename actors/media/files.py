"""Files that are whole or absent, never half written."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from actors.media.outcome import STORAGE, Failure, no_space

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def atomic(destination: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside ``destination`` that takes its name only when the block succeeds.

    Raises:
        OSError: The folder does not exist or cannot be written.
    """
    target = Path(destination)
    partial = target.with_name(f".partial-{os.getpid()}-{secrets.token_hex(6)}{target.suffix}")
    partial.touch(exist_ok=False)
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def room_in(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Inside the block a disk that is full is a Failure that names the folder, whoever noticed it: Python or FFmpeg.

    Raises:
        Failure: ``storage``.
    """
    try:
        yield
    except Failure as failure:
        if failure.kind == STORAGE:
            raise no_space(os.fspath(folder)) from failure
        raise
    except OSError as error:
        if error.errno in FULL:
            raise no_space(os.fspath(folder)) from error
        raise
