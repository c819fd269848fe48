"""Objects in a bucket of S3 or Google Cloud Storage, by the part of `pathlib`'s interface that runs use; see `trainers.places`."""

from __future__ import annotations

import contextlib
import fnmatch
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

RETRIES = 8
RETRY_S = 120.0  # of one request, all its tries together
_REQUEST_S = 300  # of one try, the transfer of a block included
# what is asked for the credentials of a machine's role
_ROLE = re.compile("token request|/latest/api/token|/latest/meta-data/|/computeMetadata/")
_STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)|(?<=HTTP error: )([a-z ]+)")


class BucketError(OSError):
    """A bucket cannot be used, after all tries; one line that repeats nothing that was sent to the service."""


@dataclass(frozen=True)
class Facts:
    """What a listing says of one file.

    Attributes:
        st_size: Bytes.
        st_mtime_ns: When it was written, Unix time in nanoseconds (of an object: in whole seconds or milliseconds).
        stamp: Changes when the contents do.
        settled: No write so close to this moment can have gone unnoticed by the stamp.
    """

    st_size: int
    st_mtime_ns: int
    stamp: str
    settled: bool

    @property
    def st_mtime(self) -> float:
        """When it was written, Unix time in seconds."""
        return self.st_mtime_ns / 1e9


@lru_cache(maxsize=16)
def _store(bucket: str) -> Any:
    from obstore.store import from_url

    return from_url(bucket, **client_settings())


def client_settings() -> dict[str, Any]:
    """Limits of a client of obstore."""
    return {
        "client_options": {
            "allow_http": True,
            "timeout": timedelta(seconds=_REQUEST_S),
        },  # http where the endpoint says so
        "retry_config": {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)},
    }


@contextlib.contextmanager
def _speaking(url: str) -> Iterator[None]:
    """Turn the library's errors, which repeat the service's words, into one line."""
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{url}: there is no such object") from None
    except (AlreadyExistsError, PreconditionError):
        raise FileExistsError(f"{url}: somebody else wrote this object") from None
    except (BaseError, OSError) as error:
        raise BucketError(
            f"{url}: the bucket cannot be used ({_reason(error)}); check its name, the endpoint, the region and the credentials "
            "of the environment, and run the same command again"
        ) from None


def _reason(error: Exception) -> str:
    if _ROLE.search(str(error)):
        return "no credentials: the environment has none, and this machine has no role that gives any"
    found = _STATUS.search(str(error))
    reason = next(filter(None, found.groups())).strip() if found else type(error).__name__
    return f"{reason}, tried again up to {RETRIES} times"


Version: TypeAlias = dict[str, str]  # of an object, as a conditional write names it


def _version(meta: Any) -> Version:
    return {name: meta[name] for name in ("e_tag", "version") if meta[name] is not None}


def _facts(meta: Any) -> Facts:
    when: datetime = meta["last_modified"]
    stamp = meta["e_tag"] or meta["version"] or when.isoformat()
    return Facts(int(meta["size"]), int(when.timestamp() * 1e9), f"{meta['size']} {stamp}", True)


