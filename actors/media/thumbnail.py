"""Small clips and pictures of a window, for people to look at: bytes that a page can hold."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from actors.media import ffmpeg
from actors.media.window import EncodeOptions, Window

SECONDS = {"clip": 2.0, "picture": 0.5}  # of a window that are looked at: a copy for one picture need not be long
_SHORT_SIDE = 180  # pixels
_FPS = 15.0
# x264 plays in every browser; at this quality it hides no distortion that 180 lines can show.
_CLIP = {"vcodec": "libx264", "preset": "medium", "crf": 26, "movflags": "+faststart"}
_PICTURE = {"vcodec": "mjpeg", "q:v": 4, "frames:v": 1}


def clip(source: str | os.PathLike[str], start_s: float, duration_s: float, options: EncodeOptions) -> bytes:
    """The beginning of a window as a small silent MP4 (H.264).

    Args:
        source: File.
        start_s: Start of the window, seconds.
        duration_s: Length of the window, seconds; 0: to the end of the file.
        options: Limits, threads and rendering; size and rate are those of a thumbnail.

    Raises:
        Failure: As `actors.media.window.Window.open` and `actors.media.ffmpeg`.
    """
    length = min(duration_s or SECONDS["clip"], SECONDS["clip"])
    window = Window.open(ffmpeg.check_file(source), start_s, length, False, _small(options, _FPS))
    return _written(window.stream(False), {**_CLIP, "threads": options.threads}, "mp4", options)


def picture(source: str | os.PathLike[str], start_s: float, duration_s: float, options: EncodeOptions) -> bytes:
    """A picture from the first half second of a window, or a still, as a small JPEG; arguments and failures as for `clip`."""
    length = min(duration_s or SECONDS["picture"], SECONDS["picture"])
    window = Window.open(ffmpeg.check_file(source), start_s, length, True, _small(options, None))
    return _written(window.stream(True).filter("format", "yuvj420p"), _PICTURE, "mjpeg", options)


def _small(options: EncodeOptions, fps: float | None) -> EncodeOptions:
    return EncodeOptions(
        threads=options.threads,
        max_short_side=_SHORT_SIDE,
        max_fps=fps,
        max_pixels=options.max_pixels,
        timeout_s=options.timeout_s,
        rendering=options.rendering,
    )


def _written(stream: object, codec: dict[str, object], container: str, options: EncodeOptions) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "thumbnail"
        node = ffmpeg.target(stream, path, codec, container)
        ffmpeg.run(ffmpeg.arguments(node), timeout_s=options.timeout_s, kind="encode")
        return path.read_bytes()
