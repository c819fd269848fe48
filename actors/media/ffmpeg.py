"""The only module that starts FFmpeg, and it starts it on files that nobody has vouched for.

Every input gets a protocol whitelist, a format whitelist (playlists such as concat, HLS and DASH open *other* files and
are refused), a ``file:`` prefix and a limit on the frame area. Every process gets no terminal, its own process group,
a wall-clock limit, and limits on address space, CPU time and file size. Standard error goes to an unlinked file, so
that a chatty FFmpeg never blocks on a full pipe. Errors are raised as `actors.media.outcome.Failure`.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import ffmpeg as graph  # ffmpeg-python: builds argument lists, runs nothing here
import numpy as np
from numpy.typing import NDArray

from actors.media import encryption, ffmpeg_log
from actors.media.colour import MATRIX
from actors.media.ffmpeg_log import Probe
from actors.media.outcome import Failure

__all__ = [
    "FORMATS", "MAX_PIXELS", "VERBOSE", "FrameWriter", "Probe", "Process", "arguments", "ask", "binary", "check_file",
    "environment", "lossless", "opening", "probe", "raw", "raw_source", "read_frames", "run", "source", "target",
]  # fmt: skip

# Containers and still-image streams that hold their own data. Not here, on purpose: concat, hls, dash, imf, sdp, image2
# (its names are patterns), lavfi and every demuxer that reads other files or devices.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,ogg,asf,gif,ivf,mjpeg,mxf,nut,rm,h264,hevc,"
    "av1,obu,yuv4mpegpipe,dv,wav,mp3,aac,flac,apng,png_pipe,jpeg_pipe,bmp_pipe,webp_pipe,webp_anim,tiff_pipe,ppm_pipe"
)
# A still whose name ends in .png is a file pattern to image2, which is not allowed: its first bytes name the demuxer.
_STILL_MAGIC = ((b"\x89PNG\r\n\x1a\n", "png_pipe"), (b"\xff\xd8\xff", "jpeg_pipe"), (b"BM", "bmp_pipe"))

_RAW = frozenset({".bgr", ".i420", ".nv12", ".p010", ".raw", ".rgb", ".uyvy", ".yuv", ".yuyv", ".yv12"})
_NO_SIZE = (
    "raw video says neither its size nor its rate; give it a header first: "
    "ffmpeg -f rawvideo -pix_fmt yuv420p -s 1920x1080 -r 30 -i IN.yuv OUT.y4m"
)
_UNREAD = "not a media file, or of a container that is not read here (docs/corpus.md lists those that are)"

MAX_PIXELS = 7680 * 4320
MEMORY_BYTES = 12 * 2**30  # address space, not resident: x265 and libvmaf map far more than they touch
FILE_BYTES = 8 * 2**30
_LOG_BYTES = 2**18
# libvmaf's scores, and how many frames of each file were decoded; two equal scores in a row are two lines, not "repeated"
VERBOSE = ("-loglevel", "repeat+verbose")

# One matrix and one range for everything written, so that no reader shows a copy and its reference in other colours.
COLOUR = {"colorspace": MATRIX, "color_range": "tv", "color_primaries": MATRIX, "color_trc": MATRIX}
_SECRET = re.compile("KEY|SECRET|TOKEN|PASSW|CREDENTIAL", re.IGNORECASE)


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that reads untrusted files: without anything that is named like a secret."""
    return {name: value for name, value in os.environ.items() if not _SECRET.search(name)} | more