@dataclass(frozen=True, order=True)
class BucketPath:
    """An object, or the prefix of objects, in a bucket; `url` is `s3://bucket/key` or `gs://bucket/key`."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> BucketPath:
        return BucketPath(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> BucketPath:
        """What it lies in."""
        return BucketPath(self.url.rpartition("/")[0])

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        return Path(self.name).suffix

    @property
    def store(self) -> Any:
        """The client of the bucket."""
        return _store("/".join(self.url.split("/")[:3]))

    @property
    def key(self) -> str:
        """The place within the bucket."""
        return "/".join(self.url.split("/")[3:])

    def with_name(self, name: str) -> BucketPath:
        """The neighbour of that name."""
        return self.parent / name

    def expanduser(self) -> BucketPath:
        """Itself: a bucket has no home."""
        return self

    def resolve(self) -> BucketPath:
        """Itself: a key has one form."""
        return self

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: there are no folders."""

    def stat(self) -> Facts:
        """Size, time and stamp. Raises FileNotFoundError."""
        import obstore

        with _speaking(self.url):
            return _facts(obstore.head(self.store, self.key))

    def is_file(self) -> bool:
        """Whether it is an object."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether an object lies below it."""
        return next(self._below(1), None) is not None

    def exists(self) -> bool:
        """Whether it is an object, or one lies below it."""
        return self.is_file() or self.is_dir()

    def read_bytes(self) -> bytes:
        """The whole object. Raises FileNotFoundError."""
        import obstore

        with _speaking(self.url):
            return bytes(obstore.get(self.store, self.key).bytes())

    def read_range(self, start: int, length: int) -> bytes:
        """A part of the object. Raises FileNotFoundError."""
        import obstore

        with _speaking(self.url):
            return bytes(obstore.get_range(self.store, self.key, start=start, length=length))

    def open(self, mode: str = "rb") -> io.RawIOBase:
        """The object for reading here and there. Raises FileNotFoundError."""
        if mode != "rb":
            raise ValueError(f"an object is opened for reading only, not as {mode!r}")
        return _ObjectFile(self)

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole object as text. Raises FileNotFoundError."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data: bytes | memoryview | Path) -> None:
        """Write the object, from memory or from a file of the disk; it appears when it is whole."""
        self._put(data)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """Write the object from text."""
        self._put(text.encode(encoding))

    def _put(self, data: bytes | memoryview | Path, **mode: Any) -> Version:
        import obstore

        if isinstance(data, memoryview):
            data = data.cast("B")  # obstore takes Arrow's views, of signed bytes, for lists of parts
        try:
            with _speaking(self.url):
                return _version(obstore.put(self.store, self.key, data, **mode))
        except FileNotFoundError:
            raise BucketError(f"{self.url}: there is no such bucket; make it, or correct its name") from None

    def create(self, data: bytes) -> Version:
        """Write the object if there is none; returns its version. Raises FileExistsError."""
        return self._put(data, mode="create")

    def replace_version(self, data: bytes, version: Version) -> Version:
        """Write the object if it still has a version; returns the new one. Raises FileExistsError."""
        return self._put(data, mode=version)

    def read_version(self) -> tuple[bytes, Version]:
        """The object and its version. Raises FileNotFoundError."""
        import obstore

        with _speaking(self.url):
            got = obstore.get(self.store, self.key)
            return bytes(got.bytes()), _version(got.meta)

    def replace(self, target: BucketPath) -> None:
        """Move the object within the bucket, over another if there is one."""
        import obstore

        with _speaking(self.url):
            obstore.copy(self.store, self.key, target.key)
            obstore.delete(self.store, self.key)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object. Raises FileNotFoundError."""
        import obstore

        if not missing_ok:
            self.stat()
        with contextlib.suppress(FileNotFoundError), _speaking(self.url):
            obstore.delete(self.store, self.key)

    def iterdir(self) -> Iterator[BucketPath]:
        """What lies directly in it, objects and prefixes."""
        import obstore

        with _speaking(self.url):
            found = obstore.list_with_delimiter(self.store, f"{self.key}/")
        keys = sorted([*found["common_prefixes"], *(meta["path"] for meta in found["objects"])])
        yield from (self / key.rpartition("/")[2] for key in keys)

    def glob(self, pattern: str) -> Iterator[BucketPath]:
        """What lies directly in it and has a name of that form."""
        return (inner for inner in self.iterdir() if fnmatch.fnmatchcase(inner.name, pattern))

    def below(self) -> Iterator[tuple[str, Facts]]:
        """Every object below it: the rest of its key, and its facts."""
        return self._below(1000)

    def _below(self, chunk: int) -> Iterator[tuple[str, Facts]]:
        import obstore

        with _speaking(self.url):
            for metas in obstore.list(self.store, f"{self.key}/", chunk_size=chunk):
                for meta in metas:
                    yield meta["path"].removeprefix(f"{self.key}/"), _facts(meta)


class _ObjectFile(io.RawIOBase):
    """An object as a file: every read asks for its range of bytes."""

    def __init__(self, path: BucketPath) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), max(self._size - self._at, 0))
        if length:
            buffer[:length] = self._path.read_range(self._at, length)
        self._at += length
        return length
