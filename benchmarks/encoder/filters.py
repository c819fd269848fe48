"""Filters of luma for the samples that the encoder learns from: each takes a scene and makes it worse at a random strength."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 320  # the least for which both models of VMAF have a score
FRAMES = 8
Frames = NDArray[np.float32]  # [FRAMES, SIDE, SIDE], luma 0..255
Random = np.random.Generator


def between(random: Random, low: float, high: float) -> float:
    """Log-uniform."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def blurred(frames: Frames, sigma: float, other: float | None = None) -> Frames:
    """Gaussian, with one deviation or two."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma, sigmaY=other or sigma) for frame in frames])


def gaussian(frames: Frames, random: Random) -> Frames:
    """Gaussian blur, in a part of the cases not the same along both sides."""
    sigma = between(random, 0.3, 5)
    return blurred(frames, sigma, sigma * between(random, 0.4, 2.5) if random.random() < 0.3 else None)


def lens(frames: Frames, random: Random) -> Frames:
    """Out of focus, or moved while the shutter was open."""
    radius = between(random, 0.8, 7)
    size = 2 * int(np.ceil(radius)) + 1
    y, x = np.mgrid[:size, :size] - size // 2
    if random.random() < 0.5:
        kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    else:
        angle = random.uniform(0, np.pi)
        kernel = np.clip(1 - np.abs(x * np.sin(angle) - y * np.cos(angle)), 0, 1)
        kernel *= np.hypot(x, y) <= radius + 0.5
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return np.stack([cv2.filter2D(frame, -1, kernel) for frame in frames])


WAYS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_LANCZOS4)


def smaller(frames: Frames, random: Random) -> Frames:
    """Smaller and back to the size, by two ways to interpolate."""
    factor = between(random, 1.2, 12)
    side = max(8, round(SIDE / factor))
    down = WAYS[int(random.integers(1, 5))]
    up = WAYS[int(random.integers(0, 5)) if random.random() < 0.4 else 2]
    small = [cv2.resize(frame, (side, side), interpolation=down) for frame in frames]
    return np.stack([cv2.resize(frame, (SIDE, SIDE), interpolation=up) for frame in small])


def noisy(frames: Frames, random: Random) -> Frames:
    """Noise of five kinds, new in every frame or the same in all."""
    strength = between(random, 1, 40)
    kind = random.random()
    shape = frames.shape if random.random() < 0.7 else (1, *frames.shape[1:])  # still noise: a sensor's pattern
    grain = random.normal(0, 1, shape).astype(np.float32)
    if kind < 0.35:
        return frames + strength * grain
    if kind < 0.6:  # coarse grain
        sigma = random.uniform(0.5, 2)
        return frames + strength * 2 * sigma * blurred(grain, sigma)
    if kind < 0.75:  # photons
        return frames + strength * grain * np.sqrt(frames / 128)
    if kind < 0.9:  # speckle
        return frames * (1 + strength / 128 * grain)
    share = strength / 400
    dots = random.random(shape)
    return np.where(dots < share / 2, 0, np.where(dots > 1 - share / 2, 255, frames)).astype(np.float32)


def tone(frames: Frames, random: Random) -> Frames:
    """Another curve, contrast or exposure."""
    kind = random.random()
    if kind < 0.5:
        return 255 * np.clip(frames / 255, 0, 1) ** np.float32(between(random, 0.4, 2.5))
    if kind < 0.8:
        mean = frames.mean()
        return mean + (frames - mean) * np.float32(between(random, 0.3, 2))
    return frames + np.float32(random.uniform(-60, 60))


def sharpened(frames: Frames, random: Random) -> Frames:
    """Unsharp masking."""
    return frames + np.float32(between(random, 0.3, 6)) * (frames - blurred(frames, between(random, 0.6, 2.5)))


def steps(frames: Frames, random: Random) -> Frames:
    """Too few grey levels."""
    width = between(random, 4, 64)
    return ((np.floor(frames / width) + 0.5) * width).astype(np.float32)


def cosines(side: int) -> NDArray[np.float32]:
    """The orthonormal cosine transform [side, side] of columns."""
    matrix: NDArray[np.float32] = cv2.dct(np.eye(side, dtype=np.float32), flags=cv2.DCT_ROWS).T
    return matrix


def transform(frames: Frames, random: Random) -> Frames:
    """Quantised cosine transforms of blocks of 4, 16 or 32 pixels; blocks of 8 are JPEG's and MPEG-2's."""
    side = int(random.choice([4, 16, 32]))
    basis = cosines(side)
    rise = random.uniform(0, 4) / side
    y, x = np.mgrid[:side, :side]
    steps_of = between(random, 3, 70) * (1 + rise * (x + y)).astype(np.float32)
    blocks = frames.reshape(FRAMES, SIDE // side, side, SIDE // side, side).transpose(0, 1, 3, 2, 4) - 128
    coefficients = basis @ blocks @ basis.T
    dead = random.uniform(0.3, 0.5)
    kept = np.sign(coefficients) * np.floor(np.abs(coefficients) / steps_of + dead) * steps_of
    back = basis.T @ kept @ basis + 128
    return back.transpose(0, 1, 3, 2, 4).reshape(FRAMES, SIDE, SIDE).astype(np.float32)


def smoothed(frames: Frames, random: Random) -> Frames:
    """Edges stay and texture goes: non-local means, or a guided filter."""
    if random.random() < 0.4:
        strength = between(random, 3, 30)
        return np.stack(
            [cv2.fastNlMeansDenoising(np.clip(f, 0, 255).astype(np.uint8), None, strength, 5, 9) for f in frames]
        ).astype(np.float32)
    radius, epsilon = int(random.integers(2, 9)), between(random, 20, 3000)

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.blur(image, (2 * radius + 1, 2 * radius + 1))

    out = []
    for frame in frames:
        local = mean(frame)
        slope = np.maximum(mean(frame * frame) - local * local, 0)
        slope = slope / (slope + epsilon)
        out.append(mean(slope) * frame + mean(local - slope * local))
    return np.stack(out)


def jagged(frames: Frames, random: Random) -> Frames:
    """Aliasing: rows and columns left out and held."""
    step = int(random.integers(2, 5))
    return np.repeat(np.repeat(frames[:, ::step, ::step], step, 1), step, 2)[:, :SIDE, :SIDE]


def cored(frames: Frames, random: Random) -> Frames:
    """Faint detail is taken away, and a share of the strong."""
    fine = frames - blurred(frames, between(random, 0.8, 4))
    if random.random() < 0.5:
        return frames - np.float32(random.uniform(0.3, 1)) * fine
    most = np.float32(between(random, 2, 40))
    return frames - np.clip(fine, -most, most)


def painted(frames: Frames, random: Random) -> Frames:
    """Flat areas with sharp borders: recursive edge-preserving smoothing (Gastal and Oliveira 2011), or openings and closings."""
    whole = np.clip(frames, 0, 255).astype(np.uint8)
    if random.random() < 0.6:
        reach, contrast = between(random, 5, 60), between(random, 0.05, 0.7)
        return np.stack(
            [
                cv2.edgePreservingFilter(cv2.merge([f, f, f]), flags=1, sigma_s=reach, sigma_r=contrast)[..., 0]
                for f in whole
            ]
        ).astype(np.float32)
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(random.integers(1, 4)) + 1,) * 2)
    way = cv2.MORPH_OPEN if random.random() < 0.5 else cv2.MORPH_CLOSE
    out = np.stack([cv2.morphologyEx(f, way, shape) for f in whole])
    if random.random() < 0.7:
        other = cv2.MORPH_CLOSE if way == cv2.MORPH_OPEN else cv2.MORPH_OPEN
        out = np.stack([cv2.morphologyEx(f, other, shape) for f in out])
    return out.astype(np.float32)


def diffused(frames: Frames, random: Random) -> Frames:
    """Anisotropic diffusion (Perona and Malik 1990)."""
    edge = np.float32(between(random, 3, 40))
    for _ in range(int(random.integers(3, 30))):
        change = np.zeros_like(frames)
        for axis in (1, 2):
            step = np.diff(frames, axis=axis)
            flow = step * np.exp(-((step / edge) ** 2))
            ends = [(0, 0)] * 3
            ends[axis] = (1, 1)
            change += np.diff(np.pad(flow, ends), axis=axis)
        frames = frames + np.float32(0.2) * change
    return frames


def varied(frames: Frames, random: Random) -> Frames:
    """The least total variation near the picture (Rudin 1992, by the dual of Chambolle 2004)."""
    weight = np.float32(between(random, 2, 40))
    flow = np.zeros((2, *frames.shape), np.float32)
    for _ in range(int(random.integers(8, 30))):
        picture = frames / weight + _divergence(flow)
        slope = np.zeros_like(flow)
        slope[0, :, :-1] = np.diff(picture, axis=1)
        slope[1, :, :, :-1] = np.diff(picture, axis=2)
        flow = (flow + np.float32(0.24) * slope) / (1 + np.float32(0.24) * np.hypot(*slope))
    return np.asarray(frames + weight * _divergence(flow), np.float32)


def _divergence(flow: np.ndarray) -> np.ndarray:
    """Of vectors [2, N, H, W]."""
    down = np.diff(flow[0, :, :-1], axis=1, prepend=0, append=0)
    across = np.diff(flow[1, :, :, :-1], axis=2, prepend=0, append=0)
    total: np.ndarray = down + across
    return total


def wiener(frames: Frames, random: Random) -> Frames:
    """Wiener's filter with local statistics: what varies less than noise would is smoothed."""
    size, noise = int(random.choice([3, 5, 7])), between(random, 5, 1500)
    out = []
    for frame in frames:
        mean = cv2.blur(frame, (size, size))
        variance = np.maximum(cv2.blur(frame * frame, (size, size)) - mean * mean, 1e-3)
        out.append(mean + np.maximum(variance - noise, 0) / np.maximum(variance, noise) * (frame - mean))
    return np.stack(out).astype(np.float32)


