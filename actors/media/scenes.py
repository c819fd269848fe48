"""Rendered demonstration clips: known content, known camera motion, known and very different quality.

They stand in for a real collection when somebody wants to see the whole program run, and they cost a moment each. The
texture models are the usual ones of image statistics: dead leaves (Lee, Mumford and Huang 2001), 1/f noise (Field
1987), zone plates and text-like structure. Everything is drawn from (seed, index), with arithmetic that gives the same
grey levels on every processor: integers, or double precision that is rounded to 256 levels.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.media import ffmpeg
from actors.media.colour import MATRIX, SCALER
from actors.media.files import atomic
from actors.media.outcome import Failure

Frame = NDArray[np.uint8]
Integers = NDArray[np.int32]
Generator = np.random.Generator

VERSION = 2  # of what this module draws: raise it with every change that alters a picture
_UNIT_BITS = 16  # of the camera's fixed-point coefficients behind the point
_POSITION_BITS = 8  # of the places between two pixels that it tells apart
_MARGIN = 1.5  # the canvas is this much larger than the frame, room for the camera


@dataclass(frozen=True)
class Quality:
    """How a clip was "shot" and stored.

    Attributes:
        name: Word for it.
        crf: x264 constant rate factor of the file itself.
        noise: Standard deviation of sensor noise, grey levels.
        gain: Exposure; 1 is right.
        shrink: Rendered at 1/shrink of the size and enlarged.
        shake: Standard deviation of hand shake, share of the short side.
        blur: Standard deviation of defocus, pixels.
    """

    name: str
    crf: int = 16
    noise: float = 0.0
    gain: float = 1.0
    shrink: float = 1.0
    shake: float = 0.0
    blur: float = 0.0


QUALITIES = (
    Quality("clean"),
    Quality("mild compression", crf=30),
    Quality("noisy", noise=14.0, crf=22),
    Quality("dark", gain=0.3, noise=5.0, crf=24),
    Quality("low resolution, enlarged", shrink=3.5, crf=20),
    Quality("shaky", shake=0.02, blur=0.8, crf=24),
    Quality("heavy compression", crf=41),
    Quality("defocused and overexposed", blur=2.2, gain=1.7, crf=24),
)


def _colour(rng: Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(20, 236, size=3))
    return red, green, blue


def _dead_leaves(rng: Generator, height: int, width: int) -> Frame:
    canvas = np.full((height, width, 3), 128, np.uint8)
    smallest, largest = 2.0, 0.25 * min(height, width)
    for _ in range(900):
        # radius density ~ r^-3 between the two bounds
        radius = 1 / np.sqrt(rng.uniform(1 / largest**2, 1 / smallest**2)) * 2.5
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(canvas, centre, max(2, int(radius)), _colour(rng), -1, cv2.LINE_AA)
    return canvas


def _spectral(rng: Generator, height: int, width: int) -> Frame:
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    amplitude = 1 / np.maximum(np.hypot(rows, columns), 1 / max(height, width)) ** 1.15
    spectra = [np.fft.rfft2(rng.standard_normal((height, width))) * amplitude for _ in range(3)]
    planes = [np.fft.irfft2(spectrum, s=(height, width)) for spectrum in spectra]
    mixed = np.stack([planes[0] + 0.35 * plane for plane in planes], axis=-1)
    levels: NDArray[np.float64] = 128 + 52 * (mixed - mixed.mean()) / mixed.std()
    return np.clip(levels, 0, 255).astype(np.uint8)


def _zone_plate(rng: Generator, height: int, width: int) -> Frame:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = columns - width * rng.uniform(0.3, 0.7), rows - height * rng.uniform(0.3, 0.7)
    rate = np.pi * 0.32 / max(height, width)
    rings = 0.5 + 0.5 * np.cos(rate * (x * x + y * y))
    bars = 0.5 + 0.5 * np.sin(2 * np.pi * (x * rng.uniform(0.02, 0.06) + y * rng.uniform(0.02, 0.06)))
    low, high = np.array(_colour(rng)) * 0.4, 100 + np.array(_colour(rng)) * 0.6
    mixed = np.where((columns < width / 2)[..., None], rings[..., None], bars[..., None])
    levels: NDArray[np.float64] = low + (high - low) * mixed
    return np.clip(levels, 0, 255).astype(np.uint8)


def _page(rng: Generator, height: int, width: int) -> Frame:
    canvas = np.full((height, width, 3), 238, np.uint8)
    letters = "etaoinshrdlucmfwypvbgk0123456789"
    size, top = max(0.32, min(height, width) / 700), 6
    while top < height:
        scale = size * float(rng.choice([1.0, 1.0, 1.0, 1.8]))
        top += int(30 * scale)
        text = "".join(" " if rng.random() < 0.17 else letters[int(rng.integers(len(letters)))] for _ in range(160))
        ink = _colour(rng) if rng.random() < 0.2 else (35, 35, 40)
        cv2.putText(canvas, text, (4, top), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
    return canvas


def _town(rng: Generator, height: int, width: int) -> Frame:
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = np.array([120, 160, 220], np.float32) * (1 - ramp) + np.array([235, 215, 190], np.float32) * ramp
    canvas = np.ascontiguousarray(np.broadcast_to(sky, (height, width, 3)).astype(np.uint8))
    left = 0
    while left < width:
        wide, tall = int(width * rng.uniform(0.06, 0.14)), int(height * rng.uniform(0.3, 0.85))
        wall = _colour(rng)
        cv2.rectangle(canvas, (left, height - tall), (left + wide, height), wall, -1)
        pane = max(3, wide // 9)
        for y in range(height - tall + pane, height, 2 * pane):
            for x in range(left + pane, left + wide - pane, 2 * pane):
                glass = (250, 240, 170) if rng.random() < 0.4 else (40, 45, 60)
                cv2.rectangle(canvas, (x, y), (x + pane - 1, y + pane - 1), glass, -1)
        left += wide + int(rng.integers(0, 6))
    return canvas


def _meadow(rng: Generator, height: int, width: int) -> Frame:
    canvas = _spectral(rng, height, width)
    canvas = (canvas * np.array([0.5, 0.75, 0.35], np.float32)).astype(np.uint8)
    for _ in range(1500):
        foot = np.array([rng.integers(width), rng.integers(height)])
        tip = foot + np.array([rng.normal(0, 6), -rng.uniform(6, 22)])
        shade = (int(rng.integers(30, 130)), int(rng.integers(90, 220)), int(rng.integers(20, 90)))
        cv2.line(canvas, (int(foot[0]), int(foot[1])), (int(tip[0]), int(tip[1])), shade, 1, cv2.LINE_AA)
    return canvas


CONTENTS: tuple[tuple[str, Callable[[Generator, int, int], Frame]], ...] = (
    ("dead leaves", _dead_leaves),
    ("1/f texture", _spectral),
    ("zone plate", _zone_plate),
    ("page of text", _page),
    ("town", _town),
    ("meadow", _meadow),
)


def describe(index: int) -> str:
    """What the clip of this index shows and how well, for example ``"town, noisy"``."""
    return f"{CONTENTS[index % len(CONTENTS)][0]}, {_quality(index).name}"


def clip_id(index: int, seed: int, width: int, height: int, seconds: float, fps: float) -> str:
    """16 hexadecimal digits that name a clip by what it is drawn from; the arguments are those of `make_clip`.

    Its bytes are no identity: OpenCV, NumPy and the encoder may round differently on another processor or in another
    release, and splits, seeds and pairs that follow from the identity would differ with them.
    """
    recipe = ("rendered clip", VERSION, index, seed, width, height, float(seconds), float(fps))
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]


def _quality(index: int) -> Quality:
    # 6 contents and 8 qualities: the shift by index // 6 lets 24 indices meet 24 different pairs.
    base = QUALITIES[(index + index // len(CONTENTS)) % len(QUALITIES)]
    strength = 1 + 0.25 * ((index // len(QUALITIES)) % 3 - 1)
    return replace(base, noise=base.noise * strength, shrink=max(1.0, base.shrink * strength),
                   shake=base.shake * strength, blur=base.blur * strength)  # fmt: skip


@dataclass(frozen=True)
class _Camera:
    """Pan in pixels per second, zoom in 1/s, rotation in degrees per second."""

    pan: tuple[float, float]
    zoom: float
    turn: float

    def look(self, canvas: Frame, width: int, height: int, time_s: float, shake: tuple[float, float]) -> Frame:
        """The picture ``[height, width, 3]`` that the camera takes of the canvas at a time, in seconds."""
        zoom, angle = math.exp(-self.zoom * time_s), math.radians(self.turn * time_s)
        cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
        left = width / 2 + self.pan[0] * time_s + shake[0]
        top = height / 2 + self.pan[1] * time_s + shake[1]
        across = (cosine, -sine, canvas.shape[1] / 2 - cosine * left + sine * top)
        down = (sine, cosine, canvas.shape[0] / 2 - sine * left - cosine * top)
        return _sampled(canvas, across, down, width, height)


Affine = tuple[float, float, float]


def _sampled(canvas: Frame, across: Affine, down: Affine, width: int, height: int) -> Frame:
    """Bilinear samples of a canvas whose edges reflect, ``[height, width, 3]``.

    In integers, since `cv2.warpAffine` rounds otherwise on other vector units and in other releases.

    Args:
        canvas: ``[H, W, 3]``.
        across: The canvas column of output pixel (x, y) is ``across[0] * x + across[1] * y + across[2]``.
        down: Its row, likewise.
        width: Of the output, pixels.
        height: Of the output, pixels.
    """
    x, y = np.arange(width, dtype=np.int32), np.arange(height, dtype=np.int32)[:, None]
    columns, right, share_x = _neighbours(across, x, y, canvas.shape[1])
    rows, below, share_y = _neighbours(down, x, y, canvas.shape[0])
    # One gather of whole pixels reads half of the memory that three colour planes would.
    pixels = np.concatenate([canvas, canvas[..., :1]], axis=-1).view(np.uint32).ravel()
    places = [row * canvas.shape[1] + column for row in (rows, below) for column in (columns, right)]
    corners = [pixels[place].view(np.uint8).reshape(height, width, 4)[..., :3].astype(np.int32) for place in places]
    first, second, third, fourth = corners
    upper = (first << _POSITION_BITS) + (second - first) * share_x[..., None]
    lower = (third << _POSITION_BITS) + (fourth - third) * share_x[..., None]
    mixed: Integers = (upper << _POSITION_BITS) + (lower - upper) * share_y[..., None]
    return ((mixed + (1 << 2 * _POSITION_BITS - 1)) >> 2 * _POSITION_BITS).astype(np.uint8)


def _neighbours(line: Affine, x: Integers, y: Integers, size: int) -> tuple[Integers, Integers, Integers]:
    """The two canvas places between which each output pixel lies, and the second one's share of 2**`_POSITION_BITS`."""
    along_x, along_y, start = (np.int32(round(value * (1 << _UNIT_BITS))) for value in line)
    place = (along_x * x + along_y * y + start) >> (_UNIT_BITS - _POSITION_BITS)
    whole = place >> _POSITION_BITS
    reach = np.arange(int(whole.min()), int(whole.max()) + 2, dtype=np.int32)
    period = 2 * (size - 1)
    inside = np.minimum(reach % period, -reach % period)  # where the edge's reflection shows each place
    at = whole - reach[0]
    return inside[at], inside[at + 1], place & ((1 << _POSITION_BITS) - 1)


