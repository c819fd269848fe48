"""Which files are the corpus: list what the user named - a file, a folder, a glob, a list or a bucket - without opening videos."""

from __future__ import annotations

import csv
import fnmatch
import glob
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from actors.media import inputs
from pipeline.console import UserError

# A name, not a promise: FFmpeg looks at the content. Endings of every container in `actors.media.ffmpeg.FORMATS` that is
# used for moving pictures, raw streams of H.264, HEVC, MPEG-1, MPEG-2 and AV1 included.
_SUFFIXES = """
    264 265 3g2 3gp apng asf avi divx dv f4v flv gif h264 h265 hevc ivf m1v m2t m2ts m2v m4v mj2 mjpeg mjpg mkv mov mp4 mpe
    mpeg mpg mts mxf nut obu ogm ogv qt rm rmvb ts vob webm wmv y4m
"""
VIDEO_SUFFIXES = frozenset("." + suffix for suffix in _SUFFIXES.split())
# A corpus of videos must not become one of thumbnails: in a folder, pictures are passed over unless they are asked for.
STILL_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MANIFEST_SUFFIXES = frozenset({".csv", ".jsonl", ".parquet", ".tsv", ".txt"})
_MOST_ENDINGS = 6  # that a message names
_LISTS = "a CSV, TSV, JSONL or Parquet file with a column uri, or a .txt file with one name in each line"


@dataclass(frozen=True)
class Listing:
    """What `list_inputs` gives.

    Attributes:
        files: Uris (`actors.media.inputs`) in a fixed order, each once.
        endings: How many names of each ending were passed over, because it is none of a video; lower case, with dot.
        refused: Uris that may not be read, with the reason.
        objects: Size in bytes and time (ns) of the files that lie in a bucket and were listed.
        content_ids: Content ids of the files that are not named by their bytes: clips that the program rendered.
    """

    files: list[str]
    endings: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    objects: dict[str, tuple[int, int]] = field(default_factory=dict)
    content_ids: dict[str, str] = field(default_factory=dict)

    @property
    def passed_over(self) -> int:
        """How many names were passed over."""
        return sum(self.endings.values())

    def passed_over_text(self) -> str:
        """What was passed over, for the user: "12 files that are no videos by their names (.txt 9, .jpg 3)"; empty for nothing."""
        if not self.endings:
            return ""
        most = sorted(self.endings.items(), key=lambda item: (-item[1], item[0]))
        parts = [f"{ending or 'no ending'} {count}" for ending, count in most[:_MOST_ENDINGS]]
        rest = sum(count for _, count in most[_MOST_ENDINGS:])
        parts += [f"others {rest}"] if rest else []
        plural = (
            "file that is no video by its name" if self.passed_over == 1 else "files that are no videos by their names"
        )
        return f"{self.passed_over} {plural} ({', '.join(parts)})"

    def state(self) -> list[list[object]]:
        """Uri, size and time of every file, so that a changed corpus is noticed without reading it."""
        known = {uri: self.objects.get(uri) or _stamp(uri) for uri in self.files}
        return [[uri, *stamp] for uri, stamp in known.items()] + [[uri, why] for uri, why in self.refused.items()]


def _stamp(uri: str) -> tuple[int, int]:
    if inputs.is_remote(uri):  # of a manifest: a request for each object would take hours
        return 0, 0
    try:
        facts = os.stat(inputs.to_path(uri))  # noqa: PTH116 - a name may be one that `Path` refuses to ask for
    except (OSError, ValueError):
        return 0, 0
    return facts.st_size, facts.st_mtime_ns


class NoVideoError(UserError):
    """A place without a video.

    Attributes:
        endings: What lies there instead (`Listing.endings`).
    """

    def __init__(self, message: str, endings: dict[str, int]) -> None:
        self.endings = endings
        super().__init__(message)


def list_inputs(videos: str, limit: int | None = None, *, stills: bool = False) -> Listing:
    """List a folder (recursively), a glob, or a list of files, local or in a bucket.

    A list is a CSV, TSV, JSONL or Parquet file with the column ``uri`` (a line of JSONL may also be a name by itself), or a
    text file with one name in each line.

    Args:
        videos: What the user named.
        limit: The first so many files.
        stills: Pictures (`STILL_SUFFIXES`) in a folder count as videos of one frame.

    Raises:
        NoVideoError: Nothing there.
        UserError: An empty name, not exactly one column ``uri``, or a bucket that cannot be read.
    """
    if not inputs.to_path(videos):  # a path without a name is the current folder
        raise UserError(f"--videos: the name is empty; name a folder, a glob in quotes, or {_LISTS}")
    why = inputs.refusal(videos)
    if why:
        raise UserError(f"--videos {inputs.printable(videos)}: {why}")
    if inputs.from_path(videos) != videos:  # no configuration file can hold it
        raise UserError(f"--videos: the name is not UTF-8; write it as {inputs.from_path(videos)}")
    wanted = VIDEO_SUFFIXES | STILL_SUFFIXES if stills else VIDEO_SUFFIXES
    try:
        listing = (
            _bucket(videos, wanted)
            if inputs.is_remote(videos)
            else _local(Path(inputs.to_path(videos)).expanduser(), videos, wanted)
        )
    except OSError as error:
        raise UserError(f"--videos {videos}: {inputs.reason(error)}") from error
    if not listing.files and not listing.refused:
        passed = listing.passed_over_text()
        pictures = STILL_SUFFIXES & set(listing.endings)
        advice = "; to train on still pictures, name them with a glob in quotes or in a list" if pictures else ""
        message = f"--videos {videos}: no video there{f', only {passed}' if passed else ''}"
        raise NoVideoError(f"{message}; name a folder, a glob in quotes, or {_LISTS}{advice}", listing.endings)
    return replace(listing, files=list(dict.fromkeys(listing.files))[:limit])  # a list may name a file twice


