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


@dataclass(frozen=True)
class Encoding:
    """One process of FFmpeg, from the window to the copy.

    Attributes:
        codec: Output options: the encoder and its parameters.
        chain: Adds filters to the ffmpeg-python stream before the encoder.
        transport: Changes the encoded Annex B stream of H.264; FFmpeg then decodes the result, and the frames are
            stored without loss. None: the encoded stream is the copy.
    """

    codec: dict[str, Any]
    chain: Chain = unchanged
    transport: Callable[[bytes], bytes] | None = None


Maker = Callable[[float, Setting], Effect | Encoding]
