"""Which files the arguments of a command name: files, folders, globs, lists, and prefixes in buckets."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.media.inputs import from_path, is_remote, to_path
from pipeline.console import UserError
from pipeline.corpus.listing import Listing, NoVideoError, is_manifest, list_inputs


@dataclass(frozen=True)
class Selection:
    """The files that the arguments of a command name.

    Attributes:
        files: In the order of the arguments. What does not exist stays under its own name, so that it is reported as failed
            in its place.
        refused: Names that may not be read, with the reason.
        notes: One line for each folder or prefix in which other files were passed over.
    """

    files: list[str]
    refused: dict[str, str]
    notes: list[str]

    def add(self, name: str, listing: Listing, files: list[str]) -> None:
        """Add what one argument names."""
        self.files.extend(files or ([] if listing.refused else [name]))
        self.refused.update(listing.refused)
        if listing.endings:
            self.notes.append(f"{name}: {listing.passed_over_text()}, passed over")


def expand(given: Sequence[str]) -> Selection:
    """The files that the arguments name: files as they are, folders, globs and prefixes sorted by name, lists in their order.

    Still pictures in a folder are taken: here each file has a score of its own.

    Raises:
        UserError: A name is empty, or a list cannot be read.
    """
    if not all(map(to_path, given)):  # a path without a name is the current folder
        raise UserError("VIDEO: a name is empty; name a file, a folder, a glob in quotes or a list")
    selection = Selection([], {}, [])
    for name in given:
        path = Path(to_path(name)).expanduser()
        if is_remote(name) or (is_manifest(path.name) and path.is_file()):
            listing = _listed(name if is_remote(name) else from_path(str(path)))
            selection.add(name, listing, listing.files)
        elif path.is_dir():
            listing, root = _listed(from_path(str(path))), path.resolve()
            # named as the user named the folder
            selection.add(name, listing, [str(path / Path(to_path(uri)).relative_to(root)) for uri in listing.files])
        elif not path.exists() and glob.has_magic(str(path)):
            matches = sorted(match for match in glob.glob(str(path), recursive=True) if Path(match).is_file())  # noqa: PTH207 - the pattern may be absolute
            selection.add(name, Listing(matches), matches)
        else:
            selection.files.append(str(path) if path.exists() else name)
    return selection


def _listed(videos: str) -> Listing:
    try:
        return list_inputs(videos, stills=True)
    except NoVideoError as nothing:
        return Listing([], nothing.endings)
    except UserError:
        if is_remote(videos) and not is_manifest(videos):
            return Listing([])  # the reader of the object says why, and the other files have their scores
        raise
