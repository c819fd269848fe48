"""Packet loss: a live H.264 stream whose slices get lost on the way, shown with the decoder's error concealment.

The window is encoded as a live encoder does (no B-frames, an intra frame every second, slices of at most two rows of
macroblocks that each fit one network packet; RFC 6184, single NAL unit mode). Then slices are dropped with the given
probability, and what FFmpeg's decoder makes of the rest is stored without further loss. One slice of every picture
arrives, so that the copy has as many frames as its source; errors spread until the next intra frame.
"""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from actors.distortions.maker import Encoding, Setting

CRF = 24
PACKET_BYTES = 1200  # of a slice at most: below the usual limit of an Internet packet with its headers
SLICE_ROWS = 2  # of macroblocks in a slice at most
_NAL = re.compile(rb"\x00\x00\x01")
_SLICES = (1, 5)  # nal_unit_type of a slice, of a slice of an intra picture (ITU-T H.264, table 7-1)


def packet_loss(share: float, setting: Setting) -> Encoding:
    """A live stream that loses ``share`` of its slices."""
    second = max(1, round(setting.rate))
    slices = f"slice-max-size={PACKET_BYTES}:slice-max-mbs={SLICE_ROWS * -(-setting.width // 16)}"
    params = f"{slices}:keyint={second}:min-keyint={second}:scenecut=0:bframes=0:log-level=error"
    live = {"vcodec": "libx264", "preset": "fast", "crf": CRF, "threads": 1, "x264-params": params}
    return Encoding(live, raw="h264", transport=partial(lose, share=share, seed=setting.seed))


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