@lru_cache(maxsize=1)
def binary() -> str:
    """Path of the FFmpeg executable shipped by imageio-ffmpeg (or named by ``IMAGEIO_FFMPEG_EXE``)."""
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _head(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(4096)
    except (OSError, ValueError):
        return b""


def _still_demuxer(path: str) -> str | None:
    head = _head(path)
    if b"acTL" in head:  # the chunk that makes an animation of a PNG; it comes before the pictures
        return None
    return next((name for magic, name in _STILL_MAGIC if head.startswith(magic)), None)


def check_file(path: str | os.PathLike[str]) -> str:
    """Return ``path`` as text if it names a readable, non-empty, regular file.

    Raises:
        Failure: ``missing`` or ``empty``.
    """
    name = os.fspath(path)
    try:
        if "\0" in name or not Path(name).is_file() or not os.access(name, os.R_OK):
            raise Failure("missing", f"no readable file at {name!r}; check the path in the manifest")
        if Path(name).stat().st_size == 0:
            raise Failure("empty", f"{name} has zero bytes; copy it again or drop it from the manifest")
    except OSError as error:
        raise Failure("missing", f"{name!r} cannot be read: {error.strerror}") from error
    return name


def source(
    path: str | os.PathLike[str],
    start_s: float = 0.0,
    duration_s: float = 0.0,
    max_pixels: int = MAX_PIXELS,
    threads: int = 1,
) -> Any:
    """An ffmpeg-python input node for an untrusted file: whitelists first, then an accurate seek.

    Args:
        path: Input file.
        start_s: Start of the window in seconds (no effect on stills).
        duration_s: Length of the window in seconds; 0 means to the end.
        max_pixels: Refuse larger frames.
        threads: Decoder threads.
    """
    options: dict[str, Any] = {
        "protocol_whitelist": "file",
        "format_whitelist": FORMATS,
        "max_pixels": max_pixels,
        "threads": threads,
    }
    demuxer = _still_demuxer(os.fspath(path))
    if demuxer:
        options["f"] = demuxer
    else:
        options |= {"ss": f"{start_s:.6f}"} if start_s > 0 else {}
        options |= {"t": f"{duration_s:.6f}"} if duration_s > 0 else {}
    return graph.input("file:" + os.fspath(path), **options)


def opening(path: str | os.PathLike[str]) -> list[str]:
    """The arguments that open an untrusted file, up to its name."""
    args = arguments(graph.output(source(path), "pipe:1", f="null"))
    return args[: args.index("-i") + 2]


def raw_source(width: int, height: int, fps: float, pixels: str = "rgb24") -> Any:
    """An ffmpeg-python input node that reads frames from standard input."""
    limits = {"protocol_whitelist": "pipe,fd", "format_whitelist": "rawvideo"}
    return graph.input("pipe:0", f="rawvideo", pix_fmt=pixels, s=f"{width}x{height}", framerate=f"{fps:.6f}", **limits)


def target(node: Any, path: str | os.PathLike[str], codec: dict[str, Any], container: str) -> Any:
    """An ffmpeg-python output node: one video stream, nothing that differs between two equal runs.

    Args:
        node: ffmpeg-python video stream.
        path: File to write.
        codec: Options of the video encoder.
        container: FFmpeg's muxer name; ``image2pipe`` writes a single PNG.
    """
    options: dict[str, Any] = {"map_metadata": -1, "fflags": "+bitexact", "flags:v": "+bitexact", "f": container}
    options |= {"vcodec": "png", "frames:v": 1} if container == "image2pipe" else {**codec, **COLOUR}
    return graph.output(node, "file:" + os.fspath(path), **options)


def lossless(threads: int) -> dict[str, Any]:
    """Encoder options that lose nothing of a 4:2:0 picture."""
    return {"vcodec": "libx264", "preset": "ultrafast", "qp": 0, "threads": threads}


def raw() -> dict[str, Any]:
    """Encoder options that store a 4:2:0 picture as it is: five times as large as `lossless`, a fifth of the time."""
    return {"vcodec": "rawvideo"}


def arguments(node: Any) -> list[str]:
    """Argument list of an ffmpeg-python output node, without the executable."""
    return cast("list[str]", node.get_args())


class Process:
    """One FFmpeg process with limits, killed with its whole group at the wall-clock limit or on leaving the block.

    Args:
        args: Arguments without the executable.
        timeout_s: Wall-clock limit in seconds.
        kind: Kind of the Failure for an error that has no better name.
        stdin: Open a pipe to standard input.
        stdout: Open a pipe from standard output.
        executable: Program to run instead of FFmpeg (a test puts a hanging one here).
    """

    def __init__(
        self,
        args: Sequence[str],
        *,
        timeout_s: float,
        kind: str = "decode",
        stdin: bool = False,
        stdout: bool = False,
        executable: str | None = None,
    ) -> None:
        self._kind = kind
        self._timeout_s = timeout_s
        self.timed_out = False
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        prefix = [executable] if executable else [binary(), "-hide_banner", "-nostdin", "-y"]
        self.process = subprocess.Popen(
            [*prefix, *args],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            stderr=self._stderr,
            env=environment(),
            start_new_session=True,
        )
        self._limit()
        self._timer = threading.Timer(timeout_s, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def _limit(self) -> None:
        # prlimit on the running child instead of preexec_fn: forking with a Python callback can deadlock in a
        # process with threads, and workers have many. The CPU limit ends a child whose parent was killed.
        cpu_s = int(self._timeout_s * (os.cpu_count() or 1)) + 10
        limits = ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_FSIZE, FILE_BYTES), (resource.RLIMIT_CPU, cpu_s))
        with contextlib.suppress(ProcessLookupError):
            for what, value in limits:
                resource.prlimit(self.process.pid, what, (value, value))

    def _expire(self) -> None:
        self.timed_out = True
        self.kill()

    def kill(self) -> None:
        """Kill the process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def log(self) -> str:
        """The end of what the process wrote to standard error."""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _LOG_BYTES))
        return self._stderr.read().decode("utf-8", "replace")

    def transcript(self) -> str:
        """The beginning and the end of it, which is all of it where it is not long."""
        self._stderr.seek(0)
        start = self._stderr.read(_LOG_BYTES).decode("utf-8", "replace")
        return start if self._stderr.seek(0, os.SEEK_END) <= _LOG_BYTES else f"{start}\n{self.log()}"

    def wait(self) -> int:
        """Wait for the end and return the exit status; a Failure at the wall-clock limit."""
        status = self.process.wait()
        self._timer.cancel()
        if self.timed_out:
            message = f"FFmpeg was killed after {self._timeout_s:g} s; raise the time-out or shorten the window"
            raise Failure("timeout", message)
        return status

    def check(self) -> str:
        """Wait for the end, raise a Failure unless the process succeeded, return its log."""
        status = self.wait()
        if status != 0:
            raise ffmpeg_log.explain(self.log(), status, self._kind)
        if ffmpeg_log.REBUILT in self.transcript():
            change = "the size of the pictures changes in a film that is turned, and FFmpeg loses frames there"
            raise Failure("decode", f"{change}; encode the film upright and in one size first")
        return self.log()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.process.wait()
        self._stderr.close()


def run(args: Sequence[str], *, timeout_s: float, kind: str = "decode", executable: str | None = None) -> str:
    """Run FFmpeg to its end and return what it wrote to standard error.

    Raises:
        Failure: With the kind read from FFmpeg's message, else ``kind``.
    """
    with Process(args, timeout_s=timeout_s, kind=kind, executable=executable) as child:
        return child.check()


def ask(question: str, *, timeout_s: float = 60.0, executable: str | None = None) -> str:
    """What FFmpeg prints about itself, for example ``-encoders``; no file is opened.

    Raises:
        Failure: It does not answer.
    """
    with Process([question], timeout_s=timeout_s, stdout=True, executable=executable or binary()) as child:
        answer = cast("IO[bytes]", child.process.stdout).read()
        child.check()
        return answer.decode("utf-8", "replace")


class FrameWriter:
    """Feeds RGB frames to an encoder, one at a time; leaving the block finishes the file or raises a Failure.

    Args:
        node: `target` node whose input is `raw_source`.
        timeout_s: Wall-clock limit in seconds.
    """

    def __init__(self, node: Any, *, timeout_s: float) -> None:
        self._child = Process(arguments(node), timeout_s=timeout_s, kind="encode", stdin=True)
        self._pipe = cast("IO[bytes]", self._child.process.stdin)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Send one frame, uint8 ``[H, W, 3]``."""
        try:
            self._pipe.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            self._child.check()
            raise Failure("encode", "FFmpeg stopped reading frames before the end") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._child:
            if error is None:
                with contextlib.suppress(BrokenPipeError):
                    self._pipe.close()
                self._child.check()


