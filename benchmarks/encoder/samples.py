"""Distorted copies of scenes made from photographs, with the opinions of four full-reference experts: what the encoder learns from.

    python benchmarks/encoder/samples.py PICTURES OUT --part train --groups 60 [--seed 0] [--processes 2]

A scene is a window that moves over a photograph, with a patch of another one that moves on its own: eight grey frames of 320x320,
softened or noisy as cameras make them. A group of 24 scenes goes through every kind of distortion at random strength, alone
or two in a row, each coder in one process of FFmpeg. None is a kind of either proxy benchmark's unseen suite or of the development
suite (`benchmarks/development_copies.py`). The experts are VMAF v0.6.1, VMAF v1.0.16, gradient similarity (GMSD, Xue 2014) and
multi-scale structural similarity (Wang 2003).
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from actors.media import ffmpeg
from actors.media.vmaf import FIRST, SECOND

SIDE = 320  # the least for which both models of VMAF have a score
FRAMES = 8
SHOWN = 4  # the frame that is kept, with the one after it
SCENES = 24
RATE = 25
Frames = NDArray[np.float32]  # [FRAMES, SIDE, SIDE], luma 0..255
Random = np.random.Generator


def between(random: Random, low: float, high: float) -> float:
    """Log-uniform."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


# --- scenes ---------------------------------------------------------------------------------------------------------------


def window(picture: np.ndarray, random: Random, side: int) -> np.ndarray:
    """A square of the picture at a random scale, float32 [side, side]."""
    most = min(picture.shape) / side
    scale = between(random, 1.0, most) if most > 1 else most
    size = int(side * scale)
    top, left = (int(random.integers(0, whole - size + 1)) for whole in picture.shape)
    piece = picture[top : top + size, left : left + size]
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return cv2.resize(piece, (side, side), interpolation=way).astype(np.float32)


