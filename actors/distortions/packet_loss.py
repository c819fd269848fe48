"""Packet loss: a live H.264 stream whose slices get lost on the way, shown with the decoder's error concealment.

The window is encoded as a live encoder does (no B-frames, an intra frame every second, slices of at most two rows of
macroblocks that each fit one network packet; RFC 6184, single NAL unit mode). Then slices are dropped with the given
probability, and what FFmpeg's decoder makes of the rest is stored without further loss. One slice of every picture
arrives, so that the copy has as many frames as its source; errors spread until the next intra frame.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np

from actors.media import ffmpeg, ffmpeg_log
from actors.media.outcome import Failure
from actors.media.window import Window

CRF = 24
PACKET_BYTES = 1200  # of a slice at most: below the usual limit of an Internet packet with its headers
SLICE_ROWS = 2  # of macroblocks in a slice at most
_NAL = re.compile(rb"\x00\x00\x01")
_SLICES = (1, 5)  # nal_unit_type of a slice, of a slice of an intra picture (ITU-T H.264, table 7-1)


def apply(window: Window, share: float, seed: int, destination: Path, container: str) -> None:
    """Write the copy of a window that has lost ``share`` of its slices.

    Raises:
        Failure: As `actors.media.ffmpeg`.
    """
    options = window.options
    second = max(1, round(window.rate))
    slices = f"slice-max-size={PACKET_BYTES}:slice-max-mbs={SLICE_ROWS * -(-window.width // 16)}"
    params = f"{slices}:keyint={second}:min-keyint={second}:scenecut=0:bframes=0:log-level=error"
    live = {"vcodec": "libx264", "preset": "fast", "crf": CRF, "threads": options.threads, "x264-params": params}
    with tempfile.NamedTemporaryFile(dir=destination.parent, prefix=".partial-", suffix=".h264") as stream:
        sent = ffmpeg.target(window.stream(still=False), stream.name, live, "h264")
        log = ffmpeg.run(ffmpeg.arguments(sent), timeout_s=options.timeout_s, kind="encode")
        if ffmpeg_log.progress(log)[0] == 0:
            raise Failure("decode", f"{window.source}: no frame at {window.start_s:g} s; check start_s and duration_s")
        path = Path(stream.name)
        path.write_bytes(lose(path.read_bytes(), share, seed))
        # Several decoder threads would conceal in the order in which they happen to finish.
        received = ffmpeg.source(path, max_pixels=options.max_pixels, threads=1)["V:0"]
        shown = received.filter("setpts", f"N/({window.rate})/TB").filter("fps", fps=str(window.rate))
        stored = ffmpeg.target(
            shown.filter("format", "yuv420p"), destination, ffmpeg.lossless(options.threads), container
        )
        ffmpeg.run(ffmpeg.arguments(stored), timeout_s=options.timeout_s, kind="encode")


def lose(stream: bytes, share: float, seed: int) -> bytes:
    """An Annex B stream without ``share`` of its slices: never a header, a slice of the first picture, or a whole picture.

    One number is drawn for each slice, and the slice with the largest number of its picture always arrives, so that what
    is lost at a small share is lost at every larger one too.
    """
    starts = [match.start() for match in _NAL.finditer(stream)]
    units = [stream[start:end] for start, end in zip(starts, [*starts[1:], len(stream)], strict=True)]
    slices = np.array([unit[3] & 0x1F in _SLICES for unit in units], bool)
    # first_mb_in_slice is an Exp-Golomb code: a leading 1 is the number 0, the first slice of a picture
    picture = np.cumsum([is_slice and unit[4] & 0x80 > 0 for is_slice, unit in zip(slices, units, strict=True)])
    drawn = np.where(slices, np.random.default_rng(seed).random(len(units)), 1.0)
    largest = np.zeros(len(units) + 1)
    np.maximum.at(largest, picture[slices], drawn[slices])
    lost = slices & (drawn < share) & (drawn < largest[picture]) & (picture > 1)
    return stream[: starts[0] if starts else None] + b"".join(units[at] for at in np.flatnonzero(~lost))
