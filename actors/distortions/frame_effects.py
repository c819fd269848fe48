"""The spatial and temporal distortion simulators as functions over RGB frames.

CVPR 2026, section 4.1.3 (heterogeneous teachers) with the KADID-10k settings that its numbers come from. Every effect
is a callable `effect(frame) -> frame` on uint8 `[H, W, 3]`; temporal ones keep state, so make a new one per clip
and feed it the frames in order. All random choices come from the seed. Each function that the table names is a
`maker.Maker`: it takes the parameter of a level and a `Setting`.
"""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.distortions.maker import Effect, Frame, Setting

DROP_GROUP = 8  # frame_drop loses k of every 8 frames
STALL_PERIOD_S = 2.0  # rebuffer stalls once in every period


def resize(factor: float, _: Setting) -> Effect:
    """Shrink by `factor` and enlarge to the original size, bicubic both ways (unfiltered: it shows pixelation)."""

    def effect(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        small = (max(1, round(width / factor)), max(1, round(height / factor)))
        shrunk = cv2.resize(frame, small, interpolation=cv2.INTER_CUBIC)
        return cast("Frame", cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC))

    return effect


def gaussian_blur(sigma: float, _: Setting) -> Effect:
    """Gaussian blur with standard deviation `sigma` in pixels; kernel size 2*ceil(2*sigma)+1 as in KADID-10k."""
    size = 2 * math.ceil(2 * sigma) + 1

    def effect(frame: Frame) -> Frame:
        return cast("Frame", cv2.GaussianBlur(frame, (size, size), sigmaX=sigma, borderType=cv2.BORDER_REPLICATE))

    return effect


def gaussian_noise(variance: float, setting: Setting) -> Effect:
    """White Gaussian noise on every channel; `variance` is for images in [0, 1] (KADID-10k, MATLAB `imnoise`)."""
    generator = np.random.default_rng(setting.seed)
    scale = np.float32(255.0 * math.sqrt(variance))

    def effect(frame: Frame) -> Frame:
        noise = generator.standard_normal(frame.shape, dtype=np.float32)
        noise *= scale
        noise += frame
        np.rint(noise, out=noise)
        return np.clip(noise, 0, 255, out=noise).astype(np.uint8)

    return effect


