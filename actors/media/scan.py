"""One pass over the packets of a file, without decoding more than its first picture: what its header only claims.

FFmpeg copies the packets of every video track to its muxer ``framecrc``, which prints a line for each, and shows the first
picture of the track that it would play. From both come the display times of all pictures, the key frames, the track to
take, and the size and colours of a picture as it leaves FFmpeg, turned and cropped. Everything that cuts a window out of
a file asks `scan`; answers are remembered, so that the windows and copies of one file share one pass.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.media import encryption, ffmpeg, ffmpeg_log, packets
from actors.media.ffmpeg_log import Picture, Probe, Track
from actors.media.outcome import Failure
from actors.media.packets import Packets
from actors.media.timeline import TOLERANCE_S, Cut, Timeline, Times

_FILES, _PICTURES = 4096, 1_000_000  # that are remembered: 16 bytes a picture and more
_JUMPS = ("timestamp discontinuity", "on-monoton")  # FFmpeg's words for a clock that jumps, and for one that steps back
_ROTATION = "rotation of"  # of a display matrix in the header
_BROWSER_S = 0.0101  # browsers show a picture of a GIF that asks for less for a tenth of a second
_GIF_S = 0.1
STILL_FPS = 25.0  # of a film that is made of one picture

# Containers in which FFmpeg's input seek finds the very picture, by demuxer; numbered frames prove it in the tests. The
# others are read from their beginning, MPEG transport streams from a key frame that lies before.
_SEEKS = frozenset({"mov", "matroska", "flv", "nut", "ivf", "avi", "asf", "ogg", "gif", "apng", "yuv4mpegpipe"})
_TRANSPORT = "mpegts"
_SLACK_S = 0.5  # a header that promises no more than this beyond the last picture is right
_REFRESHING = frozenset({"h264", "hevc"})
_DECORD = _SEEKS - {"ogg", "apng"}  # which decord cannot open


@dataclass(frozen=True, eq=False)
class Scan:
    """What the packets of a file say.

    Attributes:
        header: The header of the track; its size is that of a decoded picture, as shown.
        track: Number of the track in the file.
        tracks: All video tracks, cover pictures among them.
        container: FFmpeg's name of the demuxer, up to its first comma.
        timeline: Display times of the track's pictures, in the seconds of FFmpeg's own clock, which starts with the file.
        keys: Display times of the key frames, seconds, in order.
        picture: The first picture, or None where it could not be decoded.
        tick_s: Seconds in a tick of the track's clock.
        is_timed: Whether every packet has a display time.
        leads: Whether pictures are shown before the key frame that they follow.
        jumps: Whether the clock of the stream jumps.
        is_turned: Whether the file asks for a rotation or a mirror image, in its header or in its pictures.
        turns: Filters that do so, where a message of the stream asks for it: it comes with key frames only, and FFmpeg
            forgets it after each. None where FFmpeg turns all pictures by itself.
        refreshes: Whether key frames of H.264 or H.265 are no whole pictures: the pictures after them repair the rest column
            by column (periodic intra refresh).
        is_cropped: Whether the container crops the pictures.
        is_whole: False where the file was too long to be read to its end: what lies beyond is the header's word, pictures at
            its mean rate up to its duration.
    """

    header: Probe
    track: int
    tracks: tuple[Track, ...]
    container: str
    timeline: Timeline
    keys: NDArray[np.float64]
    picture: Picture | None
    tick_s: float
    is_timed: bool
    leads: bool
    jumps: bool
    is_turned: bool
    is_cropped: bool
    is_whole: bool = True
    turns: tuple[str, ...] | None = None
    refreshes: bool = False

    @property
    def length_s(self) -> float:
        """Seconds from the first picture to the end of the last; 0 for a still.

        It is the header's where both agree, and where the file was not read to its end.
        """
        if self.header.is_still:
            return 0.0
        stated, counted = self.header.duration_s, self.timeline.length_s
        agree = abs(stated - counted) <= max(1.5 * self.timeline.step_s, 0.05)
        return stated if stated > 0 and (agree or (not self.is_whole and stated > counted)) else counted

    @property
    def shortfall(self) -> str:
        """Where the pictures end, if the header promises more: a download that stopped, or sound that goes on. Else empty."""
        stated, counted = self.header.duration_s, self.timeline.length_s
        if self.header.is_still or not self.is_whole or stated <= counted + _SLACK_S:
            return ""
        return f"its pictures end at {counted:.3g} s, its header says {stated:.3g} s"

    def no_frame(self, name: str, start_s: float) -> Failure:
        """The failure of a window in which there is no picture."""
        why = f": {self.shortfall}; copy it again" if self.shortfall else "; check start_s and duration_s"
        return Failure("decode", f"{name}: no frame at {start_s:g} s{why}")

    @property
    def fps(self) -> float:
        """Pictures in a second while pictures come; 0 for a still."""
        return 0.0 if self.header.is_still else self.timeline.rate

    @property
    def seeks(self) -> bool:
        """Whether FFmpeg's input seek finds the very picture."""
        return self.container in _SEEKS and self.is_timed and not (self.jumps or self.refreshes)

    @property
    def seeks_early(self) -> bool:
        """Whether it finds a key frame when it is asked for an instant before it."""
        return self.container == _TRANSPORT and self.is_timed and not (self.jumps or self.refreshes)

    @property
    def is_plain(self) -> bool:
        """Whether FFmpeg's own seek and length cut a window out of it: a steady rate, a fine clock that starts at zero."""
        line = self.timeline
        steady = line.spacing == "constant" and self.tick_s < line.step_s / 4
        return steady and self.seeks and not self.leads and abs(float(line.times[0])) < TOLERANCE_S

    @property
    def counts(self) -> bool:
        """Whether pictures can only be found by counting them from the beginning."""
        return not (self.seeks or self.seeks_early)

    @property
    def is_exact_in_decord(self) -> bool:
        """Whether decord gives the pictures that FFmpeg gives, in their order, after any jump.

        Proven by numbered frames for the containers and conditions named here; nothing else is read with it.
        """
        films = [track for track in self.tracks if not track.is_cover]
        if self.picture is None or len(films) != 1 or self.container not in _DECORD or not self.is_whole:
            return False
        as_stored = (self.picture.width, self.picture.height) == (films[0].width, films[0].height)
        odd = self.is_turned or self.is_cropped or self.jumps or self.leads or self.refreshes
        return as_stored and self.is_timed and not odd

    def cut(self, start_s: float, duration_s: float, most_fps: float | None = None) -> Cut | None:
        """What a window shows; None where it lies beyond the pictures. A still shows its one picture, whatever the window."""
        if self.header.is_still:
            return Cut(0, 1, STILL_FPS)
        return self.timeline.cut(start_s, duration_s, most_fps)