@dataclass(frozen=True)
class _Ball:
    """An object that crosses the picture and bounces off its edges."""

    start: tuple[float, float]
    speed: tuple[float, float]
    radius: int
    colour: tuple[int, int, int]

    def draw(self, frame: Frame, time_s: float) -> None:
        place = []
        for start, speed, size in zip(self.start, self.speed, (frame.shape[1], frame.shape[0]), strict=True):
            phase = (start + speed * time_s) % (2 * size)
            place.append(int(min(phase, 2 * size - phase)))
        cv2.circle(frame, (place[0], place[1]), self.radius, self.colour, -1, cv2.LINE_AA)
        cv2.circle(frame, (place[0], place[1]), max(1, self.radius // 2), (245, 245, 245), 1, cv2.LINE_AA)


def _degrade(frame: Frame, quality: Quality, rng: Generator) -> Frame:
    height, width = frame.shape[:2]
    if quality.blur > 0:
        frame = cast("Frame", cv2.GaussianBlur(frame, (0, 0), quality.blur))
    if quality.shrink > 1:
        small = (max(8, int(width / quality.shrink)), max(8, int(height / quality.shrink)))
        frame = cast("Frame", cv2.resize(frame, small, interpolation=cv2.INTER_AREA))
        frame = cast("Frame", cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC))
    if quality.gain == 1 and quality.noise == 0:
        return frame
    exposed = frame.astype(np.float32) * np.float32(quality.gain)
    if quality.noise > 0:
        exposed += rng.standard_normal(frame.shape, dtype=np.float32) * np.float32(quality.noise)
    return np.clip(exposed, 0, 255, out=exposed).astype(np.uint8)


def make_clip(
    index: int, seed: int, destination: str | os.PathLike[str], width: int = 320, height: int = 240,
    seconds: float = 2.0, fps: float = 15.0, *, timeout_s: float = 300.0,
) -> None:  # fmt: skip
    """Render one clip: content and quality follow from ``index``, every detail from (``seed``, ``index``).

    Args:
        index: 0, 1, 2, ...; the first 24 pair content and quality in 24 different ways.
        seed: Seed of the collection.
        destination: MP4 to write, atomically.
        width: Even number of pixels.
        height: Even number of pixels.
        seconds: Length.
        fps: Frames per second.
        timeout_s: Wall-clock limit of the encoder, seconds.

    Raises:
        Failure: ``usage`` for a bad size; ``encode`` or ``timeout`` from FFmpeg.
    """
    if width < 16 or height < 16 or width % 2 or height % 2:
        raise Failure("usage", f"a clip needs even sides of at least 16 pixels, not {width}x{height}")
    quality = _quality(index)
    rng = np.random.default_rng([seed, index])
    canvas = CONTENTS[index % len(CONTENTS)][1](rng, int(height * _MARGIN), int(width * _MARGIN))
    short = min(width, height)
    heading = rng.uniform(0, 2 * np.pi)
    speed = short * rng.uniform(0.08, 0.25)
    camera = _Camera((speed * np.cos(heading), speed * np.sin(heading)), rng.uniform(-0.06, 0.08), rng.uniform(-4, 4))
    balls = [
        _Ball((rng.uniform(0, width), rng.uniform(0, height)), (rng.normal(0, 0.5 * short), rng.normal(0, 0.4 * short)),
              int(short * rng.uniform(0.03, 0.09)), _colour(rng))
        for _ in range(int(rng.integers(0, 5)))
    ]  # fmt: skip
    # x264 takes short cuts on some vector units unless it is told not to.
    codec = {"vcodec": "libx264", "preset": "veryfast", "crf": quality.crf, "threads": 1}
    codec |= {"x264-params": "cpu-independent=1"}
    with atomic(destination) as partial:
        raw = ffmpeg.raw_source(width, height, fps).filter(
            "scale", out_color_matrix=MATRIX, out_range="tv", flags=SCALER
        )
        node = ffmpeg.target(raw.filter("format", "yuv420p"), partial, codec, "mp4")
        with ffmpeg.FrameWriter(node, timeout_s=timeout_s) as writer:
            for number in range(max(1, round(seconds * fps))):
                shake = rng.normal(0, max(quality.shake * short, 1e-9), size=2)
                frame = camera.look(canvas, width, height, number / fps, (float(shake[0]), float(shake[1])))
                for ball in balls:
                    ball.draw(frame, number / fps)
                writer.write(_degrade(frame, quality, rng))
