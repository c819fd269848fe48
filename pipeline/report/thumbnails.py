"""The small clips and pictures of the report, made from the videos once and kept in the run folder.

A video that cannot be shown (its file has moved, its bucket does not answer) costs its picture, never the report: the page
says why. The page has a limit; what comes after it in the order of the page is left out and says so.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

from actors.media.inputs import Inputs
from actors.media.outcome import Failure
from actors.media.rows import Row
from actors.media.thumbnail import SECONDS, clip, picture
from actors.sample import Synthesise
from pipeline.corpus.rules import short_id
from pipeline.look.chain import downloads
from pipeline.look.look import encode_options
from pipeline.report.videos import Video
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import OK
from pipeline.run_folder.store import exists, read_bytes, write_bytes
from pipeline.settings.config import Config

Kind = Literal["clip", "picture"]
Key = tuple[str, Kind]

MOST_BYTES = 2_200_000  # of all thumbnails as the page holds them, in base 64
TIMEOUT_S = 60.0
_VERSION = 1  # of the way in which they are made
_ENDINGS = {"clip": "mp4", "picture": "jpg"}
_MEDIA = {"clip": "video/mp4", "picture": "image/jpeg"}


@dataclass(frozen=True)
class Thumbnail:
    """A clip or picture as a data URI, or why there is none."""

    uri: str = ""
    reason: str = ""

    @property
    def is_clip(self) -> bool:
        """Whether it moves."""
        return self.uri.startswith("data:video/")


def thumbnails(
    layout: RunLayout, config: Config | None, wanted: Sequence[tuple[Video, Kind]], most_bytes: int = MOST_BYTES
) -> dict[Key, Thumbnail]:
    """Make or read the thumbnails of a report.

    Args:
        layout: The run folder, in which they stay.
        config: How its copies were made; None where the configuration cannot be read.
        wanted: Videos and what to show of each, the most important first.
        most_bytes: Limit of all of them together, in base 64.

    Returns:
        One for each video and kind.
    """
    unique = {(video.video_id, kind): video for video, kind in wanted}
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        made = list(pool.map(lambda key: _thumbnail(layout, config, unique[key], key[1]), unique))
    result: dict[Key, Thumbnail] = {}
    total = 0
    for key, one in zip(unique, made, strict=True):
        total += len(one.uri)
        over = bool(one.uri) and total > most_bytes
        limit = f"left out: the page holds {most_bytes / 1e6:.1f} MB of clips"
        result[key] = Thumbnail(reason=limit) if over else one
    return result


def _thumbnail(layout: RunLayout, config: Config | None, video: Video, kind: Kind) -> Thumbnail:
    kind = "picture" if video.still else kind
    if not video.uri:
        return Thumbnail(reason="no table of this run names its file")
    if config is None:
        return Thumbnail(reason="the configuration of this run cannot be read, and it says how copies are made")
    options = encode_options(config)
    making = (options.max_short_side, options.max_fps, options.x265_preset, options.hold_output, options.rendering)
    window = (video.uri, video.start_s, video.duration_s, video.recipe, video.still)
    path = layout.thumbnail(short_id(_VERSION, kind, *window, *making), _ENDINGS[kind])
    if exists(path):
        data = read_bytes(path)
    else:
        try:
            data = _make(layout, config, video, kind)
        except Failure as failure:
            return Thumbnail(reason=failure.message)
        write_bytes(path, data)
    return Thumbnail(uri=f"data:{_MEDIA[kind]};base64,{base64.b64encode(data).decode('ascii')}")


def _make(layout: RunLayout, config: Config, video: Video, kind: Kind) -> bytes:
    options = replace(encode_options(config), timeout_s=TIMEOUT_S)
    # The store of downloaded objects exists while a run goes on; afterwards an object is read anew.
    store = downloads(config, layout.downloads if layout.downloads.is_dir() else None)
    write = clip if kind == "clip" else picture
    row: Row = {
        "video_id": "copy",
        "uri": video.uri,
        "start_s": video.start_s,
        "duration_s": video.duration_s,
        "recipe": video.recipe,
        "still": video.still,
    }
    if not video.recipe:
        shown = Inputs(store).use(row, lambda at: {"data": write(at["uri"], at["start_s"], at["duration_s"], options)})
        return bytes(shown["data"])
    if not video.still:  # a still is the middle of its whole window
        row["duration_s"] = min(video.duration_s or SECONDS[kind], SECONDS[kind])
    maker = Synthesise(options, inputs=Inputs(store))
    try:
        made = maker(row)
        if made["status"] != OK:
            raise Failure(made["error_kind"], made["error"])
        return write(made["path"], 0.0, 0.0, options)
    finally:
        maker.close()
