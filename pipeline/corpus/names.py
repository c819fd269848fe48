"""Names of videos in tables and on disk: which file or row is which, in folders of any depth, with or without endings."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.corpus.listing import STILL_SUFFIXES, VIDEO_SUFFIXES

_ENDINGS = VIDEO_SUFFIXES | STILL_SUFFIXES | {".yuv"}
Key = tuple[str, ...]


@dataclass(frozen=True)
class Matches:
    """What stands for each name.

    Attributes:
        places: For each name, the index of the candidate that it means, or None.
        missing: Names without a candidate.
        ambiguous: Names for which several candidates fit, or whose candidate fits another name as well.
    """

    places: tuple[int | None, ...]
    missing: tuple[str, ...]
    ambiguous: tuple[str, ...]


def match(names: Sequence[str], candidates: Sequence[str], without: str = "") -> Matches:
    """Find for each name the candidate that it means.

    Both are paths, in any case of letters, with or without the ending of a video file. A candidate fits if one path ends with the
    other, folder by folder; of several that fit, one with the same ending counts. Where none fits, the last part
    alone decides, if it occurs once on both sides: folders are renamed, but two different `01.mp4` are never confused.

    Args:
        names: The names.
        candidates: Paths of files, or names of another table.
        without: A suffix of the last part, in lower case, that only some of them have.
    """
    keys, theirs = [_key(name, without) for name in names], [_key(name, without) for name in candidates]
    by_last: defaultdict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(theirs):
        by_last[key[-1]].append(index)
    often = Counter(key[-1] for key in keys)
    places: list[int | None] = []
    missing, ambiguous = [], []
    for name, key in zip(names, keys, strict=True):
        pool = by_last.get(key[-1], [])
        fits = [index for index in pool if _ends_with(theirs[index], key)]
        if len(fits) > 1:
            ending = PurePosixPath(name.casefold()).suffix
            exact = [index for index in fits if PurePosixPath(candidates[index].casefold()).suffix == ending]
            fits = exact if len(exact) == 1 else fits
        if not fits and len(pool) == 1 and often[key[-1]] == 1:
            fits = pool
        places.append(fits[0] if len(fits) == 1 else None)
        if not fits:
            missing.append(name)
        elif len(fits) > 1:
            ambiguous.append(name)
    taken = Counter(place for place in places if place is not None)
    for k, place in enumerate(places):
        if place is not None and taken[place] > 1:
            ambiguous.append(names[k])
            places[k] = None
    return Matches(tuple(places), tuple(missing), tuple(ambiguous))


def files_below(folders: Sequence[str]) -> list[str]:
    """All files below the folders, sorted within each; links that lead out of their folder are left out."""
    found: list[str] = []
    for folder in folders:
        root = Path(folder).expanduser()
        inside = root.resolve()
        for where, below, files in os.walk(root):
            below.sort()
            paths = [Path(where) / name for name in sorted(files)]
            found += [str(path) for path in paths if not path.is_symlink() or inside in path.resolve().parents]
    return found


def _key(name: str, without: str) -> Key:
    """Parts of the path in lower case, without the ending of a video file and without a suffix."""
    parts = [part for part in name.strip().removeprefix("file://").replace("\\", "/").casefold().split("/") if part]
    if not parts:
        return ("",)
    last = PurePosixPath(parts[-1])
    return (*parts[:-1], (last.stem if last.suffix in _ENDINGS else parts[-1]).removesuffix(without))


def _ends_with(one: Key, other: Key) -> bool:
    shared = min(len(one), len(other))
    return one[-shared:] == other[-shared:]
