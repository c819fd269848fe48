"""Where the files of a run lie: a folder on a disk, or a prefix in a bucket of S3 or Google Cloud Storage.

A place on a disk is a `pathlib.Path`. A place in a bucket is a `BucketPath`, which has the part of that interface that runs
use, so that whoever is given a place need not know which of the two it is. `place` makes either from its text.

Objects appear whole or not at all, and there are no folders: a folder is there while an object lies below it. Endpoint, region
and credentials come from the usual variables of the environment (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, ...;
`GOOGLE_APPLICATION_CREDENTIALS`) or from the role of the machine. Throttling and broken connections are tried again up to
`trainers.bucket.RETRIES` times; then the call raises `BucketError`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

from trainers.bucket import BucketPath, Facts

SCHEMES = ("s3://", "gs://")
TEMPORARY = re.compile(r"^\.[^/]+\.[0-9a-f]{8}\.tmp$")
_BLOCK_BYTES = 1 << 25


Place: TypeAlias = Path | BucketPath


def place(name: str | Place) -> Place:
    """The place that a text names: a bucket's if it begins with `s3://` or `gs://`."""
    if isinstance(name, str) and name.startswith(SCHEMES):
        return BucketPath(name.rstrip("/"))
    return name if isinstance(name, BucketPath) else Path(name)


def absolute(name: str) -> str:
    """The same place for a process in another working directory."""
    return str(place(name).resolve())


def nearby(where: Place) -> str:
    """A place as a user in the present working directory writes it: relative if it lies below, else whole."""
    here = Path.cwd()
    return str(where.relative_to(here)) if isinstance(where, Path) and where.is_relative_to(here) else str(where)


def node_folder(where: Place) -> Path:
    """A folder on the disk of whichever node asks, for files of a run in a bucket that need not last; a place on a disk itself."""
    if isinstance(where, Path):
        return where
    return Path(tempfile.gettempdir()) / f"w2s-{hashlib.sha256(where.url.encode()).hexdigest()[:16]}"


def files_below(where: Place) -> Iterator[tuple[str, Facts]]:
    """Every file below a folder, or the file itself under the name "": its way from there, and its facts.

    Unfinished writes and symbolic links are left out.

    Raises:
        FileNotFoundError: There is neither.
    """
    if isinstance(where, BucketPath):
        found = list(where.below())
        yield from found or [("", where.stat())]
    elif not where.is_dir():
        yield "", _disk_facts(where.stat())
    else:
        for folder, _, names in os.walk(where):
            for name in names:
                path = Path(folder, name)
                if not path.is_symlink() and path.is_file() and not TEMPORARY.match(name):
                    yield path.relative_to(where).as_posix(), _disk_facts(path.stat())


_TICK_S = 2.0  # the coarsest clock of a file system: two writes within it may have one time


def _disk_facts(facts: os.stat_result) -> Facts:
    stamp = f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}"
    settled = time.time() - max(facts.st_mtime, facts.st_ctime) > _TICK_S
    return Facts(facts.st_size, facts.st_mtime_ns, stamp, settled)


def readable(where: Place) -> str | io.RawIOBase:
    """A file as pyarrow opens it. Raises FileNotFoundError for an object that is not there."""
    return str(where) if isinstance(where, Path) else where.open()


def blocks(where: Place, size: int = _BLOCK_BYTES) -> Iterator[bytes]:
    """The bytes of a file, block by block. Raises FileNotFoundError."""
    if isinstance(where, BucketPath):
        whole = where.stat().st_size
        yield from (where.read_range(start, min(size, whole - start)) for start in range(0, whole, size))
        return
    with where.open("rb") as stream:
        while block := stream.read(size):
            yield block


def write_whole(where: Place, data: bytes | memoryview) -> None:
    """Write a file so that a reader sees the old or the new one, never a part."""
    if isinstance(where, BucketPath):
        where.write_bytes(data)
        return
    with atomic_file(where) as stream:
        stream.write(data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; it replaces `path` if the block succeeds and is removed otherwise."""
    with made_whole(path) as temporary, temporary.open("xb") as stream:
        yield stream


@contextlib.contextmanager
def made_whole(where: Place) -> Iterator[Path]:
    """The path of a temporary file that becomes the file when the block succeeds, and is removed otherwise."""
    if isinstance(where, BucketPath):
        with made_on_disk(where) as path:
            yield path
        return
    where.parent.mkdir(parents=True, exist_ok=True)
    temporary = where.with_name(f".{where.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(where)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def made_on_disk(where: Place) -> Iterator[Path]:
    """The path at which a program that knows only disks makes a file; an object is sent when the block succeeds."""
    if isinstance(where, Path):
        yield where
        return
    with tempfile.TemporaryDirectory(prefix="w2s-") as folder:
        path = Path(folder) / where.name
        yield path
        where.write_bytes(path)


@contextlib.contextmanager
def on_disk(folder: Place) -> Iterator[Path]:
    """A folder as a program that knows only disks can read it during the block: itself, or a copy of its objects."""
    if isinstance(folder, Path):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="w2s-") as copy:
        for name, _ in folder.below():
            target = Path(copy) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                stream.writelines(blocks(folder / name))
        yield Path(copy)


def publish(fresh: Path, target: Place) -> None:
    """Put a finished folder of the disk in the place of another one, if there is one. On a disk it is moved."""
    if isinstance(target, BucketPath):
        remove(target)
        for name, _ in files_below(fresh):
            (target / name).write_bytes(fresh / name)
        shutil.rmtree(fresh)
        return
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    fresh.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def remove(where: Place) -> None:
    """Delete a file, or a folder with all that is below it; nothing there is no error."""
    if isinstance(where, BucketPath):
        remove_files(where / name if name else where for name, _ in [*where.below(), ("", None)])
    elif where.is_dir() and not where.is_symlink():
        shutil.rmtree(where)
    else:
        where.unlink(missing_ok=True)


def remove_files(files: Iterable[Place]) -> None:
    """Delete some files; those that are gone already are no error."""
    for file in files:
        file.unlink(missing_ok=True)
