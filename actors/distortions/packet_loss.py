"""Packet loss: a live H.264 stream that loses slices, decoded with error concealment.

The window is encoded as by a live encoder (no B-frames, an intra frame every second, slices of at most two rows of
macroblocks that each fit into one network packet; RFC 6184, single NAL unit mode). Then slices are dropped with the given
probability, FFmpeg decodes the rest, and the frames are stored without further loss. At least one slice of every picture
arrives, so the copy has as many frames as its source. Errors spread until the next intra frame.
"""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from actors.distortions.maker import Encoding, Setting

CRF = 24
PACKET_BYTES = 1200  # largest slice: with its headers, below the usual limit of an Internet packet
SLICE_ROWS = 2  # most rows of macroblocks in a slice
_NAL = re.compile(rb"\x00\x00\x01")
_SLICES = (1, 5)  # nal_unit_type of a slice, of a slice of an intra picture (ITU-T H.264, table 7-1)


def packet_loss(share: float, setting: Setting) -> Encoding:
    """A live stream that loses `share` of its slices."""
    second = max(1, round(setting.rate))
    slices = f"slice-max-size={PACKET_BYTES}:slice-max-mbs={SLICE_ROWS * -(-setting.width // 16)}"
    params = f"{slices}:keyint={second}:min-keyint={second}:scenecut=0:bframes=0:log-level=error"
    live = {"vcodec": "libx264", "preset": "fast", "crf": CRF, "threads": 1, "x264-params": params}
    return Encoding(live, raw="h264", transport=partial(lose, share=share, seed=setting.seed))


def lose(stream: bytes, share: float, seed: int) -> bytes:
    """Drop `share` of the slices of an Annex B stream, but no header, no slice of the first picture and no whole picture.

    One random number is drawn for each slice, and the slice with the largest number of its picture always arrives. So a
    slice that is lost at one share is also lost at every larger share.
    """
    starts = [match.start() for match in _NAL.finditer(stream)]
    units = [stream[start:end] for start, end in zip(starts, [*starts[1:], len(stream)], strict=True)]
    slices = np.array([unit[3] & 0x1F in _SLICES for unit in units], bool)
    # first_mb_in_slice is an Exp-Golomb code: a leading 1 is the number 0, the first slice of a picture
    picture = np.cumsum([is_slice and unit[4] & 0x80 > 0 for is_slice, unit in zip(slices, units, strict=True)])
    draws = np.where(slices, np.random.default_rng(seed).random(len(units)), 1.0)
    largest = np.zeros(len(units) + 1)
    np.maximum.at(largest, picture[slices], draws[slices])
    losses = slices & (draws < share) & (draws < largest[picture]) & (picture > 1)
    return stream[: starts[0] if starts else None] + b"".join(units[at] for at in np.flatnonzero(~losses))