def is_manifest(name: str) -> bool:
    """Whether a name is that of a list of files."""
    return _ending(name) in MANIFEST_SUFFIXES


def _ending(name: str) -> str:
    ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 - `Path` is slow on 400,000 names
    return "" if ending == "." else ending


def _local(path: Path, videos: str, wanted: frozenset[str]) -> Listing:
    if path.is_dir():
        return _walk(path, wanted)
    if is_manifest(path.name) and path.is_file():
        with path.open("rb") as file:
            return _manifest(file, videos, partial(_beside, path.resolve().parent))
    if path.is_file():
        return Listing([inputs.from_path(str(path.resolve()))])
    names = glob.glob(str(path), recursive=True)  # noqa: PTH207 - the user's pattern may be absolute
    return Listing(sorted(inputs.from_path(str(Path(name).resolve())) for name in names if Path(name).is_file()))


def _walk(root: Path, wanted: frozenset[str]) -> Listing:
    files: list[str] = []
    endings: Counter[str] = Counter()
    refused: dict[str, str] = {}
    resolved = os.path.realpath(root)

    def unreadable(error: OSError) -> None:
        refused[inputs.from_path(str(error.filename))] = f"the folder cannot be listed: {error.strerror}"

    for folders, names in _folders(resolved, unreadable):
        for path in folders:
            refused[inputs.from_path(path)] = "a link to a folder is not followed; name that folder itself"
        for path, linked in names:
            if _ending(path) not in wanted:
                endings[inputs.printable(_ending(path))] += 1
            elif linked and (why := _outside(path, resolved)):
                refused[inputs.from_path(path)] = why
            else:
                files.append(inputs.from_path(path))
    return Listing(files, dict(endings), refused)


