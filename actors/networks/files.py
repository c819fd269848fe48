"""Which bytes weights are, told without reading them as weights (no torch)."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from actors.media.outcome import Failure


def digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder in the order of their names; cached until a file changes.

    Raises:
        Failure: There is nothing at `path`.
    """
    files = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
    try:
        stats = [part.stat() for part in files]
    except OSError as error:
        raise Failure("missing", f"there are no weights at {path}") from error
    return _digest(tuple((str(part), stat.st_size, stat.st_mtime_ns) for part, stat in zip(files, stats, strict=True)))


@lru_cache(maxsize=32)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256()
    for name, _, _ in files:
        with Path(name).open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()
