"""Whether the pictures of an MP4 file are encrypted: FFmpeg decodes them to noise, and its messages do not say why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from actors.media.outcome import Failure

_MOOV_BYTES = 64 * 2**20  # of the index that is looked at; longer ones belong to films of many hours
_BOXES = 1000  # of the file's top level that are looked at: a fragmented file has thousands


def check(name: str, log: str) -> None:
    """Refuse an MP4 file whose pictures are encrypted; `log` is FFmpeg's dump of it.

    Raises:
        Failure: ``decode``.
    """
    if "Input #0, mov" in log and (kind := scheme(name)):
        raise Failure("decode", f"{name} is encrypted ({kind}, Common Encryption); decrypt it first")


def scheme(path: str | os.PathLike[str]) -> str:
    """The scheme of Common Encryption (ISO/IEC 23001-7) of a file's pictures, for example ``cenc``; empty for none.

    Only the sizes of the top-level boxes and the index (``moov``) are read. An encrypted video track has a sample entry
    ``encv``, whose box ``schm`` names the scheme (ISO/IEC 14496-12, protection scheme information).
    """
    try:
        with Path(path).open("rb") as file:
            index = _index(file)
    except OSError:
        return ""
    entry = index.find(b"encv")
    name = index.find(b"schm", entry) if entry >= 0 else -1
    if name < 0:
        return ""
    return index[name + 8 : name + 12].decode("ascii", "replace")


def _index(file: BinaryIO) -> bytes:
    """The content of the box ``moov``; empty where there is none."""
    end = file.seek(0, os.SEEK_END)
    place = 0
    for _ in range(_BOXES):
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            return b""
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        size = int.from_bytes(head[8:16], "big") if size == 1 else size or end - place
        if kind == b"moov":
            file.seek(place)
            return file.read(min(size, _MOOV_BYTES))
        if size < 8:
            return b""
        place += size
    return b""