def _folders(root: str, unreadable: Callable[[OSError], None]) -> Iterator[tuple[list[str], list[tuple[str, bool]]]]:
    """Of every folder its links to folders and its files, (path, whether it is a link); hidden names are left out.

    As `os.walk`, but the kind of an entry comes from the listing itself: no further call for each of 400,000 names.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                shown = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda one: one.name)
        except OSError as error:
            unreadable(error)
            continue
        above = folder.rstrip("/")
        inner: list[str] = []
        links: list[str] = []
        files: list[tuple[str, bool]] = []
        for entry in shown:
            linked = entry.is_symlink()
            if _is_folder(entry):
                (links if linked else inner).append(f"{above}/{entry.name}")
            else:
                files.append((f"{above}/{entry.name}", linked))
        waiting += reversed(inner)
        yield links, files


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that cannot be followed
        return False


def _outside(path: str, root: str) -> str:
    """Why a path is not part of the folder: where it really lies."""
    inside = os.path.commonpath([os.path.realpath(path), root]) == root
    return "" if inside else f"it leads out of {root}; name the place where it lies instead"


def _manifest(file: BinaryIO, name_given: str, absolute: Callable[[str], tuple[str, str]]) -> Listing:
    """The files that a list names.

    Args:
        file: The list.
        name_given: How the user named it; its ending tells the format.
        absolute: Gives the uri of a name in the list, and why it is refused (empty: it is not).
    """
    files: dict[str, None] = {}
    refused: dict[str, str] = {}
    ending = _ending(name_given)
    try:
        for name in _READERS[ending](file, name_given):
            why = inputs.refusal(name)
            uri, why = (inputs.printable(name), why) if why else absolute(name)
            if why:
                refused[uri] = why
            else:
                files[uri] = None
    except (csv.Error, pa.ArrowException, UnicodeDecodeError, OSError) as error:
        said = inputs.reason(error) if isinstance(error, OSError) else str(error).splitlines()[0]
        raise UserError(f"--videos {name_given}: this is not a valid {_TITLES[ending]} file ({said})") from error
    return Listing(list(files), refused=refused)


def _check_columns(name_given: str, columns: Sequence[str]) -> None:
    """Refuse a list that has no column of names, or several."""
    if (count := columns.count("uri")) > 1:
        raise UserError(f"--videos {name_given}: this is no valid list, it has {count} columns uri; leave one of them")
    if not count:
        raise UserError(f"--videos {name_given}: no column uri; found {', '.join(columns) or 'nothing'}")


def _parquet_names(file: BinaryIO, name_given: str) -> Iterator[str]:
    table = pq.ParquetFile(file)
    names = table.schema_arrow.names
    _check_columns(name_given, [name.strip() for name in names])
    column = next(name for name in names if name.strip() == "uri")
    for batch in table.iter_batches(columns=[column]):
        for name in batch[column].to_pylist():
            if name:
                yield os.fsdecode(name) if isinstance(name, bytes) else str(name)


def _text(file: BinaryIO, newline: str = "") -> io.TextIOWrapper:
    """The list as text; names that are no UTF-8 are read as the file system reads them."""
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _table_names(file: BinaryIO, name_given: str, delimiter: str) -> Iterator[str]:
    reader = csv.reader(_text(file), delimiter=delimiter)
    columns = next(reader, [])
    plain = [name.strip() for name in columns]
    _check_columns(name_given, plain)
    place, spaced = plain.index("uri"), plain != columns
    for cells in reader:
        name = cells[place] if place < len(cells) else ""
        name = (
            name.strip() if spaced else name
        )  # only where the header is written "id, uri": a name may begin with a space
        if name:
            yield name


def _line_names(file: BinaryIO, _shown: str) -> Iterator[str]:
    yield from (name for line in _text(file, newline="\n") if (name := line.rstrip("\r\n")).strip())


def _json_names(file: BinaryIO, name_given: str) -> Iterator[str]:
    for number, line in enumerate(_line_names(file, name_given), 1):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise UserError(f"--videos {name_given}, line {number}: this is not valid JSON ({error})") from error
        if isinstance(value, dict):
            _check_columns(f"{name_given}, line {number}", list(value))
        name = value["uri"] if isinstance(value, dict) else value
        if name is not None and not isinstance(name, str):
            raise UserError(f"--videos {name_given}, line {number}: the uri is {name!r}, which is no name of a file")
        if name:
            yield name


_TITLES = {".csv": "CSV", ".jsonl": "JSONL", ".parquet": "Parquet", ".tsv": "TSV", ".txt": "text"}
_READERS: dict[str, Callable[[BinaryIO, str], Iterator[str]]] = {
    ".csv": partial(_table_names, delimiter=","),
    ".jsonl": _json_names,
    ".parquet": _parquet_names,
    ".tsv": partial(_table_names, delimiter="\t"),
    ".txt": _line_names,
}


def _beside(root: Path, name: str) -> tuple[str, str]:
    """The uri of a name in a local manifest, and why it is refused: relative names count from the manifest's folder."""
    if inputs.is_remote(name):
        return name, ""
    path = inputs.to_path(name)
    whole = os.path.normpath(root / path)
    return inputs.from_path(whole), "" if Path(path).is_absolute() else _outside(whole, str(root))


def _bucket(uri: str, wanted: frozenset[str]) -> Listing:
    """One object, a manifest, or all videos below a prefix that fit a pattern."""
    from pyarrow.fs import FileSelector, FileType

    uri = uri.rstrip("/")
    try:
        filesystem, path = inputs.open_bucket(uri)
        start = uri.removesuffix(path)
        base = path if not glob.has_magic(path) else re.split(r"/[^/]*[*?[]", path)[0]
        if filesystem.get_file_info(path).type == FileType.File:
            if not is_manifest(path):
                return Listing([uri])
            with filesystem.open_input_file(path) as file:
                return _manifest(file, uri, partial(_below, start + path.rpartition("/")[0]))
        entries = filesystem.get_file_info(FileSelector(base, allow_not_found=True, recursive=True))
    except (OSError, pa.ArrowException) as error:
        advice = "check the name, and endpoint, region and credentials in the environment"
        raise UserError(f"--videos {uri}: {inputs.reason(error)}; {advice}") from error
    objects = {start + one.path: (one.size, one.mtime_ns) for one in entries if one.type == FileType.File}
    if base != path:
        objects = {name: facts for name, facts in objects.items() if fnmatch.fnmatchcase(name, start + path)}
    videos = {name: objects[name] for name in sorted(objects) if _ending(name) in wanted}
    endings = Counter(_ending(name) for name in objects if name not in videos)
    refused = {name: why for name in videos if (why := inputs.refusal(name))}
    return Listing([name for name in videos if name not in refused], dict(endings), refused, videos)


def _below(folder: str, name: str) -> tuple[str, str]:
    """The uri of a name in a bucket's manifest; what is not an object itself counts from the manifest's prefix."""
    uri = name if inputs.is_remote(name) else f"{folder}/{name}"
    local = inputs.scheme(name) == "file" or name.startswith("/")
    return uri, "a manifest in a bucket names no local files" if local else inputs.refusal(uri)
