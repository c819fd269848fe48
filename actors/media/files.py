"""Files that are whole or absent, never half written."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


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
