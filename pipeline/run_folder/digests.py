"""Digests of files and folders, each computed once: what a listing says of a file tells whether it must be read again.

Beside a digest stands the state of its files when they were read: names, sizes and stamps (of a disk the times of the last
change, of a bucket the ETag). Files in the same state are not read again, so checking a finished step costs a listing, however
large its outputs are. A disk's clock ticks: what was written in the last seconds is read once more before its state counts.
Without `manifests/.digests` everything is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import StoreError, read_json, write_json
from trainers.bucket import Facts
from trainers.places import Place, blocks, files_below
from trainers.videos import INDEX, packed_digest


def digest(path: Place) -> str:
    """Return 16 hexadecimal digits of the contents of a file, or of the sorted names and contents below a folder.

    Temporary files of unfinished writes and symbolic links are ignored. Of a folder of packed videos the names and digests of
    the videos count, and not in which files they lie.

    Raises:
        FileNotFoundError: `path` does not exist.
    """
    files = dict(files_below(path))
    packed = packed_digest(path, check=True) if INDEX in files else None
    return _of_contents(path, files) if packed is None else packed


def _of_contents(path: Place, files: Mapping[str, Facts]) -> str:
    hasher = hashlib.sha256()
    for name, facts in sorted(files.items()):
        if name:
            hasher.update(f"{name}\0{facts.st_size}\0".encode(errors="surrogateescape"))
        for block in blocks(path / name if name else path):
            hasher.update(block)
    return hasher.hexdigest()[:16]


class Digests:
    """The digests of one run folder. The caller that saves them holds its lock."""

    def __init__(self, layout: RunLayout) -> None:
        self._root, self._file = layout.root, layout.digests
        try:
            known = read_json(self._file)
        except StoreError:  # none yet, or damaged: everything is read
            known = {}
        self._known: dict[str, Any] = known if isinstance(known, dict) else {}
        self._new = False

    def of(self, path: Place, *, written: bool = False) -> str:
        """The digest of `path`; see `digest`.

        Args:
            path: A file or folder.
            written: This process has just written it: the digests that packed videos were written with are believed.

        Raises:
            FileNotFoundError: `path` does not exist.
        """
        files = dict(files_below(path))
        state = hashlib.sha256(repr(sorted((name, facts.stamp) for name, facts in files.items())).encode()).hexdigest()
        place = str(path).removeprefix(f"{self._root}/")
        known = self._known.get(place)
        if isinstance(known, dict) and known.get("state") == state and isinstance(known.get("digest"), str):
            return str(known["digest"])
        packed = packed_digest(path, check=not written) if INDEX in files else None
        value = _of_contents(path, files) if packed is None else packed
        if (written and packed is not None) or all(facts.settled for facts in files.values()):
            self._known[place] = {"state": state, "digest": value}
            self._new = True
        return value

    def save(self) -> None:
        """Keep what is new for the next command."""
        if self._new:
            write_json(self._file, self._known)
            self._new = False
