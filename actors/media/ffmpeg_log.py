"""What FFmpeg's messages mean: a file's header, a count of frames, the reason of a failure. Text in, records out."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, replace

from actors.media import colour
from actors.media.outcome import Failure

# FFmpeg prints rates with two decimals; these are the NTSC rates behind the rounding.
_NTSC = {"14.99": 15, "23.98": 24, "29.97": 30, "47.95": 48, "59.94": 60, "119.88": 120}

_STEADY = 0.02  # a mean rate that differs less from the ticks is a rounding or a lost frame

_EMPTY_WORDS = (
    "Conversion failed",
    "Exiting with",
    "Error opening (input|output) files?",
    "Error (while opening|sending frames|selecting an encoder)",
    "frame=",
    "Terminating thread",
    "Nothing was written",
    "Task finished with error",
    "Could not open encoder",
    "At least one output",
    "$",
)
_NOISE = re.compile("|".join(_EMPTY_WORDS))
_CONTEXT = re.compile(r"^(\[[^\]]* @ 0x[0-9a-f]+\]\s*)+")
_KINDS = (
    ("not on whitelist", "format"),
    ("moov atom not found", "decode"),
    ("Picture size", "too_large"),
    ("exceeds specified max pixel", "too_large"),
    ("matches no streams", "no_video"),
    ("does not contain any stream", "no_video"),
    ("No such file or directory", "missing"),
    ("No such filter", "colour"),  # a build without zscale or bwdif, which plain files do not need
)


@dataclass(frozen=True)
class Probe:
    """What a file's header says about its first video stream.

    Attributes:
        width: Pixels, as shown (rotation applied).
        height: Pixels, as shown (rotation applied).
        fps: Mean frames per second; 0 for a still image.
        duration_s: Seconds; 0 for a still image.
        frames: Number of packets when they were counted (stills, or no duration in the header), else None.
        codec: FFmpeg's name, for example ``h264``.
        pix_fmt: FFmpeg's name, for example ``yuv420p``.
        tick_rate: Where the rate is variable, the rate whose ticks its frames fall on; else 0.
        tags: What the header says of colours, fields and the container's crop.
    """

    width: int
    height: int
    fps: float
    duration_s: float
    frames: int | None
    codec: str
    pix_fmt: str
    tick_rate: float = 0.0
    tags: colour.Tags = colour.UNTAGGED

    @property
    def is_still(self) -> bool:
        """True for an image file."""
        return self.fps == 0.0

    def counted(self, frames: int, last_s: float) -> Probe:
        """This header completed by a count of packets and the time at which they end."""
        fps = self.fps or (frames / last_s if last_s > 0 and frames > 1 else 25.0)
        return replace(self, fps=fps, frames=frames, duration_s=max(last_s, frames / fps))


def _seconds(clock: tuple[str, ...]) -> float:
    hours, minutes, seconds = clock
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def progress(log: str) -> tuple[int, float]:
    """Frames written and the time that they end at, from the last progress line."""
    frames = re.findall(r"frame=\s*(\d+)", log)
    times = re.findall(r"time=(\d+):(\d+):([\d.]+)", log)
    return (int(frames[-1]) if frames else 0), (_seconds(times[-1]) if times else 0.0)


def _stream(log: str) -> tuple[str, str]:
    """The line of the first video stream that is not a cover picture, and the side data below it."""
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\s+Stream #0:\d+.*: Video: ", line) and "(attached pic)" not in line:
            below: list[str] = []
            for following in lines[number + 1 :]:
                if re.match(r"\s+Stream #|\S", following):
                    break
                below.append(following)
            return line, "\n".join(below)
    return "", ""


def header(name: str, log: str) -> Probe:
    """Read the dump that FFmpeg prints of an opened input.

    Raises:
        Failure: ``no_video`` or ``decode``.
    """
    line, below = _stream(log)
    if not line:
        raise Failure("no_video", f"{name} has no video stream")
    size = re.search(r", (\d+)x(\d+)(?=[ ,]|$)", line)
    codec = re.search(r": Video: (\w+)", line)
    if size is None or codec is None or codec.group(1) == "none":
        raise Failure("decode", f"{name}: the header gives no frame size or no known codec")
    tags = colour.read(line, below)
    width, height = colour.cropped(int(size.group(1)), int(size.group(2)), tags)
    rotation = re.search(r"rotation of (-?[\d.]+) degrees", below)
    if rotation and round(float(rotation.group(1)) / 90) % 2:
        width, height = height, width
    pix_fmt = tags.pix_fmt or "unknown"
    if re.search(r"Input #0, \w+_pipe", log):
        return Probe(width, height, 0.0, 0.0, 1, codec.group(1), pix_fmt, tags=replace(tags, still=True))
    mean, tick = _rate(line, "fps"), _rate(line, "tbr")
    fps = mean or tick
    clock = re.search(r"Duration: (\d+):(\d+):([\d.]+)", log)
    length = _seconds(clock.groups()) if clock else 0.0
    variable = tick if abs(tick - fps) > _STEADY * fps else 0.0
    return Probe(width, height, fps, length, None, codec.group(1), pix_fmt, variable, tags)


def _rate(line: str, unit: str) -> float:
    """A rate that FFmpeg prints with its unit; 0 where it prints none."""
    found = re.search(rf"([\d.]+)(k?) {unit}", line)
    if found is None:
        return 0.0
    whole = _NTSC.get(found.group(1))
    return whole * 1000 / 1001 if whole else float(found.group(1)) * (1000 if found.group(2) else 1)


def explain(log: str, returncode: int, fallback_kind: str) -> Failure:
    """The last meaningful line of a failed run as a Failure of the right kind."""
    plain = (_CONTEXT.sub("", line.strip())[:400] for line in log.replace("\r", "\n").split("\n"))
    lines = [line for line in plain if not _NOISE.match(line)]
    last = lines[-1] if lines else f"FFmpeg ended with status {returncode}"
    for text, kind in _KINDS:
        hit = next((line for line in lines if text in line), "")
        if hit:
            return Failure(kind, hit)
    if returncode < 0 and returncode != -signal.SIGPIPE:
        return Failure("crash", f"FFmpeg was killed by {signal.Signals(-returncode).name} ({last})")
    if "Invalid data found when processing input" in log:
        return Failure("decode" if "Input #0" in log else "format", last)
    return Failure(fallback_kind, last)
