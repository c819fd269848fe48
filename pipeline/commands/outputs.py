"""Files that commands write their results into: whether one can be written is known before any work is done."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from pipeline.console import MACHINE, USAGE, UserError
from trainers.places import place

_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_output(file: str | None, option: str) -> None:
    """Refuse an output that cannot be written before any work is done; nothing is left or changed.

    An output in a bucket is not tried.

    Args:
        file: What the user named; None for nothing.
        option: The option that it stands behind.

    Raises:
        UserError: It is a folder or no file, it lies below a file, its name is too long, or its folder may not be written.
    """
    if file is None:
        return
    path = place(file)
    if not isinstance(path, Path):
        return
    if not file:
        raise UserError(f"{option}: the name is empty; name a file")
    try:
        if path.is_dir():
            raise UserError(f"{option} {file}: this is a folder; name a file")
        if path.exists() and not path.is_file():  # a device or a pipe: a rename would put a file in its place
            raise UserError(f"{option} {file}: this is no ordinary file; name one")
        _try(path)
    except OSError as error:
        if error.errno in _FULL:
            raise
        code = MACHINE if isinstance(error, PermissionError) or error.errno == errno.EROFS else USAGE
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise UserError(f"{option} {file}: it cannot be written ({why}); name another file", code) from error


def _try(path: Path) -> None:
    """Make and remove the temporary file of an atomic write, in the nearest folder that is there."""
    folder, missing = path.parent, 0
    while not _is_there(folder):
        missing = max(missing, len(os.fsencode(folder.name)))
        folder = folder.parent
    if missing > os.pathconf(folder, "PC_NAME_MAX"):  # nothing looks at it before the folder above it is made
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    trial = folder / f".{path.name}.{secrets.token_hex(4)}.tmp"
    trial.open("xb").close()
    trial.unlink()


def _is_there(folder: Path) -> bool:
    """Whether a folder exists; what lies below a file, or has too long a name, raises OSError."""
    try:
        folder.stat()
    except FileNotFoundError:
        return False
    return True
