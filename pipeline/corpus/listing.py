"""Which files are the corpus: list what the user named, cut it into windows, and split it - by rules, without decoding."""

from __future__ import annotations

import csv
import fnmatch
import glob
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actors.distortions.table import DISTORTIONS, suite
from actors.distortions.table import PRISTINE as PRISTINE_NAME
from actors.media import inputs
from actors.media.rows import Recipe, format_recipe
from pipeline.console import UserError
from pipeline.settings.sections import CorpusConfig

_SUFFIXES = (
    "3g2 3gp asf avi flv gif ivf m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts webm wmv y4m"  # a name, not a promise
)
VIDEO_SUFFIXES = frozenset("." + suffix for suffix in _SUFFIXES.split())
MANIFEST_SUFFIXES = frozenset({".csv", ".parquet"})
PRISTINE = (PRISTINE_NAME, 0, 0)  # the window itself in the run's common form
_ROUND_SHARES = (4, 2, 1)  # 200k, 100k and 50k new videos feed rounds 1, 2 and 3 (CVPR 2026, table 2)


@dataclass(frozen=True)
class Listing:
    """What `list_inputs` found.

    Attributes:
        files: Uris (`actors.media.inputs`) in a fixed order, each once.
        passed_over: How many names are no videos by their endings.
        refused: Uris that may not be read, with the reason.
        objects: Size in bytes and time (ns) of the files that lie in a bucket and were listed.
        content_ids: Content ids of the files that are not named by their bytes: clips that the program rendered.
    """

    files: list[str]
    passed_over: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    objects: dict[str, tuple[int, int]] = field(default_factory=dict)
    content_ids: dict[str, str] = field(default_factory=dict)

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


def list_inputs(videos: str, limit: int | None = None) -> Listing:
    """List a folder (recursively), a glob, or a CSV or Parquet manifest with the column ``uri``, local or in a bucket.

    Raises:
        UserError: Nothing there, no column ``uri``, or a bucket that cannot be read.
    """
    why = inputs.refusal(videos)
    if why:
        raise UserError(f"--videos {inputs.printable(videos)}: {why}")
    if inputs.from_path(videos) != videos:  # no configuration file can hold it
        raise UserError(f"--videos: the name is not UTF-8; write it as {inputs.from_path(videos)}")
    try:
        found = (
            _bucket(videos) if inputs.is_remote(videos) else _local(Path(inputs.to_path(videos)).expanduser(), videos)
        )
    except OSError as error:
        raise UserError(f"--videos {videos}: {inputs.reason(error)}") from error
    if not found.files and not found.refused:
        raise UserError(
            f"--videos {videos}: no video there; name a folder, a glob in quotes, or a CSV or Parquet file with a column uri"
        )
    return replace(found, files=list(dict.fromkeys(found.files))[:limit])  # a manifest may name a file twice


def _local(path: Path, videos: str) -> Listing:
    if path.is_dir():
        return _walk(path)
    if path.suffix.lower() in MANIFEST_SUFFIXES and path.is_file():
        with path.open("rb") as file:
            return _manifest(file, videos, partial(_beside, path.resolve().parent))
    if path.is_file():
        return Listing([inputs.from_path(str(path.resolve()))])
    names = glob.glob(str(path), recursive=True)  # noqa: PTH207 - the user's pattern may be absolute
    return Listing(sorted(inputs.from_path(str(Path(name).resolve())) for name in names if Path(name).is_file()))


def _walk(root: Path) -> Listing:
    files, passed_over, refused = [], 0, {}
    resolved = os.path.realpath(root)

    def unreadable(error: OSError) -> None:
        refused[inputs.from_path(str(error.filename))] = f"the folder cannot be listed: {error.strerror}"

    for folder, folders, names in os.walk(resolved, onerror=unreadable, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (os.path.join(folder, name) for name in folders):  # noqa: PTH118 - `Path` is slow on 200,000 names
            if os.path.islink(path):  # noqa: PTH114
                refused[inputs.from_path(path)] = "a link to a folder is not followed; name that folder itself"
        for path in (os.path.join(folder, name) for name in sorted(names) if not name.startswith(".")):  # noqa: PTH118
            why = _outside(path, resolved) if os.path.islink(path) else ""  # noqa: PTH114
            if not _is_video(path):
                passed_over += 1
            elif why:
                refused[inputs.from_path(path)] = why
            else:
                files.append(inputs.from_path(path))
    return Listing(files, passed_over, refused)


def _is_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def _outside(path: str, root: str) -> str:
    """Why a path is not part of the folder: where it really lies."""
    inside = os.path.commonpath([os.path.realpath(path), root]) == root
    return "" if inside else f"it leads out of {root}; name the place where it lies instead"


def _manifest(file: BinaryIO, shown: str, absolute: Callable[[str], tuple[str, str]]) -> Listing:
    """The files of column ``uri``.

    Args:
        file: The manifest.
        shown: How the user named it; its ending tells the format.
        absolute: Gives the uri of a name in the manifest, and why it is refused (empty: it is not).
    """
    files: dict[str, None] = {}
    refused: dict[str, str] = {}
    try:
        for name in (_parquet_names if shown.lower().endswith(".parquet") else _csv_names)(file, shown):
            why = inputs.refusal(name)
            uri, why = (inputs.printable(name), why) if why else absolute(name)
            if why:
                refused[uri] = why
            else:
                files[uri] = None
    except (csv.Error, pa.ArrowException, UnicodeDecodeError, OSError) as error:
        said = inputs.reason(error) if isinstance(error, OSError) else str(error).splitlines()[0]
        raise UserError(f"--videos {shown}: this is no CSV or Parquet file ({said})") from error
    return Listing(list(files), 0, refused)


def _parquet_names(file: BinaryIO, shown: str) -> Iterator[str]:
    table = pq.ParquetFile(file)
    if "uri" not in table.schema_arrow.names:
        raise UserError(f"--videos {shown}: no column uri; found {', '.join(table.schema_arrow.names)}")
    for batch in table.iter_batches(columns=["uri"]):
        for name in batch["uri"].to_pylist():
            if name:
                yield os.fsdecode(name) if isinstance(name, bytes) else str(name)


def _csv_names(file: BinaryIO, shown: str) -> Iterator[str]:
    # names that are no UTF-8 are read as the file system reads them
    reader = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline=""))
    if "uri" not in (reader.fieldnames or ()):
        raise UserError(f"--videos {shown}: no column uri; found {', '.join(reader.fieldnames or ('nothing',))}")
    yield from (row["uri"] for row in reader if row["uri"])