def moved(still: np.ndarray, random: Random, side: int, speed: float) -> np.ndarray:
    """`FRAMES` views float32 [FRAMES, side, side] of a larger square, between which it moves, turns and grows."""
    angle = random.uniform(0, 2 * np.pi)
    step = speed * np.array([np.cos(angle), np.sin(angle)])
    turn, grow = random.normal(0, 0.002, 2) if speed else (0.0, 0.0)
    middle = still.shape[0] / 2
    frames = []
    for number in range(FRAMES):
        t = number - FRAMES / 2
        matrix = cv2.getRotationMatrix2D((middle, middle), np.degrees(turn * t), 1 + grow * t)
        matrix[:, 2] += step * t - (still.shape[0] - side) / 2
        frames.append(cv2.warpAffine(still, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    return np.stack(frames)


def scene(pictures: list[np.ndarray], own: int, random: Random) -> Frames:
    """A reference: what a camera of some quality might give."""
    speed = 0.0 if random.random() < 0.25 else between(random, 0.1, 5)
    still = window(pictures[own], random, SIDE + 48)
    if random.random() < 0.3:
        still = cv2.flip(still, 1)
    frames = moved(still, random, SIDE, speed)
    if random.random() < 0.4:
        side = int(random.integers(64, 200))
        other = moved(window(pictures[int(random.integers(len(pictures)))], random, side + 32), random, side, 0.0)
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
        mask = np.clip((1 - np.hypot(x, y)) * side / 6, 0, 1).astype(np.float32)
        start = random.uniform(0, SIDE - side, 2)
        velocity = random.normal(0, 2, 2)
        for number in range(FRAMES):
            top, left = np.clip(start + velocity * number, 0, SIDE - side).astype(int)
            place = frames[number, top : top + side, left : left + side]
            place += mask * (other[number] - place)
    if random.random() < 0.5:  # exposure and contrast of the camera
        low, high = random.uniform(-20, 60), random.uniform(170, 275)
        frames = low + frames * ((high - low) / 255)
    if random.random() < 0.45:
        frames = blurred(frames, random.uniform(0.3, 1.3))
    if random.random() < 0.45:
        frames = frames + random.normal(0, between(random, 0.4, 5), frames.shape).astype(np.float32)
    return np.clip(frames, 0, 255).astype(np.float32)


# --- distortions ----------------------------------------------------------------------------------------------------------


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


def transform(frames: Frames, random: Random) -> Frames:
    """Quantised cosine transforms of blocks of 4, 16 or 32 pixels; blocks of 8 are JPEG's and MPEG-2's."""
    side = int(random.choice([4, 16, 32]))
    basis = cv2.dct(np.eye(side, dtype=np.float32))
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
}
SHARES: dict[str, float] = {"gaussian": 1.5, "lens": 1, "smaller": 2, "noisy": 2, "tone": 0.7, "sharpened": 0.6, "steps": 0.5,
          "transform": 1.5, "smoothed": 2, "jagged": 0.2}  # fmt: skip


# The second half of the samples, after the first had shown that smooth pictures passed for good ones.
SMOOTHER = {**SHARES, "smoothed": 3, "cored": 3, "painted": 3, "diffused": 3}


def filtered(frames: Frames, random: Random, shares: dict[str, float]) -> tuple[Frames, str]:
    """One or two filters in a row, by their shares of the copies."""
    names = list(shares)
    share = np.array([shares[name] for name in names])
    chosen = [str(name) for name in random.choice(names, 1 + int(random.random() < 0.25), False, share / share.sum())]
    for name in chosen:
        frames = np.clip(FILTERS[name](frames, random), 0, 255)
    return frames.astype(np.float32), "+".join(chosen)


def coder(random: Random) -> tuple[list[str], str]:
    """Options of FFmpeg for x264 or x265 at a random setting."""
    gop = ["-g", str(int(random.choice([FRAMES, FRAMES, 1]))), "-sc_threshold", "0"]
    if random.random() < 0.6:
        options = [
            "-preset",
            str(random.choice(["ultrafast", "veryfast", "fast", "medium"])),
            "-crf",
            f"{random.uniform(18, 51):.1f}",
        ]
        if random.random() < 0.35:
            options += ["-x264-params", "no-deblock=1:8x8dct=0"]
        return ["-c:v", "libx264", "-threads", "1", *gop, *options], "x264"
    crf = f"{random.uniform(22, 51):.1f}"
    preset = str(random.choice(["ultrafast", "superfast", "veryfast"]))
    quiet = f"log-level=error:pools=1:frame-threads=1:keyint={FRAMES}:min-keyint={FRAMES}:scenecut=0"
    return ["-c:v", "libx265", "-preset", preset, "-crf", crf, "-x265-params", quiet], "x265"


# --- a group --------------------------------------------------------------------------------------------------------------


def limited(frames: np.ndarray) -> NDArray[np.uint8]:
    """Full-range luma as video has it, uint8 16..235."""
    return np.round(16 + np.clip(frames, 0, 255) * (219 / 255)).astype(np.uint8)


def raw(path: Path, luma: NDArray[np.uint8]) -> list[str]:
    """Write frames as raw grey video, and say how FFmpeg reads it."""
    path.write_bytes(luma.tobytes())
    return ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{SIDE}x{SIDE}", "-r", str(RATE), "-i", str(path)]


def run(arguments: list[str]) -> bytes:
    """What FFmpeg writes."""
    command = [ffmpeg.binary(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def coded(luma: NDArray[np.uint8], options: list[str], folder: Path) -> NDArray[np.uint8]:
    """All frames in a row through a coder; the key frames lie where scenes begin."""
    source = raw(folder / "source.raw", luma)
    # frames carry full numbers 16..235 of luma: the planes are passed through
    made = folder / "coded.mkv"
    run(
        [
            "-threads",
            "1",
            *source,
            "-vf",
            "extractplanes=y,format=yuv420p",
            *options,
            "-force_key_frames",
            f"expr:not(mod(n,{FRAMES}))",
            str(made),
        ]
    )
    out = run(
        [
            "-threads",
            "1",
            "-i",
            str(made),
            "-vf",
            "extractplanes=y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "gray",
            "-fps_mode",
            "passthrough",
            "-",
        ]
    )
    return np.frombuffer(out, np.uint8).reshape(luma.shape)


def vmafs(reference: NDArray[np.uint8], copy: NDArray[np.uint8], folder: Path) -> np.ndarray:
    """Mean of both models over the frames of a scene whose neighbours belong to it, float [scenes, 2]."""
    log = folder / "vmaf.json"
    first, second = raw(folder / "copy.raw", copy), raw(folder / "reference.raw", reference)
    model = "|".join(f"version={m.name}\\:name={m.name}" for m in (FIRST, SECOND))
    planes = "extractplanes=y,format=yuv420p"
    graph = f"[0:v]{planes}[a];[1:v]{planes}[b];[a][b]libvmaf=model='{model}':log_fmt=json:log_path={log}:n_threads=1"
    run(["-threads", "1", *first, "-threads", "1", *second, "-lavfi", graph, "-f", "null", "-"])
    frames = json.loads(log.read_text(encoding="utf-8"))["frames"]
    scores = np.array([[frame["metrics"][m.name] for m in (FIRST, SECOND)] for frame in frames])
    return scores.reshape(-1, FRAMES, 2)[:, 1:-1].mean(axis=1)


def gmsd(reference: np.ndarray, copy: np.ndarray) -> float:
    """Deviation of gradient similarity (Xue et al. 2014): 0 for equal pictures."""
    small = [
        cv2.resize(image.astype(np.float32), (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA)
        for image in (reference, copy)
    ]
    kernel = np.array([[1, 0, -1]] * 3, np.float32) / 3
    first, second = (np.hypot(cv2.filter2D(image, -1, kernel), cv2.filter2D(image, -1, kernel.T)) for image in small)
    return float(((2 * first * second + 170) / (first**2 + second**2 + 170)).std())


def ms_ssim(reference: np.ndarray, copy: np.ndarray) -> float:
    """Multi-scale structural similarity (Wang et al. 2003), five scales."""
    first, second = reference.astype(np.float32), copy.astype(np.float32)
    value = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        one, two = cv2.GaussianBlur(first, (11, 11), 1.5), cv2.GaussianBlur(second, (11, 11), 1.5)
        v1 = cv2.GaussianBlur(first * first, (11, 11), 1.5) - one * one
        v2 = cv2.GaussianBlur(second * second, (11, 11), 1.5) - two * two
        both = cv2.GaussianBlur(first * second, (11, 11), 1.5) - one * two
        structure = (2 * both + 58.5) / (v1 + v2 + 58.5)
        if scale == 4:
            structure = structure * (2 * one * two + 6.5) / (one * one + two * two + 6.5)
        value *= max(float(structure.mean()), 1e-3) ** weight
        first, second = (
            cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for image in (first, second)
        )
    return value


@dataclass(frozen=True)
class Group:
    """Samples of one group: two frames each, four experts, the number of the scene's photograph and the kind."""

    luma: NDArray[np.uint8]
    experts: NDArray[np.float32]
    content: NDArray[np.int32]
    kind: list[str]


def group(
    pictures: list[np.ndarray], number: int, seed: int, filters: int, coders: int, shares: dict[str, float]
) -> Group:
    """Make a group."""
    cv2.setNumThreads(1)
    random = np.random.default_rng([seed, number])
    own = random.choice(len(pictures), SCENES, replace=len(pictures) < SCENES)
    floats = np.stack([scene(pictures, int(k), random) for k in own])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        reference = limited(floats).reshape(-1, SIDE, SIDE)
        if random.random() < 0.35:  # what users upload was coded before
            reference = coded(
                reference,
                [
                    "-c:v",
                    "libx264",
                    "-threads",
                    "1",
                    "-preset",
                    "fast",
                    "-g",
                    str(FRAMES),
                    "-sc_threshold",
                    "0",
                    "-crf",
                    f"{random.uniform(14, 27):.1f}",
                ],
                place,
            )
            floats = ((reference.astype(np.float32) - 16) * (255 / 219)).reshape(floats.shape)
        copies, kinds = [reference], [["reference"] * SCENES]
        for _ in range(filters):
            made = [filtered(frames, random, shares) for frames in floats]
            copies.append(limited(np.stack([frames for frames, _ in made])).reshape(-1, SIDE, SIDE))
            kinds.append([kind for _, kind in made])
        for _ in range(coders):
            options, name = coder(random)
            source, before, after = reference, "", random.random() < 0.15
            if random.random() < 0.2:  # made smaller or softer before it is coded
                soft = [(smaller if random.random() < 0.6 else gaussian)(frames, random) for frames in floats]
                source, before = limited(np.stack(soft)).reshape(-1, SIDE, SIDE), "soft+"
            copy = coded(source, options, place)
            names = [before + name] * SCENES
            if after:
                back = ((copy.astype(np.float32) - 16) * (255 / 219)).reshape(floats.shape)
                made = [filtered(frames, random, shares) for frames in back]
                copy = limited(np.stack([frames for frames, _ in made])).reshape(-1, SIDE, SIDE)
                names = [f"{before}{name}+{kind}" for _, kind in made]
            copies.append(copy)
            kinds.append(names)
        experts = []
        shown = [k * FRAMES + SHOWN for k in range(SCENES)]
        for copy in copies:
            both = vmafs(reference, copy, place)
            others = [[gmsd(reference[k], copy[k]), ms_ssim(reference[k], copy[k])] for k in shown]
            experts.append(np.concatenate([both, others], axis=1))
    pairs = [copy.reshape(SCENES, FRAMES, SIDE, SIDE)[:, SHOWN : SHOWN + 2] for copy in copies]
    return Group(
        np.concatenate(pairs),
        np.concatenate(experts).astype(np.float32),
        np.tile(own, len(copies)).astype(np.int32),
        [kind for kinds_of in kinds for kind in kinds_of],
    )


def read(folder: Path, part: str) -> list[np.ndarray]:
    """The pictures of a part, in the order of their names."""
    with (folder / "pictures.csv").open(encoding="utf-8") as file:
        names = [row["picture"] for row in csv.DictReader(file) if row["part"] == part]
    return [cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_GRAYSCALE) for name in names]


_pictures: list[np.ndarray] = []


def _start(folder: Path, part: str) -> None:
    _pictures.extend(read(folder, part))


def _save(out: Path, number: int, seed: int, filters: int, coders: int, shares: dict[str, float]) -> int:
    target = out / f"group-{number:04d}.npz"
    if not target.exists():
        made = group(_pictures, number, seed, filters, coders, shares)
        partial = target.with_suffix(".partial.npz")
        np.savez(partial, luma=made.luma, experts=made.experts, content=made.content, kind=np.array(made.kind))
        partial.rename(target)
    return number


def main() -> None:
    """Make the groups that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", default="train")
    parser.add_argument("--groups", type=int, default=60)
    parser.add_argument("--filters", type=int, default=7, help="copies of each scene by filters")
    parser.add_argument("--coders", type=int, default=5, help="copies of each scene by coders")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first group")
    parser.add_argument("--smoother", action="store_true", help="with more filters that take detail away")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    shares = SMOOTHER if options.smoother else SHARES
    options.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.processes, initializer=_start, initargs=(options.pictures, options.part)) as pool:
        jobs = [
            pool.submit(_save, options.out, number, options.seed, options.filters, options.coders, shares)
            for number in range(options.start, options.groups)
        ]
        for job in jobs:
            print("group", job.result(), flush=True)


if __name__ == "__main__":
    main()
