"""Where a video's bytes are: the ``uri`` of a row, and the local file that FFmpeg and decord may open for it.

A uri is a plain path, ``file://`` with a percent-encoded path (the form of names that are no UTF-8, which no table can
hold), or an object ``s3://bucket/key`` or ``gs://bucket/key`` with the key as it is. Objects are read through pyarrow,
which takes endpoint, region and credentials from the usual variables of the environment (``AWS_ENDPOINT_URL``,
``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, ...; ``GOOGLE_APPLICATION_CREDENTIALS``); FFmpeg is never given a network
protocol. A worker holds the copy of one object at a time; a run keeps more of them for all workers of a node
(`actors.media.downloads`).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from actors.media.downloads import Downloads, Keep
from actors.media.files import FULL
from actors.media.outcome import Failure, no_space
from actors.media.rows import Row
from actors.media.scratch import Scratch

MAX_BYTES = 4 * 2**30  # of one object
_CHUNK_BYTES = 1 << 22
_PREFIX = "w2s-object-"  # of a worker's folder
_REMOTE = ("s3", "gs")
_ANONYMOUS = "gs://anonymous@"  # a public bucket of Google Cloud Storage, asked without an account
_RETRY_S = 30  # Google's own limit is a quarter of an hour
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SECRET = re.compile(r"[?&;][^=&]*(key|secret|token|signature|credential|passw)[^=&]*=", re.IGNORECASE)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_SERVICE_ERROR = re.compile(r"AWS Error [\w() ]+? operation|(?<=google::cloud::Status\()\w+")


def scheme(uri: str) -> str:
    """The uri's scheme in lower case; empty for a plain path."""
    match = _SCHEME.match(uri)
    return match[1].lower() if match else ""


def is_remote(uri: str) -> bool:
    """Whether the uri names an object of a bucket."""
    return scheme(uri) in _REMOTE


def masked(uri: str) -> str:
    """The uri without what may be a secret: user and password, and all that follows what is named like a key or a token."""
    text = uri if uri.startswith(_ANONYMOUS) else re.sub(r"(://)[^/]*@", r"\1***@", uri)
    secret = _SECRET.search(text)
    return text[: secret.start()] + "?***" if secret and scheme(uri) else text


def refusal(uri: str) -> str:
    """Why a uri may not be read at all; empty when it may."""
    kind = scheme(uri)
    if "\0" in uri:
        return "a name cannot hold a NUL character"
    if kind not in ("", "file", *_REMOTE):
        return f"{kind}:// is not read; use a local path, s3:// or gs://"
    if kind in _REMOTE:
        if from_path(uri) != uri:
            return "a key is UTF-8"
        if masked(uri) != uri:
            return "credentials belong into the environment, not into a uri"
        bucket, *parts = uri.partition("://")[2].split("/")
        if not bucket or not set(parts).isdisjoint({".", ".."}):
            return f"{kind}:// needs a bucket and a key without . and .. in it"
    return ""


def printable(uri: str) -> str:
    """A refused uri as tables and messages can hold it: masked, and what is no UTF-8 replaced."""
    return masked(uri).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def from_path(path: str) -> str:
    """The uri of a local path: the path itself, or percent-encoded when it is no UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "file://" + urllib.parse.quote_from_bytes(os.fsencode(path))
    return path


def to_path(uri: str) -> str:
    """The path that a local uri names."""
    if scheme(uri) != "file":
        return uri
    return os.fsdecode(urllib.parse.unquote_to_bytes(os.fsencode(uri[len("file://") :])))


def reason(error: Exception) -> str:
    """What a storage error is, without the service's own words: they may repeat what they were sent."""
    code = _SERVICE_ERROR.search(str(error))
    if code:
        return code[0]
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__


@lru_cache(maxsize=16)
def _filesystem(root: str) -> Any:
    import pyarrow.fs

    return pyarrow.fs.FileSystem.from_uri(root)[0]