def scan(path: str | os.PathLike[str], *, timeout_s: float = 60.0) -> Scan:
    """Read the packets of a file through the whitelists, once for each state of the file.

    Raises:
        Failure: As `actors.media.ffmpeg.probe`.
    """
    name = ffmpeg.check_file(path)
    facts = Path(name).stat()
    return _MEMORY.get(_State(name, facts.st_size, facts.st_mtime_ns, facts.st_ino, timeout_s))


@dataclass(frozen=True)
class _State:
    """A file as it is now. Who waits how long for the answer makes no other state of it."""

    name: str
    size: int
    time_ns: int
    inode: int
    timeout_s: float = field(compare=False)


class _Memory:
    """The answers of the files that were asked for last, while they are few and short enough; of the last one in any case."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._known: OrderedDict[_State, Scan] = OrderedDict()
        self._pictures = 0

    def get(self, state: _State) -> Scan:
        """The answer for a file as it is now."""
        with self._lock:
            if state in self._known:
                self._known.move_to_end(state)
                return self._known[state]
        found = _read(state.name, state.timeout_s)
        with self._lock:
            self._pictures += len(found.timeline.times) - self._forget(state)
            self._known[state] = found
            while len(self._known) > 1 and (len(self._known) > _FILES or self._pictures > _PICTURES):
                self._pictures -= self._forget(next(iter(self._known)))
        return found

    def _forget(self, state: _State) -> int:
        """How many pictures that were."""
        old = self._known.pop(state, None)
        return 0 if old is None else len(old.timeline.times)


_MEMORY = _Memory()


def _read(name: str, timeout_s: float) -> Scan:
    opening = ["-noautorotate", *ffmpeg.opening(name)]  # the picture as it is stored, and how it is to be turned
    reading = packets.read(opening, timeout_s, with_picture=True)
    if not reading.tracks:  # a picture that cannot be decoded ends the whole process
        reading = packets.read(opening, timeout_s, with_picture=False)
    log = reading.log
    encryption.check(name, log)
    tracks = ffmpeg_log.tracks(log)
    films = [track.number for track in tracks if not track.is_cover]
    rows = dict(zip(films, reading.tracks, strict=False))
    track = ffmpeg_log.played(tracks, {number: len(table.dts) for number, table in rows.items()})
    if "Input #0" not in log or track is None or track.number not in rows or not len(rows[track.number].dts):
        header = ffmpeg.probe(name, timeout_s=timeout_s)  # which says why
        return _without_packets(name, header, log, tracks)
    picture = ffmpeg_log.first_picture(log)
    if picture is None or ffmpeg_log.decoded_track(log) != track.number:
        picture = _picture(opening, track.number, timeout_s)
    facts = _assembled(name, track, tracks, reading, rows[track.number], picture)
    if picture is not None and picture.is_turned and _ROTATION not in track.below:
        return replace(facts, turns=_turns(opening, track.number, timeout_s))
    if facts.header.codec in _REFRESHING and len(facts.keys) > 1 and not (facts.leads or facts.counts):
        return replace(facts, refreshes=_refreshes(opening, track.number, facts.header.codec, timeout_s))
    return facts


def _assembled(
    name: str,
    track: Track,
    tracks: tuple[Track, ...],
    reading: packets.Pass,
    rows: Packets,
    picture: Picture | None,
) -> Scan:
    log = reading.log
    header, container = ffmpeg_log.header(name, log, track), _container(log)
    times, end_s = rows.moments()
    if not len(times):
        raise Failure("decode", f"{name}: the edit list of the file hides every picture")
    rates, is_timed, jumps = (header.fps, header.tick_rate), rows.is_timed, any(word in log for word in _JUMPS)
    if not is_timed and picture is not None and picture.time_s is not None:
        shift = picture.time_s - float(times[0])  # decoding times run ahead of display
        times, end_s = times + shift, end_s + shift
    if is_timed and picture is not None and picture.time_s is not None:
        # of a stream that begins between two key frames no decoder shows the pictures before the first of them
        decodable = times[times >= picture.time_s - TOLERANCE_S]
        times = decodable if len(decodable) else times
    if jumps:
        times, end_s = _joined(times, end_s, *rates)
    if container == "gif" and len(times) > 1 and float(np.diff(times).max()) < _BROWSER_S:
        times = np.asarray(float(times[0]) + _GIF_S * np.arange(len(times)), np.float64)
        end_s, rates, is_timed = float(times[-1]) + _GIF_S, (1 / _GIF_S, 0.0), False
    if picture is not None:
        header = replace(header, width=picture.width, height=picture.height)
    if not header.is_still and (header.fps <= 0 or header.duration_s <= 0):
        header = header.counted(len(times), end_s - float(times[0]))
    if not reading.is_whole:
        # a picture that is shown before the last one decoded has been read
        read = times[times <= float(rows.dts.max()) * rows.tick_s]
        times = _stated(read if len(read) else times[:1], header)
        end_s = max(end_s, header.duration_s)
    return Scan(
        header=header, track=track.number, tracks=tracks, container=container, timeline=Timeline(times, end_s, *rates),
        keys=rows.keys(), picture=picture, tick_s=rows.tick_s, is_timed=is_timed, leads=rows.leads, jumps=jumps,
        is_turned=_ROTATION in track.below or (picture is not None and picture.is_turned),
        is_cropped="Cropping" in track.below, is_whole=reading.is_whole,
    )  # fmt: skip


def _without_packets(name: str, header: Probe, log: str, tracks: tuple[Track, ...]) -> Scan:
    """The header alone, where FFmpeg copies no packet: what decodes the file will say why."""
    track = ffmpeg_log.played(tracks)
    if track is None:
        raise Failure("no_video", f"{name} has no video stream")
    line = Timeline(_stated(np.zeros(1), header), header.duration_s, header.fps, header.tick_rate)
    return Scan(
        header=header, track=track.number, tracks=tracks, container=_container(log), timeline=line, keys=np.zeros(1),
        picture=None, tick_s=0.0, is_timed=True, leads=False, jumps=False, is_turned=_ROTATION in track.below,
        is_cropped=False, is_whole=False,
    )  # fmt: skip


def _stated(times: Times, header: Probe) -> Times:
    """The times that were read, and those that the header promises for the rest."""
    missing = int((header.duration_s - float(times[-1])) * header.fps - 0.5) if header.fps > 0 else 0
    missing = min(max(missing, 0), packets.MOST_PACKETS)
    return np.append(times, times[-1] + np.arange(1, missing + 1) / max(header.fps, 1e-9))


def _joined(times: Times, end_s: float, *rates: float) -> tuple[Times, float]:
    """Times where the clock jumped: pictures that came to lie on each other follow each other again."""
    step, gaps = Timeline(times, end_s, *rates).step_s, np.diff(times)
    gaps = np.where(gaps < step / 2, step, gaps)
    joined = np.asarray(times[0] + np.append(0.0, np.cumsum(gaps)), np.float64)
    return joined, float(joined[-1]) + end_s - float(times[-1])


def _turns(opening: list[str], track: int, timeout_s: float) -> tuple[str, ...] | None:
    """What the stream's own message asks for."""
    trace = ["-c", "copy", "-frames:v", "1", "-bsf:v", "trace_headers", "-f", "null", "pipe:1"]
    with ffmpeg.Process([*opening, "-map", f"0:{track}", *trace], timeout_s=timeout_s) as child:
        child.wait()
        return ffmpeg_log.display_orientation(child.transcript())


def _refreshes(opening: list[str], track: int, codec: str, timeout_s: float) -> bool:
    """Whether the first two key frames show that only the pictures after a key frame complete it.

    After a jump to such a frame decoders show the first whole picture as if it were the one that was asked for.
    """
    trace = ["-frames:v", "2", "-bsf:v", "noise=drop=not(key),trace_headers", "-f", "null", "pipe:1"]
    with ffmpeg.Process([*opening, "-map", f"0:{track}", "-c", "copy", *trace], timeout_s=timeout_s) as child:
        child.wait()
        return ffmpeg_log.is_refreshed(child.transcript(), codec)


def _container(log: str) -> str:
    name = re.search(r"Input #0, ([^,\s]+),", log)
    return name.group(1) if name else ""


def _picture(opening: list[str], track: int, timeout_s: float) -> Picture | None:
    """The first picture of a track; None where it cannot be decoded."""
    args = [*opening, "-map", f"0:{track}", *packets.SHOW]
    with ffmpeg.Process(args, timeout_s=timeout_s) as child:
        child.wait()
        return ffmpeg_log.first_picture(child.transcript())
