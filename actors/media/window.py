"""A window of a file in the one form that all its copies share: even size, constant rate, one colour matrix."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from actors.media import colour, ffmpeg
from actors.media.colour import AS_USUAL, MATRIX, SCALER, Rendering, Tags
from actors.media.excerpt import excerpt, held, track
from actors.media.outcome import Failure
from actors.media.scan import Scan, scan
from actors.media.timeline import Cut

_INSTANT_S = 1e-5  # times in a file are rounded, FFmpeg's to microseconds


@dataclass(frozen=True)
class EncodeOptions:
    """How copies are made; the same for the reference and all distorted copies of a window.

    Attributes:
        x265_preset: The paper's is ``veryslow``.
        threads: Encoder and decoder threads.
        max_short_side: Shrink the window so that its short side is at most this many pixels, or None.
        max_fps: Keep every k-th frame so that the rate is at most this, or None.
        hold_output: Stutter repeats the last shown frame (True) or the original previous frame (False).
        max_pixels: Refuse larger source frames.
        timeout_s: Wall-clock limit of each FFmpeg process, seconds.
        rendering: How HDR and interlaced material is shown.
    """

    x265_preset: str = "veryslow"
    threads: int = 1
    max_short_side: int | None = None
    max_fps: float | None = None
    hold_output: bool = True
    max_pixels: int = ffmpeg.MAX_PIXELS
    timeout_s: float = 900.0
    rendering: Rendering = AS_USUAL


@dataclass(frozen=True)
class Window:
    """A normalised window.

    Attributes:
        source: File.
        start_s: Start, seconds; for a still the time of its frame.
        duration_s: Length, seconds; 0 means to the end.
        crop: Cut the last odd row and column instead of scaling.
        width: Even number of pixels.
        height: Even number of pixels.
        keep_every: Every k-th native frame is kept; 0 where pictures are held, and what is on the screen is sampled.
        rate: Frames per second after that.
        options: Limits and threads.
        scan: What the file's packets say.
        cut: The pictures that the window shows.
        ready: A file that holds the window in this form already, without loss, and is read instead; empty for none.
    """

    source: str
    start_s: float
    duration_s: float
    crop: bool
    width: int
    height: int
    keep_every: int
    rate: Fraction
    options: EncodeOptions
    scan: Scan
    cut: Cut
    ready: str = ""

    @classmethod
    def open(cls, source: str, start_s: float, duration_s: float, still: bool, options: EncodeOptions) -> Window:
        """Plan the window from the file's packets; for a still, the middle of the window.

        Raises:
            Failure: As `actors.media.scan.scan`; ``too_large``; ``colour``; ``format`` for frames of less than 2x2 pixels;
                ``decode`` for a window that lies beyond the pictures.
        """
        facts = scan(source)
        header = facts.header
        width, height = header.width, header.height
        if width * height > options.max_pixels:
            raise Failure("too_large", f"{source} is {width}x{height}; the limit is {options.max_pixels} pixels")
        colour.check(source, header.tags, options.rendering)
        ratio = min(1.0, options.max_short_side / min(width, height)) if options.max_short_side else 1.0
        if ratio < 1:
            width, height = max(2, round(width * ratio)), max(2, round(height * ratio))
        if width < 2 or height < 2:
            raise Failure("format", f"{source} is {width}x{height}; at least 2x2 pixels are needed")
        if still and not header.is_still:
            rest = max(facts.length_s - start_s, 0.0)
            start_s, duration_s = start_s + min(duration_s or rest, rest) / 2, 0.0
        cut = facts.cut(start_s, duration_s, options.max_fps)
        if cut is None:
            raise facts.no_frame(source, start_s)
        keep_every = 1 if cut.schedule is None else 0
        rate = cut.fraction
        if keep_every and options.max_fps and rate > Fraction(options.max_fps):
            # a rate a hair above the limit (29.97 asked, 30000/1001 found) is no reason to lose every other frame
            keep_every = -int(-(float(rate) / options.max_fps - 1e-3) // 1)
        return cls(source, start_s, duration_s, ratio == 1, width - width % 2, height - height % 2, keep_every,
                   rate / max(keep_every, 1), options, facts, cut)  # fmt: skip

    @property
    def tags(self) -> Tags:
        """What the file's header says of its colours."""
        return self.scan.header.tags

    @property
    def frames(self) -> int:
        """How many frames it has, if all can be decoded."""
        count, times = self.cut.count, self.scan.timeline.times
        if self._is_cut_by_ffmpeg and self.duration_s > 0:
            # FFmpeg counts a length from the first picture that comes out
            end = float(times[self.cut.first]) + self.duration_s - _INSTANT_S
            count = int(np.searchsorted(times, end)) - self.cut.first
        return -(-count // max(self.keep_every, 1))

    @property
    def _is_cut_by_ffmpeg(self) -> bool:
        """Whether FFmpeg's own seek and length cut it out."""
        return self.scan.is_plain and self.cut.schedule is None

    @property
    def bytes(self) -> int:
        """Size of its frames as they are."""
        return self.width * self.height * 3 // 2 * self.frames

    def _pictures(self) -> Any:
        """ffmpeg-python video stream of the window's pictures, each once, or sampled where pictures are held."""
        limits = {"max_pixels": self.options.max_pixels, "threads": self.options.threads}
        if self._is_cut_by_ffmpeg:
            return track(ffmpeg.source(self.source, self.start_s, self.duration_s, **limits), self.scan)
        part = excerpt(self.source, self.scan, self.cut, **limits)
        return part.node if self.cut.schedule is None else held(part, self.cut)

    def stream(self, still: bool) -> Any:
        """ffmpeg-python video stream: native frames with exact times, doubled only where a player holds them."""
        if self.ready:
            made = ffmpeg.source(self.ready, threads=self.options.threads)["V:0"]
            return made.filter("settb", f"1/({self.rate})").filter("setpts", "N").filter("fps", fps=str(self.rate))
        node = colour.render(self._pictures(), self.tags, self.options.rendering)
        if self.keep_every > 1:
            node = node.filter("select", f"not(mod(n,{self.keep_every}))")
        if self.keep_every:
            # rounded, because where a tick is as long as a frame, 3 frames at 10 per second come out as 2.99 ticks
            node = node.filter("setpts", f"round(N/({self.rate})/TB)").filter("fps", fps=str(self.rate))
        if self.crop:
            node = node.filter("crop", self.width, self.height, 0, 0, exact=1)
        node = node.filter("scale", self.width, self.height, flags=SCALER, out_color_matrix=MATRIX, out_range="tv")
        return colour.labelled(node.filter("format", "rgb24" if still else "yuv420p").filter("setsar", 1), still)

    def rgb(self, still: bool) -> Any:
        """The same stream as RGB frames."""
        return (
            self.stream(still)
            .filter("scale", in_color_matrix=MATRIX, in_range="tv", flags=SCALER)
            .filter("format", "rgb24")
        )

    def raw_input(self, still: bool) -> Any:
        """ffmpeg-python stream that takes such RGB frames back from standard input."""
        node = ffmpeg.raw_source(self.width, self.height, float(self.rate))
        if still:
            return node
        node = node.filter("scale", out_color_matrix=MATRIX, out_range="tv", flags=SCALER).filter("format", "yuv420p")
        return colour.labelled(node, still)