def shrunken(frames: Frames, random: Random) -> Frames:
    """Small coefficients of overlapping cosine transforms are dropped, as denoisers do."""
    side = int(random.choice([8, 16]))
    least = np.float32(between(random, 8, 120))
    basis = cosines(side)
    total = np.zeros_like(frames)
    shifts = [(0, 0), (side // 2, 0), (0, side // 2), (side // 2, side // 2)]
    for shift in shifts:
        moved = np.roll(frames, shift, (1, 2))
        blocks = moved.reshape(len(frames), SIDE // side, side, SIDE // side, side).transpose(0, 1, 3, 2, 4)
        coefficients = basis @ blocks @ basis.T
        kept = np.abs(coefficients) >= least
        kept[..., 0, 0] = True
        back = (basis.T @ (coefficients * kept) @ basis).transpose(0, 1, 3, 2, 4).reshape(frames.shape)
        total += np.roll(back, (-shift[0], -shift[1]), (1, 2))
    return total / len(shifts)


def ringing(frames: Frames, random: Random) -> Frames:
    """All above a frequency is cut off, which leaves waves beside edges."""
    cut = between(random, 0.06, 0.45)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij"))
    steep = np.float32(between(random, 0.005, 0.05))
    gain = 1 / (1 + np.exp(np.clip((radius - cut) / steep, -30, 30)))
    return np.fft.irfft2(np.fft.rfft2(frames) * gain, s=(SIDE, SIDE)).astype(np.float32)


def quadrants(frames: Frames, random: Random) -> Frames:
    """The mean of the calmest of four neighbourhoods (Kuwahara 1976)."""
    size = int(random.integers(2, 6))
    out = []
    for frame in frames:
        padded = cv2.copyMakeBorder(frame, size, size, size, size, cv2.BORDER_REFLECT)
        mean = cv2.blur(padded, (size, size), anchor=(0, 0))
        spread = cv2.blur(padded * padded, (size, size), anchor=(0, 0)) - mean * mean
        corners = [(top, left) for top in (1, size) for left in (1, size)]
        means = np.stack([mean[top : top + SIDE, left : left + SIDE] for top, left in corners])
        spreads = np.stack([spread[top : top + SIDE, left : left + SIDE] for top, left in corners])
        out.append(np.take_along_axis(means, spreads.argmin(axis=0)[None], 0)[0])
    share = np.float32(random.uniform(0.4, 1))
    return frames + share * (np.stack(out).astype(np.float32) - frames)


def ghosts(frames: Frames, random: Random) -> Frames:
    """A trail: each frame holds a share of what was shown before."""
    share = np.float32(random.uniform(0.15, 0.85))
    out = [frames[0]]
    for frame in frames[1:]:
        out.append(share * out[-1] + (1 - share) * frame)
    return np.stack(out)


def midmost(frames: Frames, random: Random) -> Frames:
    """The median of three or five frames."""
    reach = int(random.integers(1, 3))
    places = np.clip(np.arange(FRAMES)[:, None] + np.arange(-reach, reach + 1), 0, FRAMES - 1)
    return np.median(frames[places], axis=1).astype(np.float32)


def combed(frames: Frames, random: Random) -> Frames:
    """Every other row is that of another frame, or is made of its neighbours: fields that were put together or apart."""
    out = frames.copy()
    if random.random() < 0.5:
        out[:, 1::2] = np.roll(frames, -1, axis=0)[:, 1::2]
        out[-1] = frames[-1]
        return out
    out[:, 1:-1:2] = (frames[:, :-2:2] + frames[:, 2::2]) / 2
    return out


FILTERS: dict[str, Callable[[Frames, Random], Frames]] = {
    "gaussian": gaussian,
    "lens": lens,
    "smaller": smaller,
    "noisy": noisy,
    "tone": tone,
    "sharpened": sharpened,
    "steps": steps,
    "transform": transform,
    "smoothed": smoothed,
    "jagged": jagged,
    "cored": cored,
    "painted": painted,
    "diffused": diffused,
    "varied": varied,
    "wiener": wiener,
    "shrunken": shrunken,
    "ringing": ringing,
    "quadrants": quadrants,
    "ghosts": ghosts,
    "midmost": midmost,
    "combed": combed,
}
SHARES: dict[str, float] = {"gaussian": 1.5, "lens": 1, "smaller": 2, "noisy": 2, "tone": 0.7, "sharpened": 0.6, "steps": 0.5,
          "transform": 1.5, "smoothed": 2, "jagged": 0.2}  # fmt: skip
# The last third of the samples, after the first had shown that smooth pictures passed for good ones.
SMOOTHER = {**SHARES, "smoothed": 3, "cored": 3, "painted": 3, "diffused": 3}
MORE = {**SHARES, "cored": 1, "painted": 1.2, "diffused": 1.2, "varied": 1.2, "wiener": 1.5, "shrunken": 1.5, "ringing": 1,
        "quadrants": 0.8, "ghosts": 0.8, "midmost": 0.8, "combed": 0.5}  # fmt: skip


def filtered(frames: Frames, random: Random, shares: dict[str, float]) -> tuple[Frames, str]:
    """One or two filters in a row, by their shares of the copies."""
    names = list(shares)
    share = np.array([shares[name] for name in names])
    chosen = [str(name) for name in random.choice(names, 1 + int(random.random() < 0.25), False, share / share.sum())]
    for name in chosen:
        frames = np.clip(FILTERS[name](np.clip(frames, 0, 255), random), 0, 255)
    return frames.astype(np.float32), "+".join(chosen)
