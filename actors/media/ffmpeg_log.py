"""What FFmpeg's messages mean: a file's header and tracks, its first picture, a count of frames, the reason of a failure.

Text in, records out.
"""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actors.media import colour
from actors.media.outcome import STORAGE, Failure

# FFmpeg prints rates with two decimals; these are the NTSC rates behind the rounding.
_NTSC = {"14.99": 15, "23.98": 24, "29.97": 30, "47.95": 48, "59.94": 60, "119.88": 120}

REBUILT = "Reconfiguring filter graph because"  # after which filters that count frames begin again

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
    "Output file is empty",
    "Last message repeated",
    "$",
)
# What a coder reports of its work after the error has been printed: never the reason of a failure.
_STATISTICS = (
    r"frame [IPB]:",
    r"mb [IPB] ",
    r"(coded y|i16 v|i8 v|i8c dc|i4 v|ref [PB] L|direct mvs)",
    r"(Weighted P|8x8 transform|consecutive B|final ratefactor|kb/s:|encoded \d+ frames)",
    r"(using (SAR|cpu)|profile |264 - core)",
    r"video:\S+ audio:",
    r"Svt\[(info|warn)\]",
    r"(Input|Output) #\d",
    r"(Stream mapping|Press \[q\])",
)
_NOISE = re.compile("|".join((*_EMPTY_WORDS, *_STATISTICS)))
_FAULT = re.compile(
    r"error|fail|invalid|illegal|cannot|could not|can't|unable|unsupported|unknown|unrecogni|not |no such|no space|denied|"
    r"missing|corrupt|truncat|exceed|too (small|large|low|high|short|long|many|few)|out of|must |overread|premature",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"^(\[[^\]]* @ 0x[0-9a-f]+\]\s*)+")
_KINDS = (
    ("not on whitelist", "format"),
    ("moov atom not found", "decode"),
    ("Picture size", "too_large"),
    ("exceeds specified max pixel", "too_large"),
    ("matches no streams", "no_video"),
    ("does not contain any stream", "no_video"),
    ("No such file or directory", "missing"),
    ("No space left on device", STORAGE),
    ("Disk quota exceeded", STORAGE),
    ("No such filter", "colour"),  # a build without zscale or bwdif, which plain files do not need
)
_NO_SPACE = tuple(
    256 - number for number in (errno.ENOSPC, errno.EDQUOT)
)  # exit status: the low byte of a negative errno


