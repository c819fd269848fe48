"""What a student of whole videos sees of a window: a frame of every second, and the first seconds in colour for its motion.

The window is read once more through FFmpeg's pipe, frame by frame, so that memory is bounded by what is kept: a frame of
384x384 a second, and 224x224 frames of at most ten seconds.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import numpy as np

from actors import ffmpeg
from actors.outcome import Failure
from actors.rows import SECONDS_COLUMNS as COLUMNS
from actors.rows import Row


def read(uri: str, start_s: float, duration_s: float, timeout_s: float = 120.0) -> Row:
    """Columns with frames uint8 ``[T, 384, 384, 3]`` and strip uint8 ``[N, 224, 224, 3]`` of a window (N = 1 for a still).

    Raises:
        Failure: As `actors.ffmpeg.probe` and `actors.ffmpeg.read_frames`.
    """
    import ffmpeg as graph

    from trainers.student.seconds import frames_per_second, resize_frame, strip_limit
    from trainers.student.slowfast import resize_frame as shrink

    deadline = time.monotonic() + timeout_s
    header = ffmpeg.probe(uri, timeout_s=timeout_s)
    still = {"frames:v": 1} if header.is_still else {}
    stream = ffmpeg.source(uri, start_s, duration_s)["V:0"]
    node = graph.output(stream, "pipe:1", f="rawvideo", pix_fmt="rgb24", fps_mode="passthrough", **still)
    step = max(1, frames_per_second(header.fps))
    limit = 1 if header.is_still else strip_limit(header.fps)
    kept, strip = [], []
    left = max(0.1, deadline - time.monotonic())
    frames: Any = ffmpeg.read_frames(node, header.width, header.height, timeout_s=left)
    with contextlib.closing(frames):
        for number, frame in enumerate(frames):
            if number % step == 0:
                kept.append(resize_frame(frame))
            if number < limit:
                strip.append(shrink(frame))
    return _columns(np.stack(kept), np.stack(strip))


def empty() -> Row:
    """The same columns for a row that has failed."""
    return _columns(np.zeros((0, 0, 0, 3), np.uint8), np.zeros((0, 0, 0, 3), np.uint8))


def _columns(frames: np.ndarray, strip: np.ndarray) -> Row:
    return dict(zip(COLUMNS, (frames.tobytes(), list(frames.shape), strip.tobytes(), list(strip.shape)), strict=True))


def unpack(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Frames and strip of a row.

    Raises:
        Failure: The row was decoded without them.
    """
    if COLUMNS[0] not in row:
        raise Failure("usage", "the row was decoded for another student: it has no frames of every second")
    frames = np.frombuffer(row[COLUMNS[0]], np.uint8).reshape([int(n) for n in row[COLUMNS[1]]])
    strip = np.frombuffer(row[COLUMNS[2]], np.uint8).reshape([int(n) for n in row[COLUMNS[3]]])
    return frames, strip
