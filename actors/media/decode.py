"""Decode one window of an untrusted file into a `Sample`, in a child process that may crash, hang or be killed.

The child reads with decord, and only files of which `actors.media.scan` says that decord is exact. All others, and those
where decord fails, FFmpeg reads through a pipe: the same frames. A file is always scanned first, because decord has no
format whitelist; the child can open one file only.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import ffmpeg as graph
import numpy as np
from numpy.typing import NDArray

from actors.indicators import Meter
from actors.media import colour, ffmpeg
from actors.media.decode_child import KEY
from actors.media.excerpt import excerpt, track
from actors.media.network_views import Clip
from actors.media.outcome import Failure
from actors.media.samples import gathered
from actors.media.scan import Scan, scan
from actors.media.timeline import Cut
from actors.media.views import Sample, SampleSpec
from actors.memory import TRIM_BYTES

CHILD = Path(__file__).with_name("decode_child.py")
# Running the file by path keeps the child independent of how and where the project is installed.
_BOOT = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
_HEADER_BYTES = 1 << 16


class _Child:
    """The decord process and the pipe to it; every method raises a Failure and leaves no process behind on error."""

    def __init__(self, program: Path, threads: int, memory_bytes: int) -> None:
        # No copy of the parent's import path entry: its folder may hold modules that shadow those of libraries.
        # Without fixed thresholds the allocator keeps freed frames of up to 32 MB (one of 4K) for itself, or takes the pages of
        # every small one anew (`actors.memory`).
        freeing = {"MALLOC_MMAP_THRESHOLD_": str(16 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(TRIM_BYTES)}
        environment = ffmpeg.environment(OMP_NUM_THREADS=str(threads), PYTHONSAFEPATH="1", **freeing)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
            bufsize=0,
        )
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self.process.pid, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
            resource.prlimit(self.process.pid, resource.RLIMIT_CORE, (0, 0))
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0, 0))  # it only reads
        self._requests = cast("IO[bytes]", self.process.stdin)
        self._answers = cast("IO[bytes]", self.process.stdout)

    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self.process.wait()

    def ask(
        self,
        request: dict[str, Any],
        deadline: float,
        second: Callable[[NDArray[np.uint8], NDArray[np.uint8]], None] | None,
    ) -> tuple[dict[str, Any], list[NDArray[np.uint8]], dict[str, NDArray[np.uint8]]]:
        """Send a request, receive its header, arrays and views; TimeoutError or ConnectionError if that fails.

        ``second`` is called with the two frames of every second of the window as they come.
        """
        views: dict[str, NDArray[np.uint8]] = {}
        body = json.dumps({**request, "seconds": second is not None}).encode()
        self._requests.write(struct.pack(">I", len(body)) + body)
        while True:
            header, arrays = self._message(deadline)
            if "view" in header:
                name, picture = header["view"], arrays[0]
                if name not in views:
                    views[name] = np.empty((header["count"], *picture.shape), np.uint8)
                views[name][header["places"]] = picture
            elif second is not None and "second" in header:
                second(arrays[0], arrays[1])
            else:
                return header, arrays, views

    def _message(self, deadline: float) -> tuple[dict[str, Any], list[NDArray[np.uint8]]]:
        size = struct.unpack(">I", self._receive(4, deadline))[0]
        if size > _HEADER_BYTES:
            raise ConnectionError
        header = json.loads(bytes(self._receive(size, deadline)))
        shapes = header.get("shapes", [])
        data = [self._receive(math.prod(shape), deadline) for shape in shapes]
        return header, [np.frombuffer(part, np.uint8).reshape(shape) for part, shape in zip(data, shapes, strict=True)]

    def _receive(self, size: int, deadline: float) -> bytearray:
        data = bytearray(size)
        view, at = memoryview(data), 0
        poller = select.poll()
        poller.register(self._answers, select.POLLIN | select.POLLHUP)
        while at < size:
            left = deadline - time.monotonic()
            if left <= 0 or not poller.poll(left * 1000):
                raise TimeoutError
            got = os.readv(self._answers.fileno(), [view[at:]])
            if got == 0:
                raise ConnectionError
            at += got
        return data


@dataclass(frozen=True)
class _Window:
    """What one `Decoder.decode` is asked for, of which file, and until when (`time.monotonic`)."""

    scan: Scan
    name: str
    cut: Cut
    spec: SampleSpec
    seed: str
    deadline: float
    meter: Meter | None


class Decoder:
    """Owns one decoding child process; restarts it after a crash or a time-out. Not for several threads at once.

    Args:
        timeout_s: Wall-clock limit of one `decode`, seconds.
        threads: Decoder threads.
        memory_bytes: Address-space limit of the child.
        child: Program of the child process (a test puts a hanging or crashing one here).
    """

    def __init__(
        self, timeout_s: float = 120.0, threads: int = 1, memory_bytes: int = 12 * 2**30, child: Path = CHILD
    ) -> None:
        self._timeout_s = timeout_s
        self._threads = threads
        self._memory = memory_bytes
        self._program = child
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_child"):
            self.close()

    def close(self) -> None:
        """End the child process; the next `decode` starts another."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def decode(
        self,
        uri: str | os.PathLike[str],
        start_s: float = 0.0,
        duration_s: float = 0.0,
        spec: SampleSpec | None = None,
        seed: str = "",
        meter: Meter | None = None,
    ) -> Sample:
        """Decode a window.

        Args:
            uri: Path of a video or a still image.
            start_s: Start of the window, seconds from the first frame.
            duration_s: Length of the window, seconds; 0 means to the end.
            spec: How much to keep.
            seed: The video's id: random offsets of views depend on it alone.
            meter: Is given the frames of every second in passing; what it held before is forgotten.

        Raises:
            Failure: ``missing``, ``empty``, ``format``, ``no_video``, ``decode``, ``colour``, ``too_large``, ``timeout`` or
                ``crash``.
        """
        spec = spec or SampleSpec()
        deadline = time.monotonic() + self._timeout_s
        facts = scan(uri, timeout_s=self._timeout_s)
        header, name = facts.header, os.fspath(uri)
        if header.width * header.height > spec.max_pixels:
            size = f"{header.width}x{header.height}"
            raise Failure("too_large", f"{name} is {size}; the limit max_pixels is {spec.max_pixels}")
        cut = facts.cut(start_s, duration_s)
        if cut is None:
            raise facts.no_frame(name, start_s)
        colour.check(name, header.tags, spec.rendering)
        window = _Window(facts, name, cut, spec, seed, deadline, meter)
        if not facts.is_exact_in_decord or colour.needs_pipe(header.tags, spec.rendering):
            return self._by_ffmpeg(window)
        try:
            sample = self._by_child(window)
        except Failure as failure:
            if failure.kind == "timeout":
                raise
            return self._after(failure, window)
        as_scanned = (sample.width, sample.height) == (header.width, header.height)
        return sample if as_scanned else self._by_ffmpeg(window)

    def _after(self, first: Failure, window: _Window) -> Sample:
        """Try FFmpeg after decord failed; a crash stays a crash when FFmpeg cannot read the file either."""
        try:
            return self._by_ffmpeg(window)
        except Failure as second:
            message = second.message if window.name in second.message else f"{window.name}: {second.message}"
            if first.kind == "crash" and second.kind == "decode":
                raise Failure("crash", f"{first.message}; FFmpeg: {second.message}") from second
            raise Failure(second.kind, message) from second

    def _by_child(self, window: _Window) -> Sample:
        if self._child is None or not self._child.alive():
            self.close()
            self._child = _Child(self._program, self._threads, self._memory)
        name, spec, meter = window.name, window.spec, window.meter
        times, cut = window.scan.timeline.times, window.cut
        request = {
            "path": str(Path(name).absolute()),
            "picture_bytes": window.scan.header.width * window.scan.header.height * 3,
            "pictures": len(times),
            "first": cut.first,
            "end": cut.end,
            "span_s": [float(times[at] - times[0]) for at in (cut.first, cut.end - 1)],
            "schedule": None if cut.schedule is None else cut.schedule.tolist(),
            "fps": cut.rate,
            "threads": self._threads,
            "key_frames": spec.key_frames,
            "motion_frames": spec.motion_frames,
            "motion_short_side": spec.motion_short_side,
            "views": spec.views,
            "seed": window.seed,
        }
        if meter is not None:
            meter.clear()
        try:
            second = meter.add if meter is not None else None
            answer, arrays, views = self._child.ask(request, window.deadline, second)
            sample = None if {"error", "large"} & answer.keys() else _sample(spec, answer, arrays, views)
        except TimeoutError:
            self.close()
            limit = f"decoding {name} took more than {self._timeout_s:g} s"
            raise Failure("timeout", f"{limit}; raise the time-out or shorten the window") from None
        except (OSError, ValueError, IndexError, KeyError):
            self.close()
            raise Failure("crash", f"the decoding process died on {name}") from None
        except BaseException:
            self.close()  # an interrupt between question and answer must not shift later answers by one
            raise
        if "error" in answer:
            raise Failure("decode", f"{name}: {answer['error']}")
        return sample or self._by_ffmpeg(window, float(answer["fps"]))

    def _by_ffmpeg(self, window: _Window, fps: float = 0.0) -> Sample:
        """Read the pictures of the window once and keep what is needed; where some cannot be decoded, those that can."""
        header, cut = window.scan.header, window.cut
        still = header.is_still
        fps = 0.0 if still else fps or cut.rate
        limits = {"max_pixels": window.spec.max_pixels, "threads": self._threads}
        stream = track(ffmpeg.source(window.name, **limits), window.scan) if still else None
        stream = stream or excerpt(window.name, window.scan, cut, **limits).node
        numbers = (cut.numbers() - cut.first).tolist()
        try:
            return self._kept(window, stream, numbers, fps)
        except _ShortError as short:
            # pictures went missing: those that are there follow each other, held ones as long as before
            left = sorted({min(number, short.count - 1) for number in numbers})
            return self._kept(
                window, stream, left if cut.schedule is None else [min(n, left[-1]) for n in numbers], fps
            )

    def _kept(self, window: _Window, stream: Any, numbers: list[int], fps: float) -> Sample:
        """What a sample needs of a stream's pictures ``numbers``.

        Raises:
            _ShortError: The stream has fewer pictures.
        """
        header = window.scan.header
        one = {"frames:v": 1} if header.is_still else {}
        stream = colour.render(stream, header.tags, window.spec.rendering)
        node = graph.output(stream, "pipe:1", f="rawvideo", pix_fmt="rgb24", fps_mode="passthrough", **one)
        timeout_s = max(0.1, window.deadline - time.monotonic())
        frames = ffmpeg.read_frames(node, header.width, header.height, timeout_s=timeout_s, reuse=True)
        with contextlib.closing(frames):  # type: ignore[type-var]
            clip = Clip(len(numbers), header.height, header.width, fps)
            return gathered(_repeated(frames, numbers), clip, window.name, window.spec, window.seed, window.meter)


class _ShortError(Exception):
    """A stream had fewer pictures than its packets promised: ``count``."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


def _repeated(frames: Iterator[NDArray[np.uint8]], numbers: list[int]) -> Iterator[NDArray[np.uint8]]:
    """The pictures ``numbers`` (never falling) of a stream, held ones again and again.

    Raises:
        _ShortError: The stream ends before the last of them.
    """
    at, frame = -1, None
    for number in numbers:
        while at < number:
            frame = next(frames, None)
            if frame is None:
                raise _ShortError(at + 1)
            at += 1
        assert frame is not None
        yield frame


def _sample(
    spec: SampleSpec, answer: dict[str, Any], arrays: list[NDArray[np.uint8]], views: dict[str, NDArray[np.uint8]]
) -> Sample:
    """What a child has sent; a KeyError or an IndexError when something is missing."""
    key = views[KEY].reshape(-1, 2, *views[KEY].shape[1:])
    return Sample(key, arrays[0], float(answer["fps"]), {name: views[name] for name in spec.views})
