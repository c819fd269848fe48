"""Make one distorted copy of a window with the function that the table names."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ffmpeg as graph
import numpy as np

from actors.distortions.maker import Effect, Encoding, Frame, Setting
from actors.distortions.table import DISTORTIONS, Distortion
from actors.media import ffmpeg, ffmpeg_log
from actors.media.files import atomic, room_in
from actors.media.outcome import Failure
from actors.media.window import EncodeOptions, Window

RAW_BYTES = 2**28  # of frames as they are: 1.6 s of 960x540 at 30 frames per second take 37 MB
ARRAY = ".npy"


@dataclass(frozen=True)
class Prepared:
    """What copies of one window share; all of them have the same options.

    Attributes:
        clip: The window at level 0, made before: clips are made from it instead of the source.
        frames: File of its RGB frames as they are, or of its still: written by the first frame effect, read by the others.
    """

    clip: Path | None = None
    frames: Path | None = None


NOTHING = Prepared()


@dataclass(frozen=True)
class _File:
    """Where a copy is written.

    Attributes:
        path: The file, which takes its name when it is finished.
        container: FFmpeg's muxer name, or `ARRAY`.
        lossless: Encoder options of a copy that loses nothing.
        frames: As of `Prepared`.
    """

    path: Path
    container: str
    lossless: dict[str, Any]
    frames: Path | None = None


def _encode(window: Window, stream: Any, codec: dict[str, Any], partial: str | Path, container: str) -> None:
    """Encode the source window to a file in one FFmpeg process."""
    node = ffmpeg.target(stream, partial, codec, container)
    log = ffmpeg.run(ffmpeg.arguments(node), timeout_s=window.options.timeout_s, kind="encode")
    if ffmpeg_log.progress(log)[0] == 0:
        raise window.scan.no_frame(window.source, window.start_s)


def _transport(window: Window, encoding: Encoding, file: _File) -> None:
    """Encode to a raw stream, apply the transport to it, and store the frames that the decoder returns."""
    options, codec = window.options, encoding.codec or file.lossless
    with tempfile.NamedTemporaryFile(dir=file.path.parent, prefix=".partial-", suffix=f".{encoding.raw}") as stream:
        _encode(window, encoding.chain(window.stream(still=False)), codec, stream.name, encoding.raw)
        path = Path(stream.name)
        path.write_bytes(encoding.transport(path.read_bytes()))
        # With several decoder threads, the concealment would depend on the order in which they finish.
        decoded = ffmpeg.source(path, max_pixels=options.max_pixels, threads=1)["V:0"]
        retimed = decoded.filter("setpts", f"N/({window.rate})/TB").filter("fps", fps=str(window.rate))
        stored = ffmpeg.target(retimed.filter("format", "yuv420p"), file.path, file.lossless, file.container)
        ffmpeg.run(ffmpeg.arguments(stored), timeout_s=options.timeout_s, kind="encode")


def _frames(window: Window, still: bool, stored: Path | None) -> Generator[Frame]:
    """RGB frames of the window; those that are stored already, or else they are stored where they are few."""
    if stored is not None and stored.exists():
        with stored.open("rb") as file:
            frame = np.empty((window.height, window.width, 3), np.uint8)
            while file.readinto(frame.data) == frame.nbytes:
                yield frame
                frame = np.empty_like(frame)
        return
    read = graph.output(window.rgb(still), "pipe:1", f="rawvideo", **({"frames:v": 1} if still else {}))
    frames = ffmpeg.read_frames(read, window.width, window.height, timeout_s=window.options.timeout_s)
    if stored is None or 2 * window.bytes > RAW_BYTES:
        yield from frames
        return
    with atomic(stored) as partial, partial.open("wb") as file:
        for frame in frames:
            file.write(frame.data)
            yield frame


def _transform(window: Window, effect: Effect, still: bool, file: _File) -> None:
    """Change each RGB frame and store it without loss; holds only a few frames in memory."""
    import cv2

    cv2.setNumThreads(window.options.threads)
    with contextlib.closing(_frames(window, still, file.frames)) as frames:
        if file.container == ARRAY:
            first, *_ = [effect(frame) for frame in frames]
            with file.path.open("wb") as array:
                np.save(array, first)
            return
        write = ffmpeg.target(window.raw_input(still), file.path, file.lossless, file.container)
        with ffmpeg.FrameWriter(write, timeout_s=window.options.timeout_s) as writer:
            for frame in frames:
                writer.write(effect(frame))


def _write(window: Window, recipe: Effect | Encoding, still: bool, file: _File) -> None:
    """Write the copy by the recipe that the distortion's function returned."""
    if not isinstance(recipe, Encoding):
        _transform(window, recipe, still, file)
    elif recipe.raw:
        _transport(window, recipe, file)
    else:
        _encode(window, recipe.chain(window.stream(still)), recipe.codec or file.lossless, file.path, file.container)


