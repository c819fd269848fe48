"""The signature of a distortion's function, the same for frame effects, encoders and transport.

`function(value, setting)` takes the parameter of a level and a `Setting`, and returns an `Effect`, which changes RGB
frames one by one, or an `Encoding`, which is one FFmpeg process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.media.window import EncodeOptions, Window

Frame = NDArray[np.uint8]
Effect = Callable[[Frame], Frame]
Chain = Callable[[Any], Any]


@dataclass(frozen=True)
class Setting:
    """The inputs of a distortion besides the parameter of its level.

    Attributes:
        seed: Seed of all random choices.
        width: Width of a frame of the normalised window, pixels.
        height: Height of such a frame, pixels.
        rate: Frames per second.
        options: Encoder settings.
    """

    seed: int = 0
    width: int = 640
    height: int = 360
    rate: Fraction = Fraction(25)
    options: EncodeOptions = field(default_factory=EncodeOptions)

    @classmethod
    def of(cls, window: Window, seed: int) -> Setting:
        """The setting of one copy of a window."""
        return cls(seed, window.width, window.height, window.rate, window.options)


def unchanged(stream: Any) -> Any:
    """The stream itself: no filter before the encoder."""
    return stream


def untouched(stream: bytes) -> bytes:
    """The coded stream itself: nothing happens to it on its way."""
    return stream


@dataclass(frozen=True)
class Encoding:
    """One process of FFmpeg, from the window to the copy.

    Attributes:
        codec: Output options: the encoder and its parameters. None: the frames are stored without loss.
        chain: Adds filters to the ffmpeg-python stream before the encoder.
        raw: FFmpeg's name of the raw format of the encoded stream, where the copy is what a decoder returns for that
            stream, stored without loss at the window's rate. Empty: the encoded stream is the copy.
        transport: Changes such a raw stream before the decoder reads it.
    """

    codec: dict[str, Any] | None = None
    chain: Chain = unchanged
    raw: str = ""
    transport: Callable[[bytes], bytes] = untouched


Maker = Callable[[float, Setting], Effect | Encoding]