def _beside(root: Path, name: str) -> tuple[str, str]:
    """The uri of a name in a local manifest, and why it is refused: relative names count from the manifest's folder."""
    if inputs.is_remote(name):
        return name, ""
    path = inputs.to_path(name)
    whole = os.path.normpath(root / path)
    return inputs.from_path(whole), "" if Path(path).is_absolute() else _outside(whole, str(root))


def _bucket(uri: str) -> Listing:
    """One object, a manifest, or all videos below a prefix that fit a pattern."""
    from pyarrow.fs import FileSelector, FileType

    uri = uri.rstrip("/")
    try:
        filesystem, path = inputs.open_bucket(uri)
        start = uri.removesuffix(path)
        base = path if not glob.has_magic(path) else re.split(r"/[^/]*[*?[]", path)[0]
        if filesystem.get_file_info(path).type == FileType.File:
            if not path.lower().endswith(tuple(MANIFEST_SUFFIXES)):
                return Listing([uri])
            with filesystem.open_input_file(path) as file:
                return _manifest(file, uri, partial(_below, start + path.rpartition("/")[0]))
        found = filesystem.get_file_info(FileSelector(base, allow_not_found=True, recursive=True))
    except (OSError, pa.ArrowException) as error:
        advice = "check the name, and endpoint, region and credentials in the environment"
        raise UserError(f"--videos {uri}: {inputs.reason(error)}; {advice}") from error
    objects = {start + one.path: (one.size, one.mtime_ns) for one in found if one.type == FileType.File}
    if base != path:
        objects = {name: facts for name, facts in objects.items() if fnmatch.fnmatchcase(name, start + path)}
    videos = {name: objects[name] for name in sorted(objects) if _is_video(name)}
    refused = {name: why for name in videos if (why := inputs.refusal(name))}
    return Listing([name for name in videos if name not in refused], len(objects) - len(videos), refused, videos)


def _below(folder: str, name: str) -> tuple[str, str]:
    """The uri of a name in a bucket's manifest; what is not an object itself counts from the manifest's prefix."""
    uri = name if inputs.is_remote(name) else f"{folder}/{name}"
    local = inputs.scheme(name) == "file" or name.startswith("/")
    return uri, "a manifest in a bucket names no local files" if local else inputs.refusal(uri)


def short_id(*parts: object) -> str:
    """16 hexadecimal digits that name a thing by what it is made of."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def shuffled(ids: Sequence[str], seed: int, purpose: str) -> list[str]:
    """The ids in an order that depends only on the seed, the purpose and each id."""
    return sorted(ids, key=lambda name: short_id(seed, purpose, name))


def windows(duration_s: float, config: CorpusConfig) -> Iterator[tuple[float, float]]:
    """(start, length) in seconds of the windows of a file, evenly spread and not overlapping; length 0 is the whole file."""
    if config.window_s <= 0 or duration_s <= config.window_s:
        yield 0.0, 0.0
        return
    count = min(config.windows_per_clip, int(duration_s // config.window_s))
    gap = (duration_s - count * config.window_s) / (count + 1)
    for index in range(count):
        yield round(gap + index * (gap + config.window_s), 3), config.window_s


def heldout_contents(contents: Sequence[str], share: float, seed: int) -> set[str]:
    """The contents that no training ever sees: a seeded share, at least one, never all."""
    order = shuffled(sorted(set(contents)), seed, "heldout")
    count = min(max(1, round(share * len(order))), max(0, len(order) - 2))
    return set(order[:count])


def pool_rounds(ids: Sequence[str], seed: int) -> dict[str, int]:
    """The round (1, 2, 3) in which each training window enters the pool, in the published shares."""
    order = shuffled(ids, seed, "round")
    edges = np.cumsum(_ROUND_SHARES) / sum(_ROUND_SHARES) * len(order)
    return {name: 1 + int(np.searchsorted(edges, index + 0.5)) for index, name in enumerate(order)}


def degradation(video_id: str, copy: int, seed: int) -> Recipe:
    """A seeded chain of one or two training simulators: how an upload of a clean window may have been treated."""
    rng = np.random.default_rng(int(short_id(seed, "degrade", video_id, copy), 16))
    names = [row.name for row in suite("train")]
    chosen = rng.choice(len(names), size=1 + int(rng.random() < 0.5), replace=False)
    recipe = [
        (names[k], 1 + int(rng.integers(len(DISTORTIONS[names[k]].levels))), int(rng.integers(2**31))) for k in chosen
    ]
    # Codecs come last: a file is encoded after everything that happened to its frames.
    return sorted(recipe, key=lambda step: DISTORTIONS[step[0]].family == "streaming")


def pool_recipe(video_id: str, copy: int, seed: int) -> str:
    """The recipe column of a pool member: copy 0 is the window itself in the run's common form."""
    return format_recipe(degradation(video_id, copy, seed) if copy else [PRISTINE])