def _same(frame: Frame) -> Frame:
    """No distortion."""
    return frame


def _container(suffix: str, still: bool) -> str:
    """What kind of file has a suffix."""
    if still:
        return ARRAY if suffix == ARRAY else "image2pipe"
    return "matroska" if suffix == ".mkv" else "mp4"


def _check(name: str, level: int, still: bool) -> Distortion:
    """Return the row of a distortion, or raise a Failure for an invalid request."""
    row = DISTORTIONS.get(name)
    if row is None:
        raise Failure("usage", f"unknown distortion {name!r}; known are {', '.join(DISTORTIONS)}")
    if not 1 <= level <= len(row.levels):
        raise Failure("usage", f"distortion {name} has levels 0 to {len(row.levels)}, not {level}")
    if still and row.family != "spatial":
        raise Failure("usage", f"distortion {name} needs a clip; only the spatial family applies to stills")
    return row


def _check_size(row: Distortion, window: Window) -> None:
    """Refuse a window that the encoder cannot code: some fail below their smallest side, others crash."""
    if min(window.width, window.height) < row.least_side:
        size, need = f"{window.width}x{window.height}", f"at least {row.least_side} pixels a side"
        raise Failure("too_small", f"{window.source}: its frames are {size}, and distortion {row.name} needs {need}")


def apply(
    name: str,
    level: int,
    source: str | os.PathLike[str],
    start_s: float,
    duration_s: float,
    destination: str | os.PathLike[str],
    seed: int,
    still: bool = False,
    options: EncodeOptions | None = None,
    passing: bool = False,
    prepared: Prepared = NOTHING,
) -> Window:
    """Write one copy of a window at one severity.

    The window is first normalised (even size, 4:2:0, constant rate, optional `max_short_side` and `max_fps`) in the same
    way for every copy, so that copies and their reference have the same size and number of frames.

    Args:
        name: Key in `DISTORTIONS`; ignored at level 0.
        level: 1-based severity; 0 writes the pristine reference, lossless.
        source: Input file.
        start_s: Start of the window, seconds.
        duration_s: Length of the window, seconds; 0 means to the end.
        destination: Output file: Matroska if it ends in `.mkv`, otherwise MP4; a still is an array of NumPy if it ends in
            `ARRAY`, otherwise PNG. Written atomically.
        seed: Seed of all random choices.
        still: Write the middle frame of the window as a PNG (spatial family and level 0 only).
        options: Encoder settings.
        passing: The file is read at once and then deleted: what is stored without loss is stored as it is, if that takes no
            more than `RAW_BYTES`. Only Matroska holds such frames.
        prepared: What copies of this window share.

    Returns:
        The window, whose size, rate and number of frames the copy has.

    Raises:
        Failure: `usage` for an unknown name or level, `storage` for a full disk; other kinds as in `actors.media.ffmpeg`.
    """
    options = options or EncodeOptions()
    row = _check(name, level, still) if level else None
    window = Window.open(ffmpeg.check_file(source), start_s, duration_s, still, options)
    if prepared.clip is not None and not still:
        window = replace(window, ready=str(prepared.clip))
    container = _container(Path(destination).suffix, still)
    as_it_is = passing and container == "matroska" and window.bytes <= RAW_BYTES
    lossless = ffmpeg.raw() if as_it_is else ffmpeg.lossless(options.threads)
    recipe: Effect | Encoding = _same if container == ARRAY else Encoding()
    if row is not None:
        _check_size(row, window)
        recipe = row.make(row.levels[level - 1], Setting.of(window, seed))
    with room_in(Path(destination).parent), atomic(destination) as partial:
        _write(window, recipe, still, _File(partial, container, lossless, prepared.frames))
    return window
