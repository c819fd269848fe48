"""The pools of ingest: scan a file's packets and digest it, and make a demo clip."""

from __future__ import annotations

import hashlib
from pathlib import Path

from actors.media import colour, ffmpeg
from actors.media.downloads import Keep
from actors.media.inputs import Inputs
from actors.media.outcome import Failure
from actors.media.rows import Row, attempt, fresh
from actors.media.scan import scan
from actors.media.scenes import make_clip
from trainers.places import made_on_disk, place

_CHUNK_BYTES = 1 << 20
UNKNOWN = {"content_id": "", "width": 0, "height": 0, "fps": 0.0, "duration_s": 0.0, "codec": "", "bytes": 0}


def content_id(path: Path) -> str:
    """16 hexadecimal digits of the SHA-256 of a file's bytes: equal files have one identity, whatever their names."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()[:16]


class Probe:
    """Ray actor: what the packets say, and the content id, of the file in column `uri`; broken files get status failed.

    A row that brings a `content_id` keeps it: the file was rendered here and is named by what it was drawn from.
    """

    def __init__(
        self,
        max_pixels: int,
        timeout_s: float = 60.0,
        downloads: Keep | None = None,
        rendering: colour.Rendering = colour.AS_USUAL,
    ) -> None:
        self.max_pixels = max_pixels
        self.rendering = rendering
        self.timeout_s = timeout_s
        self.inputs = Inputs(downloads)

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return attempt(fresh(row), lambda: self.inputs.use(row, self._probe), UNKNOWN)

    def _probe(self, row: Row) -> Row:
        path = Path(ffmpeg.check_file(str(row["uri"])))
        facts = scan(path, timeout_s=self.timeout_s)
        header = facts.header
        if header.width * header.height > self.max_pixels:
            raise Failure(
                "too_large", f"{path} is {header.width}x{header.height}; the limit is {self.max_pixels} pixels"
            )
        colour.check(str(path), header.tags, self.rendering)
        return {
            "content_id": str(row.get("content_id") or "") or content_id(path),
            "width": header.width,
            "height": header.height,
            "fps": float(facts.fps),
            "duration_s": float(facts.length_s),
            "codec": header.codec,
            "bytes": path.stat().st_size,
        }


class MakeClip:
    """Ray actor: render demo clip number ``index`` into ``uri``."""

    def __init__(self, seed: int, width: int, height: int, seconds: float, fps: float) -> None:
        self.arguments = (width, height, seconds, fps)
        self.seed = seed

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return attempt(fresh(row), lambda: self._make(row), {})

    def _make(self, row: Row) -> Row:
        target = place(str(row["uri"]))
        if not target.is_file():
            with made_on_disk(target) as path:
                make_clip(int(row["index"]), self.seed, path, *self.arguments)
        return {}
