"""What one decode hands to every teacher and to the student: a few native frames and a strip of luma.

A "video" is a window of a file (``uri``, ``start_s``, ``duration_s``). It is decoded once into a `Sample`;
all models work from that sample, so they all see the very same pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from actors.media.colour import AS_USUAL, Rendering
from actors.media.network_views import VIEWS

Uint8 = NDArray[np.uint8]


@dataclass(frozen=True)
class SampleSpec:
    """How much of a window a `Sample` keeps.

    Attributes:
        key_frames: Number S of key frames, at the centres of S equal parts of the window.
        motion_frames: Most consecutive native frames kept as luma.
        motion_short_side: Short side of the luma strip in pixels (never scaled up).
        max_pixels: Largest accepted frame area in pixels; larger videos are refused before decoding.
        views: What the published networks in use are shown, by names of `actors.media.network_views.VIEWS`.
        rendering: How HDR and interlaced material is shown.
    """

    key_frames: int = 3
    motion_frames: int = 48
    motion_short_side: int = 144
    max_pixels: int = 7680 * 4320
    views: tuple[str, ...] = ()
    rendering: Rendering = AS_USUAL

    def __post_init__(self) -> None:
        unknown = sorted(set(self.views) - set(VIEWS))
        if unknown:
            raise ValueError(f"SampleSpec.views: {unknown[0]!r} is none of {', '.join(VIEWS)}")
        for name in ("key_frames", "motion_frames", "motion_short_side", "max_pixels"):
            if getattr(self, name) < 1:
                raise ValueError(f"SampleSpec.{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Sample:
    """The decoded part of one window.

    Attributes:
        key: uint8 RGB ``[S, 2, H, W, 3]`` at native size: each key frame with the frame right after it
            (twice the same frame for stills and one-frame clips; for the last frame, the frame before it and itself).
        luma: uint8 ``[N, h, w]``: up to ``motion_frames`` consecutive native frames from the window's start,
            scaled down by area. ``N == 1`` for stills.
        fps: Native frames per second (0 for stills).
        views: Pictures of each view that the `SampleSpec` names, uint8 RGB ``[n, h, w, 3]``.
    """

    key: Uint8
    luma: Uint8
    fps: float
    views: Mapping[str, Uint8] = field(default_factory=dict)

    @property
    def height(self) -> int:
        """Native height in pixels, as a player shows the video."""
        return int(self.key.shape[2])

    @property
    def width(self) -> int:
        """Native width in pixels, as a player shows the video."""
        return int(self.key.shape[3])

    @property
    def is_still(self) -> bool:
        """True for an image or a one-frame clip: there is no motion to measure."""
        return bool(self.luma.shape[0] < 2)