def open_bucket(uri: str) -> tuple[Any, str]:
    """The pyarrow filesystem of an object and the object's path in it (``bucket/key``).

    Raises:
        OSError, pyarrow.ArrowException: The service cannot be reached.
    """
    rest = uri.partition("://")[2]
    root = f"{scheme(uri)}://{rest.partition('/')[0]}" + (
        f"?retry_limit_seconds={_RETRY_S}" if scheme(uri) == "gs" else ""
    )
    return _filesystem(root), rest.removeprefix("anonymous@")


class Inputs:
    """Gives a local file, with a name that is UTF-8, for a uri; the copy of an object stays until the next one.

    Args:
        keep: Where the node keeps objects beyond that, for other workers and later looks; None for nowhere.
        max_bytes: Refuse larger objects.
        timeout_s: Wall-clock limit of one download, seconds.
    """

    def __init__(self, keep: Keep | None = None, max_bytes: int = MAX_BYTES, timeout_s: float = 900.0) -> None:
        self._keep = keep
        self._downloads: Downloads | None = None
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._scratch: Scratch | None = None
        self._held = ""

    def use(self, row: Row, work: Callable[[Row], Row]) -> Row:
        """``work(row)`` with a local path in column ``uri``; what it says of the path is said of the uri.

        Raises:
            Failure: ``refused``, ``missing``, ``too_large``, ``timeout``, or what ``work`` raises.
        """
        uri = str(row["uri"])
        path = self.path(uri)
        try:
            return work({**row, "uri": path})
        except Failure as failure:
            raise Failure(failure.kind, failure.message.replace(path, uri)) from failure

    def path(self, uri: str) -> str:
        """The local file of a uri, valid until the next call.

        Raises:
            Failure: ``refused``, ``missing``, ``too_large``, ``timeout`` or ``storage``.
        """
        why = refusal(uri)
        if why:
            raise Failure("refused", f"{printable(uri)}: {why}")
        plain = "" if is_remote(uri) else to_path(uri)
        if plain and from_path(plain) == plain:
            return plain
        suffix = _SUFFIX.search(uri)  # FFmpeg takes a hint from it
        target = self._own_folder() / (hashlib.sha256(uri.encode()).hexdigest()[:16] + (suffix[0] if suffix else ""))
        if self._held != uri:
            self._held = ""
            for old in target.parent.iterdir():
                old.unlink()
            if plain:  # ffmpeg-python takes no name that is no UTF-8
                target.symlink_to(plain)
            else:
                self._download(uri, target)
            self._held = uri
        return str(target)

    def _own_folder(self) -> Path:
        if self._scratch is None:
            if self._keep is not None:
                self._downloads = Downloads(self._keep)
            self._scratch = Scratch(_PREFIX, None if self._downloads is None else self._downloads.folder)
        return self._scratch.path

    def _download(self, uri: str, target: Path) -> None:
        import pyarrow as pa

        deadline = time.monotonic() + self._timeout_s
        try:
            filesystem, path = open_bucket(uri)
            facts = filesystem.get_file_info(path)
            if facts.size is None:
                raise Failure("missing", f"no object at {uri}; check the manifest")
            if facts.size > self._max_bytes:
                limit = f"the limit is {self._max_bytes / 2**30:g} GiB"
                raise Failure(
                    "too_large", f"{uri} has {facts.size / 2**30:.1f} GiB; {limit}: cut it into shorter files"
                )

            def read() -> None:
                with filesystem.open_input_stream(path) as stream, target.open("wb") as file:
                    while chunk := stream.read(min(_CHUNK_BYTES, facts.size + 1 - file.tell())):
                        file.write(chunk)
                        if time.monotonic() > deadline:
                            late = f"{uri} was not read within {self._timeout_s:g} s; try again later"
                            raise Failure("timeout", late)
                    if file.tell() != facts.size:
                        raise Failure("missing", f"{uri} changed while it was read; run the same command again")

            if self._downloads is None:
                read()
            else:
                state = f"{uri}\0{facts.size}\0{facts.mtime_ns}"  # one that changed is another object
                self._downloads.fetch(hashlib.sha256(state.encode()).hexdigest(), target, read)
        except (OSError, pa.ArrowException) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise no_space(tempfile.gettempdir() if self._keep is None else self._keep.folder) from error
            advice = "check endpoint and credentials"
            raise Failure("missing", f"{uri} cannot be read: {reason(error)}; {advice}") from error
