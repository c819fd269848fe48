"""Uploads: a body is written to the disk as it comes, within the limits, and its file is gone when its request ends."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.media.files import FULL as FULL_ERRORS
from actors.media.scratch import Scratch
from pipeline.console import visible
from pipeline.serve.limits import BUSY, FULL, TOO_LARGE, Limits, Refusal

_PREFIX = "w2s-upload-"
_RESERVE_BYTES = 256 << 20  # left free on the disk for what scoring writes
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_LONGEST_NAME = 200
_RETRY_S = 5


@dataclass(frozen=True)
class Upload:
    """A file that has arrived.

    Attributes:
        path: Where it lies until its request ends.
        name: What its owner calls it; text for people, never a path.
        digest: 16 hexadecimal digits of the SHA-256 of its bytes.
    """

    path: Path
    name: str
    digest: str


class Uploads:
    """The folder of uploads. It is removed at the end, or by the next service after a crash.

    Args:
        limits: Limits.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._scratch = Scratch(_PREFIX)
        self._open = 0

    @property
    def folder(self) -> Path:
        """Where the uploads lie."""
        return self._scratch.path

    @property
    def open(self) -> int:
        """Requests that are accepted and not yet answered."""
        return self._open

    def close(self) -> None:
        """Remove the folder."""
        self._scratch.close()

    def enter(self, headers: Mapping[str, str]) -> None:
        """Accept a request before its body is read; `leave` must follow.

        Raises:
            Refusal: Too many requests are open, the body is too large by its own account, or the disk is full.
        """
        if self._open >= self._limits.requests:
            raise Refusal(BUSY, "busy", f"{self._open} requests wait already; try again later", _RETRY_S)
        stated = headers.get("content-length", "")
        size = int(stated) if stated.isascii() and stated.isdigit() else 0
        if size > self._limits.bytes:
            raise self._too_large(size)
        if shutil.disk_usage(self.folder).free < size + _RESERVE_BYTES:
            raise Refusal(FULL, "storage", "the disk of this service is full; try again later", _RETRY_S)
        self._open += 1

    def leave(self) -> None:
        """The request has been answered."""
        self._open -= 1

    async def receive(self, body: AsyncIterator[bytes], name: str) -> Upload:
        """Write a body to the disk; the caller removes it with `discard`.

        Raises:
            Refusal: The body is empty, too large, or pauses for too long, or the disk is full.
        """
        shown = visible(name)[:_LONGEST_NAME] or "video"
        suffix = _SUFFIX.search(shown)  # FFmpeg takes a hint from it
        path = self.folder / (secrets.token_hex(8) + (suffix[0].lower() if suffix else ""))
        try:
            digest = await self._write(body, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Upload(path, shown, digest)

    async def _write(self, body: AsyncIterator[bytes], path: Path) -> str:
        hasher, size = hashlib.sha256(), 0
        with path.open("xb") as file:
            try:
                while chunk := await asyncio.wait_for(anext(body, None), self._limits.idle_s):
                    size += len(chunk)
                    if size > self._limits.bytes:
                        raise self._too_large(size)
                    hasher.update(chunk)
                    file.write(chunk)
            except TimeoutError as late:
                raise Refusal(
                    408, "timeout", f"no byte came for {self._limits.idle_s:g} s; send the file again"
                ) from late
            except OSError as error:
                if error.errno in FULL_ERRORS:
                    raise Refusal(
                        FULL, "storage", "the disk of this service is full; try again later", _RETRY_S
                    ) from error
                raise
        if not size:
            raise Refusal(422, "empty", "the request has no body; send the bytes of a video as it")
        return hasher.hexdigest()[:16]

    def _too_large(self, size: int) -> Refusal:
        return Refusal(
            TOO_LARGE,
            "too_large",
            f"the file has {size / 2**20:.1f} MiB or more; the limit is {self._limits.mib:g} MiB: cut it, or score it with "
            "`run.py score`",
        )

    @staticmethod
    def discard(upload: Upload) -> None:
        """Remove the file of a request."""
        upload.path.unlink(missing_ok=True)


@contextmanager
def uploads(limits: Limits) -> Iterator[Uploads]:
    """`Uploads` for the length of the block."""
    folder = Uploads(limits)
    try:
        yield folder
    finally:
        folder.close()