def tone(amount: float) -> Effect:
    """Bend lightness by the parabola through (0, 0), (1/2, 1/2 + amount/2), (1, 1) in CIELAB.

    L' = clip(L + 2 * amount * L * (1 - L), 0, 1) with L = L*/100: KADID-10k's three-knot curve.
    A positive amount brightens, a negative one darkens.
    """

    def effect(frame: Frame) -> Frame:
        lab = cv2.cvtColor(frame.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
        light = lab[..., 0] / np.float32(100)
        lab[..., 0] = np.clip(light + np.float32(2 * amount) * light * (1 - light), 0, 1) * np.float32(100)
        bent = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
        levels: NDArray[np.float32] = np.rint(bent * np.float32(255))
        return np.clip(levels, 0, 255).astype(np.uint8)

    return effect


def darken(amount: float, _: Setting) -> Effect:
    """Bend lightness down (`tone`)."""
    return tone(-amount)


def brighten(amount: float, _: Setting) -> Effect:
    """Bend lightness up (`tone`)."""
    return tone(amount)


def jitter(share: float, setting: Setting) -> Effect:
    """Shake: shift every frame by dx, dy ~ U{-s..s}, crop s pixels from each edge, resize back; s = share * short side.

    The margin equals the largest shift, so shift and crop together are one displaced crop without a border.
    """
    generator = np.random.default_rng(setting.seed)

    def effect(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        reach = min(max(1, round(share * min(height, width))), (min(height, width) - 1) // 2)
        dx, dy = (int(value) for value in generator.integers(-reach, reach + 1, size=2))
        part = frame[reach - dy : height - reach - dy, reach - dx : width - reach - dx]
        return cast("Frame", cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC))

    return effect


def stutter(probability: float, setting: Setting) -> Effect:
    """Replace a frame by the one before it with the given probability.

    Args:
        probability: Chance of a hold, for every frame but the first.
        setting: With `hold_output`, the last *output* frame is repeated, a real freeze; without it the previous source
            frame, as in the paper's formula.
    """
    generator = np.random.default_rng(setting.seed)
    hold_output = setting.options.hold_output
    previous: list[Frame] = []

    def effect(frame: Frame) -> Frame:
        held = generator.random() < probability
        output = previous[0] if previous and held else frame
        previous[:] = [output if hold_output else frame]
        return output

    return effect


def frame_drop(dropped: float, setting: Setting) -> Effect:
    """Drop `dropped` of every `DROP_GROUP` frames, at irregular places, and show the last good frame instead."""
    generator = np.random.default_rng(setting.seed)
    losses: list[bool] = []
    output: list[Frame] = []

    def effect(frame: Frame) -> Frame:
        if not losses:
            places = generator.choice(DROP_GROUP, size=int(dropped), replace=False)
            losses.extend(place in places for place in range(DROP_GROUP))
        if not losses.pop(0) or not output:
            output[:] = [frame]
        return output[0]

    return effect


def banding(step: float, _: Setting) -> Effect:
    """Posterise: every channel keeps the middle of its interval of `step` grey levels, without dither."""
    values = np.arange(256)
    table = np.clip((values // step + 0.5) * step, 0, 255).astype(np.uint8)

    def effect(frame: Frame) -> Frame:
        return cast("Frame", table[frame])

    return effect


def oversharpen(amount: float, _: Setting) -> Effect:
    """Unsharp masking, frame + amount * (frame - blurred) with a Gaussian of one pixel: halos and lifted noise."""

    def effect(frame: Frame) -> Frame:
        blurred = cv2.GaussianBlur(frame, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
        return cast("Frame", cv2.addWeighted(frame, 1 + amount, blurred, -amount, 0))

    return effect


def colour_shift(shift: float, setting: Setting) -> Effect:
    """Move every colour by `shift` in the (a, b) plane of CIELAB, in one seeded direction: a wrong white balance."""
    angle = np.random.default_rng(setting.seed).uniform(0, 2 * math.pi)
    move = np.array([0, shift * math.cos(angle), shift * math.sin(angle)], np.float32)

    def effect(frame: Frame) -> Frame:
        lab = cv2.cvtColor(frame.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB) + move
        moved: NDArray[np.float32] = np.rint(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * np.float32(255))
        return np.clip(moved, 0, 255).astype(np.uint8)

    return effect


def frame_rate(group: float, _: Setting) -> Effect:
    """Replace every group of `group` frames by its first frame: a lower frame rate in the same container."""
    count = 0
    output: list[Frame] = []

    def effect(frame: Frame) -> Frame:
        nonlocal count
        if count % int(group) == 0:
            output[:] = [frame]
        count += 1
        return output[0]

    return effect


def rebuffer(share: float, setting: Setting) -> Effect:
    """Stall once in every `STALL_PERIOD_S` seconds for `share` of them, then jump to the live edge; shows no spinner.

    A stall begins at a seeded place in the first quarter of its period, the same at all levels. The frames of the stall are
    skipped, as in a live stream, so the copy stays aligned with its source.
    """
    generator = np.random.default_rng(setting.seed)
    period = max(2, round(STALL_PERIOD_S * max(float(setting.rate), 1.0)))
    length = max(1, round(share * period))
    number = start = 0
    output: list[Frame] = []

    def effect(frame: Frame) -> Frame:
        nonlocal number, start
        place = number % period
        if place == 0:
            start = 1 + int(generator.integers(max(1, period // 4)))
        number += 1
        # the frame before the stall stays on the screen
        if not (output and start <= place < start + length):
            output[:] = [frame]
        return output[0]

    return effect
