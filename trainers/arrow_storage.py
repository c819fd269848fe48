"""A bucket as Ray Train writes to it: the client of `trainers.places` behind pyarrow's interface.

pyarrow's own S3 filesystem would be a second client with another idea of the environment (26.0 ignores `AWS_ENDPOINT_URL`), and
it writes empty objects that stand for folders.
"""

from __future__ import annotations

from typing import Any

from obstore.fsspec import BufferedFile, FsspecStore
from pyarrow.fs import FSSpecHandler, PyFileSystem

from trainers.bucket import BucketPath, client_settings


class _File(BufferedFile):
    def write(self, data: Any) -> int:
        """Write bytes; Arrow's buffers are of signed ones, which obstore refuses."""
        unsigned: Any = memoryview(data).cast("B")
        return super().write(unsigned)


class _Store(FsspecStore):
    def _open(self, path: str, mode: str = "rb", *_arguments: Any, **options: Any) -> BufferedFile:
        reading_or_writing: Any = mode
        file: BufferedFile = _File(self, path, reading_or_writing, **options)
        return file


def arrow_storage(folder: BucketPath) -> tuple[str, PyFileSystem]:
    """Path and filesystem of a place in a bucket."""
    scheme, _, path = folder.url.partition("://")
    protocol: Any = scheme  # one of the two that a place may have
    return path, PyFileSystem(FSSpecHandler(_Store(protocol, **client_settings())))
