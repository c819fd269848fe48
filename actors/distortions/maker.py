"""What the function of a distortion gets and what it gives: one signature for frame effects, encoders and transport.

``function(value, setting)`` takes the parameter of a level and a `Setting`, and returns an `Effect`, which changes RGB
frames one by one, or an `Encoding`, which is a process of FFmpeg.
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
    """What a distortion may depend on besides the parameter of its level.

    Attributes:
        seed: All randomness comes from it.
        width: Pixels of a frame, after the window is brought into the common form.
        height: Pixels.
        rate: Frames per second.
        options: Of the encoders.
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
        transport: Changes the coded Annex B stream of H.264 on its way; what FFmpeg's decoder makes of the result is
            then stored without loss. None: the coded stream is the copy.
    """

    codec: dict[str, Any]
    chain: Chain = unchanged
    transport: Callable[[bytes], bytes] | None = None


Maker = Callable[[float, Setting], Effect | Encoding]
