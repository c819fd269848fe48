"""Which files are the corpus: list what the user named, cut it into windows, and split it - by rules, without decoding."""

from __future__ import annotations

import csv
import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from actors.distortions import DISTORTIONS, suite
from actors.distortions import PRISTINE as PRISTINE_NAME
from actors.rows import Recipe, format_recipe
from pipeline.console import UserError
from pipeline.settings import CorpusConfig

_SUFFIXES = (
    "3g2 3gp asf avi flv gif ivf m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts webm wmv y4m"  # a name, not a promise
)
VIDEO_SUFFIXES = frozenset("." + suffix for suffix in _SUFFIXES.split())
MANIFEST_SUFFIXES = frozenset({".csv", ".parquet"})
PRISTINE = (PRISTINE_NAME, 0, 0)  # the window itself in the run's common form
_ROUND_SHARES = (4, 2, 1)  # 200k, 100k and 50k new videos feed rounds 1, 2 and 3 (CVPR 2026, table 2)


@dataclass(frozen=True)
class Listing:
    """What `list_inputs` found: files in a fixed order, and how many names were passed over because they are no videos."""

    files: list[str]
    passed_over: int


def list_inputs(videos: str, limit: int | None = None) -> Listing:
    """List a folder (recursively), a glob, or a CSV or Parquet manifest with the column ``uri``.

    Raises:
        UserError: Nothing there, no column ``uri``, or an object store.
    """
    if "://" in videos and not videos.startswith("file://"):
        raise UserError(
            f"--videos {videos}: this version reads local files; copy or mount the bucket and name its folder"
        )
    path = Path(videos.removeprefix("file://")).expanduser()
    if path.is_dir():
        found, passed_over = _walk(path)
    elif path.suffix.lower() in MANIFEST_SUFFIXES and path.is_file():
        found, passed_over = _manifest(path), 0
    elif path.is_file():
        found, passed_over = [str(path.resolve())], 0
    else:
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 - the user's pattern may be absolute
        found = sorted(str(Path(name).resolve()) for name in names if Path(name).is_file())
        passed_over = 0
    if not found:
        raise UserError(
            f"--videos {videos}: no video there; name a folder, a glob in quotes, or a CSV or Parquet file with a column uri"
        )
    return Listing(list(dict.fromkeys(found))[:limit], passed_over)  # a manifest may name a file twice


def _walk(root: Path) -> tuple[list[str], int]:
    found, passed_over = [], 0
    resolved = root.resolve()
    for folder, folders, names in os.walk(resolved, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in VIDEO_SUFFIXES or not _is_text(name):
                passed_over += not name.startswith(".")
            elif resolved in path.resolve().parents:  # a link that leads out of the folder is not part of it
                found.append(str(path))
            else:
                passed_over += 1
    return found, passed_over


def _is_text(name: str) -> bool:
    """Whether a file's name is UTF-8: no table can hold another name."""
    return not any("\ud800" <= char <= "\udfff" for char in name)


def _manifest(path: Path) -> list[str]:
    """The local files of column ``uri``; relative names count from the manifest's own folder."""
    if path.suffix.lower() == ".parquet":
        if "uri" not in pq.read_schema(path).names:
            raise UserError(f"--videos {path}: no column uri; found {', '.join(pq.read_schema(path).names)}")
        names = [str(name) for name in pq.read_table(path, columns=["uri"])["uri"].to_pylist() if name]
    else:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "uri" not in (reader.fieldnames or ()):
                raise UserError(f"--videos {path}: no column uri; found {', '.join(reader.fieldnames or ('nothing',))}")
            names = [row["uri"] for row in reader if row["uri"]]
    remote = next((name for name in names if "://" in name and not name.startswith("file://")), None)
    if remote is not None:
        raise UserError(f"--videos {path}: {remote} is not a local file; this version reads local files")
    return [os.path.normpath(path.resolve().parent / name.removeprefix("file://")) for name in names]


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
