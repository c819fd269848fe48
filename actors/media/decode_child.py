"""The program inside a decoder's child process: reads windows with decord, because native decoders crash and hang.

It is started by path, imports nothing of the project, and talks over its standard streams: each message is a 4-byte
big-endian length, that many bytes of JSON, then (answers only) the raw bytes of uint8 arrays whose shapes the JSON
gives: the luma strip. Before the answer itself come messages that are not kept here: with the mark ``view`` one for
every key frame (`KEY`) and every picture of the views asked for, which the package ``network_views`` beside this file
makes, and where the request asks for ``seconds``, one with the mark ``second`` for every second of the window. Nothing
is pickled. A window too large to be held is answered by its number of frames alone (``large``). It ends when its
standard input closes, so it never outlives its parent for long.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import resource
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
CHUNK_BYTES = 32 * 2**20  # RGB frames asked for at once: a handful of HD frames, one or two of 4K
SAME_TIME_S = 2e-3  # by which the times of a picture may differ: containers round to milliseconds
SAME_RATE = 0.02
KEY = "key"  # name under which the key frames travel
AHEAD_BYTES = (
    256 * 2**20
)  # decord decodes a whole window ahead of slow views; a larger one is left to the parent's FFmpeg


def key_positions(count: int, key_frames: int) -> list[int]:
    """Positions of key frames in a window of ``count`` frames: centres of equal parts, each with a successor if any."""
    last = max(count - 2, 0)
    return [min(int((part + 0.5) * count / key_frames), last) for part in range(key_frames)]


def second_positions(count: int, fps: float) -> list[int]:
    """Positions, in a window of ``count`` frames, of the first frame of every second; each has a successor if any has."""
    last = max(count - 2, 0)
    rate = max(fps, 1.0)
    seconds = max(1, int(np.ceil(count / rate - 1e-6)))
    return sorted({min(round(second * rate), last) for second in range(seconds)})


def luma_strip(frame: Frame, short_side: int) -> Frame:
    """BT.601 luma of an RGB frame, shrunk by area so that its short side is at most ``short_side``."""
    import cv2

    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if min(height, width) <= short_side:
        return np.asarray(grey, np.uint8)
    ratio = short_side / min(height, width)
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def check_times(starts: NDArray[np.float64], request: dict[str, Any]) -> None:
    """Compare decord's list of pictures with what the file's packets say.

    Raises:
        ValueError: It counts other pictures, or gives the first or the last of the window another time.
    """
    if len(starts) != request["pictures"]:
        raise ValueError(f"decord lists {len(starts)} pictures, the packets {request['pictures']}")
    ends = starts[[request["first"], request["end"] - 1]] - starts[0]
    if not np.allclose(ends, request["span_s"], rtol=0, atol=SAME_TIME_S) or (np.diff(starts) < 0).any():
        raise ValueError("decord gives the pictures other times than the packets")


def _gatherer(
    request: dict[str, Any],
    show: Callable[[dict[str, Any], Frame], None],
    count: int,
    height: int,
    width: int,
    fps: float,
) -> Any:
    """The views that the request names; each picture goes out as soon as it is made."""
    package = Path(__file__).with_name("network_views")
    spec = importlib.util.spec_from_file_location("network_views", package / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its modules import each other by it, and dataclasses look theirs up
    spec.loader.exec_module(module)
    views = module.plan(request["views"], module.Clip(count, height, width, fps), request["seed"])

    def put(name: str, places: list[int], picture: Frame) -> None:
        show({"view": name, "count": len(views[name].frames), "places": places}, picture)

    return module.Gatherer(views, put)


@contextlib.contextmanager
def opening_at_most(files: int) -> Iterator[None]:
    """Inside the block no more files or sockets than these can be opened: decord knows playlists and has no whitelist."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(1)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + files, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _frames(reader: Any, wanted: list[int], schedule: list[int]) -> Iterator[tuple[int, Frame]]:
    """The wanted positions of a window and the frame on the screen at each; ``schedule`` is its number in the file."""
    step = 1
    while wanted:
        batch, wanted = wanted[:step], wanted[step:]
        with opening_at_most(0):
            frames = reader.get_batch([schedule[position] for position in batch]).asnumpy()
        for number, frame in zip(batch, frames, strict=True):
            yield number, frame
            step = int(np.clip(CHUNK_BYTES // frame.nbytes, 1, 8))


def read(
    request: dict[str, Any],
    emit: Callable[[Frame, Frame], None],
    show: Callable[[dict[str, Any], Frame], None],
) -> tuple[dict[str, Any], list[Frame]]:
    """Decode one window; raises when decord cannot.

    Args:
        request: The parent's request.
        emit: Called with the first frame of every second and the frame after it, in order, if the request asks so.
        show: Called with every picture of a view, and the view's name and size and the picture's places in it.
    """
    import cv2
    import decord

    cv2.setNumThreads(int(request["threads"]))
    decord.logging.set_level(decord.logging.QUIET)
    with opening_at_most(1):
        reader = decord.VideoReader(request["path"], num_threads=int(request["threads"]))
    starts = np.asarray(reader.get_frame_timestamp(list(range(len(reader)))), np.float64)[:, 0]
    check_times(starts, request)
    # a window is a list of pictures, one after the other or held; positions in it count what is shown
    schedule = request["schedule"] or list(range(request["first"], request["end"]))
    count = len(schedule)
    own, fps = float(reader.get_avg_fps()), float(request["fps"])
    fps = own if abs(own - fps) <= SAME_RATE * fps else fps  # a container may give none (NaN), or one that is no rate
    keys = key_positions(count, request["key_frames"])
    seconds = set(second_positions(count, fps)) if request["seconds"] else set()
    if request["views"] and count * request["picture_bytes"] > AHEAD_BYTES:
        return {"fps": fps, "large": count}, []
    with opening_at_most(0):
        height, width = reader[schedule[0]].shape[:2] if request["views"] else (0, 0)
    gatherer = _gatherer(request, show, count, height, width, fps) if request["views"] else None
    strip = list(range(min(request["motion_frames"], count)))
    needed = list(gatherer.needed) if gatherer else []
    wanted = sorted({*strip, *needed, *(min(at + shift, count - 1) for at in (*keys, *seconds) for shift in (0, 1))})
    luma: list[Frame] = []
    pairs: dict[int, list[int]] = {}  # places of a frame among the key frames and their successors
    for place, key in enumerate(keys):
        pairs.setdefault(key, []).append(2 * place)
        pairs.setdefault(min(key + 1, count - 1), []).append(2 * place + 1)
    held: Frame | None = None  # the first frame of a second, until its successor comes
    for number, frame in _frames(reader, wanted, schedule):
        if number <= strip[-1]:
            luma.append(luma_strip(frame, request["motion_short_side"]))
        if number in pairs:
            show({"view": KEY, "count": 2 * len(keys), "places": pairs[number]}, frame)
        if held is not None:
            emit(held, frame)
        held = frame.copy() if number in seconds else None
        if gatherer:
            gatherer.add(number, frame)
    if held is not None:  # a window of one frame
        emit(held, held)
    return {"fps": fps, "frames": count}, [np.stack(luma)]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return data


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the parent closes the pipe."""

    def send(header: dict[str, Any], *arrays: Frame) -> None:
        body = json.dumps({**header, "shapes": [array.shape for array in arrays]}).encode()
        answers.write(struct.pack(">I", len(body)) + body)
        answers.writelines(np.ascontiguousarray(array).data for array in arrays)
        answers.flush()

    while True:
        try:
            request = json.loads(_exactly(requests, struct.unpack(">I", _exactly(requests, 4))[0]))
        except EOFError:
            return
        try:
            header, arrays = read(request, lambda frame, following: send({"second": True}, frame, following), send)
            send(header, *arrays)
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - any decoder error becomes an answer; the parent then tries FFmpeg
            text = str(error).splitlines() or [type(error).__name__]
            send({"error": text[0][:300]})


def main() -> None:
    """Keep the real standard output for answers; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