@dataclass(frozen=True)
class Probe:
    """What a file's header says about the video track that is played.

    Attributes:
        width: Pixels, as shown (rotation applied).
        height: Pixels, as shown (rotation applied).
        fps: Mean frames per second; 0 for a still image.
        duration_s: Seconds; 0 for a still image.
        frames: Number of packets when they were counted (stills, or no duration in the header), else None.
        codec: FFmpeg's name, for example ``h264``.
        pix_fmt: FFmpeg's name, for example ``yuv420p``.
        tick_rate: Ticks per second that FFmpeg believes the frames to fall on (tbr); 0 where it prints none.
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


@dataclass(frozen=True)
class Track:
    """What a header says about one video track.

    Attributes:
        number: Of the stream in the file.
        width: Pixels, as stored.
        height: Pixels, as stored.
        is_default: The file marks it as the one to play.
        is_cover: A picture attached to the file, no film.
        line: FFmpeg's line about it.
        below: The lines of side data and metadata under it.
    """

    number: int
    width: int
    height: int
    is_default: bool
    is_cover: bool
    line: str
    below: str


@dataclass(frozen=True)
class Picture:
    """The first picture that a track decodes to.

    Attributes:
        width: Pixels, turned as a player turns it, cropped by the container.
        height: The same.
        time_s: Display time, or None where it has none.
        is_turned: A display matrix of the container, an EXIF orientation, or a message of the stream turns or mirrors it.
        colour_range: ``tv``, ``pc`` or ``unknown``.
        colour_space: Matrix, FFmpeg's name.
        primaries: FFmpeg's name.
        transfer: FFmpeg's name, for example ``smpte2084`` (PQ).
        is_interlaced: The picture is marked as two fields.
    """

    width: int
    height: int
    time_s: float | None
    is_turned: bool
    colour_range: str
    colour_space: str
    primaries: str
    transfer: str
    is_interlaced: bool


def tracks(log: str) -> tuple[Track, ...]:
    """All video tracks of the dump that FFmpeg prints of an opened input."""
    lines = log.splitlines()
    rows: list[Track] = []
    for place, line in enumerate(lines):
        head = re.match(r"\s+Stream #0:(\d+).*: Video: ", line)
        if head is None:
            if line.startswith(("Output #", "Stream mapping")):
                break
            continue
        below: list[str] = []
        for following in lines[place + 1 :]:
            if re.match(r"\s+Stream #|\S", following):
                break
            below.append(following)
        size = re.search(r", (\d+)x(\d+)(?=[ ,]|$)", line)
        width, height = (int(size.group(1)), int(size.group(2))) if size else (0, 0)
        marks = re.findall(r"\(([a-z ]+)\)", line[line.index(": Video: ") :])
        rows.append(Track(int(head.group(1)), width, height, "default" in marks, "attached pic" in marks, line,
                          "\n".join(below)))  # fmt: skip
    return tuple(rows)


def played(choice: Sequence[Track], packets: Mapping[int, int] | None = None) -> Track | None:
    """The track that FFmpeg and players choose: the default one, of several the one with most pixels, then the first.

    Args:
        choice: All video tracks.
        packets: Number of packets of each track, where they were counted: a lone picture beside a film is no film.
    """
    films = [track for track in choice if not track.is_cover]
    if packets and any(packets.get(track.number, 0) > 1 for track in films):
        films = [track for track in films if packets.get(track.number, 0) > 1]
    # FFmpeg weighs the default mark as five million pixels.
    weight = {track.number: track.width * track.height + 5_000_000 * track.is_default for track in films}
    return max(films, key=lambda track: (weight[track.number], -track.number), default=None)


def decoded_track(log: str) -> int:
    """Number of the track that FFmpeg decodes in the second output of a process; -1 where it says none."""
    line = re.search(r"Stream #0:(\d+) -> #1:0 ", log)
    return int(line.group(1)) if line else -1


def first_picture(log: str) -> Picture | None:
    """What the filter ``showinfo`` prints of the first picture; None where there is none."""
    dump = [line for line in log.splitlines() if line.startswith("[Parsed_showinfo")]
    starts = [place for place, line in enumerate(dump) if re.search(r"\] n:\s*\d+ pts:", line)]
    if not starts:
        return None
    own = dump[starts[0] : starts[1] if len(starts) > 1 else None]
    size = re.search(r" s:(\d+)x(\d+) i:([PTB]) ", own[0])
    if size is None:
        return None
    width, height = int(size.group(1)), int(size.group(2))
    clock = re.search(r" pts_time:(-?[\d.]+)", own[0])
    text = "\n".join(own)
    turn = re.search(r"displaymatrix: rotation of (-?[\d.]+|-?nan) degrees", text)
    if turn and is_upright(turn.group(1)):
        width, height = height, width
    colours: dict[str, str] = dict(re.findall(r"color_(range|space|primaries|trc):(\S+)", text))
    return Picture(width, height, float(clock.group(1)) if clock else None, turn is not None,
                   colours.get("range", "unknown"), colours.get("space", "unknown"), colours.get("primaries", "unknown"),
                   colours.get("trc", "unknown"), size.group(3) != "P")  # fmt: skip


def is_refreshed(log: str, codec: str) -> bool:
    """Whether ``trace_headers`` printed key frames that are no whole pictures: periodic intra refresh.

    Such a key frame is coded as an ordinary slice, not as an IDR or random access picture, and its message *recovery point*
    counts the pictures until the picture is whole (ITU-T H.264, table 7-1 and D.2.8; H.265, table 7-1 and D.3.8).
    """
    ordinary = range(1, 5) if codec == "h264" else range(10)
    kinds = {int(kind) for kind in re.findall(r"nal_unit_type\s+\S+ = (\d+)", log)}
    counts = [int(count) for count in re.findall(r"recovery_(?:frame|poc)_cnt\s+\S+ = (-?\d+)", log)]
    return not kinds.isdisjoint(ordinary) and (not counts or max(counts) > 0)


def display_orientation(log: str) -> tuple[str, ...] | None:
    """Filters that show a picture as its stream asks, from the headers that ``trace_headers`` prints of one packet.

    The message *display orientation* (ITU-T H.274, 8.3) mirrors first and turns anticlockwise then. None without one, and
    for angles that are no quarter turns.
    """
    fields = {
        name: int(value)
        for name, value in re.findall(r"(hor_flip|ver_flip|anticlockwise_rotation)\s+[01]+ = (\d+)", log)
    }
    turns = {0: (), 1 << 14: ("transpose=cclock",), 1 << 15: ("hflip", "vflip"), 3 << 14: ("transpose=clock",)}
    turned = turns.get(fields.get("anticlockwise_rotation", -1))
    if turned is None or len(fields) != 3:
        return None
    return (*["hflip"] * fields["hor_flip"], *["vflip"] * fields["ver_flip"], *turned)


def is_upright(degrees: str) -> bool:
    """Whether a rotation exchanges width and height: FFmpeg turns by quarters, and by other angles inside the frame."""
    return abs(abs(float(degrees)) % 180 - 90) < 1


def header(name: str, log: str, track: Track | None = None) -> Probe:
    """Read the dump that FFmpeg prints of an opened input.

    Args:
        name: File, for messages.
        log: What FFmpeg printed.
        track: The track to describe; the one that is `played` without it.

    Raises:
        Failure: ``no_video`` or ``decode``.
    """
    track = track or played(tracks(log))
    if track is None:
        raise Failure("no_video", f"{name} has no video stream")
    line, width, height = track.line, track.width, track.height
    codec = re.search(r": Video: (\w+)", line)
    tags = colour.read(line, track.below)
    width, height = colour.cropped(width, height, tags)
    if min(width, height) < 1 or codec is None or codec.group(1) == "none":
        raise Failure("decode", f"{name}: the header gives no frame size, a crop of all of it, or no known codec")
    rotation = re.search(r"rotation of (-?[\d.]+) degrees", track.below)
    if rotation and is_upright(rotation.group(1)):
        width, height = height, width
    pix_fmt = tags.pix_fmt or "unknown"
    if re.search(r"Input #0, \w+_pipe", log):
        return Probe(width, height, 0.0, 0.0, 1, codec.group(1), pix_fmt, tags=replace(tags, still=True))
    mean, tick = _rate(line, "fps"), _rate(line, "tbr")
    fps = mean or tick
    clock = re.search(r"Duration: (\d+):(\d+):([\d.]+)", log)
    length = _seconds(clock.groups()) if clock else 0.0
    return Probe(width, height, fps, length, None, codec.group(1), pix_fmt, tick, tags)


def _rate(line: str, unit: str) -> float:
    """A rate that FFmpeg prints with its unit; 0 where it prints none."""
    match = re.search(rf"([\d.]+)(k?) {unit}", line)
    if match is None:
        return 0.0
    whole = _NTSC.get(match.group(1))
    return whole * 1000 / 1001 if whole else float(match.group(1)) * (1000 if match.group(2) else 1)


def explain(log: str, returncode: int, fallback_kind: str) -> Failure:
    """Why a run failed, as a Failure of the right kind.

    The reason is the last line that speaks of a fault; what coders report of their work and FFmpeg's remarks about the
    failure itself are left out.
    """
    raw = [line for line in log.replace("\r", "\n").split("\n") if not line.startswith("  ")]  # dumps are indented
    plain = (_CONTEXT.sub("", line.strip())[:400] for line in raw)
    lines = [line for line in plain if not _NOISE.match(line)]
    faults = [line for line in lines if _FAULT.search(line)]
    last = (faults or lines or [f"FFmpeg ended with status {returncode}"])[-1]
    for text, kind in _KINDS:
        hit = next((line for line in lines if text in line), "")
        if hit:
            return Failure(kind, hit)
    if returncode in _NO_SPACE:
        return Failure(STORAGE, "no space left on the disk")
    if returncode < 0 and returncode != -signal.SIGPIPE:
        return Failure("crash", f"FFmpeg was killed by {signal.Signals(-returncode).name} ({last})")
    if "Invalid data found when processing input" in log:
        return Failure("decode" if "Input #0" in log else "format", last)
    return Failure(fallback_kind, last)
