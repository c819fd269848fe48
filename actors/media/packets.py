"""The packets of a file's video tracks, as FFmpeg's muxer ``framecrc`` prints them: a line for each, nothing decoded."""

from __future__ import annotations

import re
import time
from array import array
from dataclasses import dataclass
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from actors.media import ffmpeg

MOST_PACKETS = 2_000_000  # nine hours at 60 pictures a second
MOST_SECONDS = 60.0  # of reading; a longer file is known as far as it was read
_KEY, _DISCARD = 1, 4  # AV_PKT_FLAG_KEY, AV_PKT_FLAG_DISCARD: an edit list hides what it decodes
_NONE = -(2**63)  # AV_NOPTS_VALUE
_COPY = ["-map", "0:V", "-c", "copy", "-copyinkf", "-f", "framecrc", "pipe:1"]
SHOW = ["-an", "-sn", "-dn", "-frames:v", "1", "-vf", "showinfo", "-f", "null", "pipe:1"]  # the first picture


@dataclass(frozen=True, eq=False)
class Packets:
    """The packets of one track in the order of the file.

    Attributes:
        dts: Decoding times in ticks, int64; `_NONE` where there is none.
        pts: Display times in ticks, the same.
        length: How long each picture lasts, ticks; 0 where it is not known.
        flags: FFmpeg's flags of a packet.
        tick_s: Seconds in a tick.
    """

    dts: NDArray[np.int64]
    pts: NDArray[np.int64]
    length: NDArray[np.int64]
    flags: NDArray[np.int64]
    tick_s: float

    @property
    def is_timed(self) -> bool:
        """Whether every packet has a display time."""
        return bool((self.pts != _NONE).all())

    def moments(self) -> tuple[NDArray[np.float64], float]:
        """Display times in order, seconds, and the end of the last picture; decoding times where one is missing."""
        visible = (self.flags & _DISCARD) == 0
        ticks = (self.pts if self.is_timed else self.dts)[visible]
        known = ticks != _NONE
        if not known.all():  # a raw stream: one after the other
            ticks = np.arange(len(ticks)) * max(1, int(np.median(self.length)) if len(self.length) else 1)
        order = np.argsort(ticks, kind="stable")
        times = ticks[order].astype(np.float64) * self.tick_s
        last = float(self.length[visible][order[-1]]) * self.tick_s if len(order) else 0.0
        if last <= 0 and len(times) > 1:
            last = float(np.median(np.diff(times)))
        return times, (float(times[-1]) + last if len(times) else 0.0)

    def keys(self) -> NDArray[np.float64]:
        """Display times of the key frames, seconds, in order; empty where display times are missing."""
        ticks = self.pts[(self.flags & _KEY) > 0]
        return np.asarray(np.sort(ticks) * self.tick_s if self.is_timed else np.zeros(0), np.float64)

    @property
    def leads(self) -> bool:
        """Whether pictures are shown before the key frame that they follow in the file: decoding cannot begin there."""
        is_key = (self.flags & _KEY) > 0
        if not self.is_timed or not is_key.any():
            return True
        latest = np.maximum.accumulate(np.where(is_key, np.arange(len(is_key)), -1))
        behind = latest >= 0
        return bool((self.pts[behind] < self.pts[latest[behind]]).any())


@dataclass(frozen=True)
class Pass:
    """One reading of a file.

    Attributes:
        log: What FFmpeg printed.
        tracks: The packets of each video track that is no cover picture, in the order of the file.
        is_whole: False where a limit ended the reading before the file did.
    """

    log: str
    tracks: list[Packets]
    is_whole: bool


def read(opening: list[str], timeout_s: float, *, with_picture: bool) -> Pass:
    """Copy the packets of all video tracks, and show the first picture of the one that FFmpeg would play.

    Args:
        opening: FFmpeg's arguments up to the input (`actors.media.ffmpeg.opening`).
        timeout_s: Wall-clock limit, seconds; most of it is for reading.
        with_picture: Decode the first picture. Where that fails there are no packets either.

    Raises:
        Failure: ``timeout``.
    """
    args = [*opening, *_COPY, *(SHOW if with_picture else [])]
    table = _Table()
    with ffmpeg.Process(args, timeout_s=timeout_s, stdout=True) as child:
        until = time.monotonic() + min(MOST_SECONDS, 0.8 * timeout_s)
        for line in cast("IO[bytes]", child.process.stdout):
            table.add(line)
            if table.count >= MOST_PACKETS or time.monotonic() > until:
                child.kill()
                child.process.wait()
                return Pass(child.transcript(), table.packets(), is_whole=False)
        status = child.wait()
        rows = table.packets() if status == 0 or not with_picture else []
        return Pass(child.transcript(), rows, is_whole=True)


class _Table:
    """The lines of ``framecrc``: stream, dts, pts, duration, size, checksum, then flags unless they are those of a key."""

    def __init__(self) -> None:
        self._ticks: dict[int, float] = {}
        self._rows: dict[int, array[int]] = {}
        self.count = 0

    def add(self, line: bytes) -> None:
        """Read one line; what is not of this form is left out."""
        if line.startswith(b"#"):
            base = re.match(rb"#tb (\d+): (\d+)/(\d+)", line)
            if base:
                self._ticks[int(base.group(1))] = int(base.group(2)) / max(1, int(base.group(3)))
            return
        fields = line.split(b",", 7)
        if len(fields) < 6:
            return
        try:
            stream, dts, pts, length = (int(field) for field in fields[:4])
            mark = fields[6].strip() if len(fields) > 6 else b""
            row = (dts, pts, length, int(mark.removeprefix(b"F="), 0) if mark.startswith(b"F=") else _KEY)
            self._rows.setdefault(stream, array("q")).extend(row)
        except (ValueError, OverflowError):
            return
        self.count += 1

    def packets(self) -> list[Packets]:
        """The packets of each track."""
        most = max(self._ticks, default=-1) + 1
        tables = [np.frombuffer(self._rows.get(at, array("q")), np.int64).reshape(-1, 4) for at in range(most)]
        return [
            Packets(table[:, 0], table[:, 1], table[:, 2], table[:, 3], self._ticks.get(at, 1.0))
            for at, table in enumerate(tables)
        ]