def read_frames(
    node: Any, width: int, height: int, *, timeout_s: float, reuse: bool = False, log: list[str] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield RGB frames, uint8 ``[height, width, 3]``, from an output node that writes rgb24 to ``pipe:1``.

    With ``reuse`` every frame comes in the memory of the one before: what is kept longer must be copied.
    A file that breaks after some good frames yields those frames; one that gives none raises. With ``log`` the process does
    other work beside, which must succeed: what it says of it, with FFmpeg's details, is appended at the end.

    Raises:
        Failure: No frame could be decoded, or the time-out passed.
    """
    frame = np.empty((height, width, 3), np.uint8)
    words = arguments(node) if log is None else [*VERBOSE, *arguments(node)]
    with Process(words, timeout_s=timeout_s, stdout=True) as child:
        pipe = cast("BufferedReader", child.process.stdout)
        count = 0
        while pipe.readinto(frame.data) == frame.nbytes:
            count += 1
            yield frame
            frame = frame if reuse else np.empty_like(frame)
        if log is not None:
            log.append(child.check())
        status = child.wait()
        if count == 0:
            empty = Failure("decode", "no frame could be decoded in the window; check start_s and duration_s")
            raise ffmpeg_log.explain(child.log(), status, "decode") if status else empty


def probe(path: str | os.PathLike[str], *, timeout_s: float = 30.0) -> Probe:
    """Read a file's header through the whitelists; counts packets where the header gives no duration.

    Raises:
        Failure: ``missing``, ``empty``, ``format``, ``no_video``, ``decode`` or ``timeout``.
    """
    name = check_file(path)
    node = source(name)
    with Process(opening(name), timeout_s=timeout_s) as child:
        status = child.wait()
        log = child.log()
    if "Input #0" not in log:
        failure = ffmpeg_log.explain(log, status, "format")
        # FFmpeg trusts a name in .mp4 more than the content: without this mark the file never was one.
        known = failure.kind != "decode" or b"ftyp" in _head(name) or b"mdat" in _head(name)
        reason = failure.message if known else "not a media file, whatever its name says"
        reason = _UNREAD if reason.startswith("Format not on whitelist") else reason
        if Path(name).suffix.lower() in _RAW:
            reason = _NO_SIZE
        raise Failure(failure.kind if known else "format", reason if name in reason else f"{name}: {reason}")
    encryption.check(name, log)
    header = ffmpeg_log.header(name, log)
    if header.is_still or (header.duration_s > 0 and header.fps > 0):
        return header
    counted = run(arguments(graph.output(node["V:0"], "pipe:1", c="copy", f="null")), timeout_s=timeout_s)
    return header.counted(*ffmpeg_log.progress(counted))
