"""Coders of FFmpeg for the samples, and the experts that judge a copy beside its scene."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from filters import FRAMES, SIDE, Random, between
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from actors.media import ffmpeg
from actors.media.vmaf import FIRST, SECOND

RATE = 25
TIMEOUT_S = 600.0
ONE_THREAD = ("-threads", "1")
Coder = Callable[[Random, int], list[str]]  # length of a group of pictures -> options of FFmpeg


def x264(preset: str, crf: float, gop: int) -> list[str]:
    """Options of FFmpeg for x264 at a constant quality."""
    quality = ["-preset", preset, "-crf", f"{crf:.1f}"]
    return ["-c:v", "libx264", *ONE_THREAD, "-g", str(gop), "-sc_threshold", "0", *quality]


def from_x264(random: Random, gop: int) -> list[str]:
    """H.264."""
    options = x264(str(random.choice(["ultrafast", "veryfast", "fast", "medium"])), random.uniform(18, 51), gop)
    return [*options, "-x264-params", "no-deblock=1:8x8dct=0"] if random.random() < 0.35 else options


def from_x265(random: Random, gop: int) -> list[str]:  # noqa: ARG001 - whole groups: key frames alone take it ten times as long
    """H.265."""
    preset = str(random.choice(["ultrafast", "superfast", "veryfast"]))
    quiet = f"log-level=error:pools=1:frame-threads=1:keyint={FRAMES}:min-keyint={FRAMES}:scenecut=0"
    return ["-c:v", "libx265", "-preset", preset, "-crf", f"{random.uniform(22, 51):.1f}", "-x265-params", quiet]


def from_kvazaar(random: Random, gop: int) -> list[str]:
    """H.265 of another coder."""
    quantiser = int(random.integers(20, 50))
    return ["-c:v", "libkvazaar", "-kvazaar-params", f"preset=ultrafast,qp={quantiser},period={gop},threads=0,owf=0"]


def from_openh264(random: Random, gop: int) -> list[str]:
    """H.264 of another coder, at a bit rate."""
    rate = f"{between(random, 50, 3000):.0f}k"
    return ["-c:v", "libopenh264", *ONE_THREAD, "-g", str(gop), "-rc_mode", "bitrate", "-b:v", rate]


def from_h263(random: Random, gop: int) -> list[str]:
    """H.263+, or the MPEG-4 of Microsoft's second version: both of 8x8 blocks, with motion."""
    name = str(random.choice(["h263p", "msmpeg4v2"]))
    return ["-c:v", name, *ONE_THREAD, "-g", str(gop), "-q:v", f"{between(random, 2, 31):.1f}"]


def from_snow(random: Random, gop: int) -> list[str]:
    """Wavelets with motion."""
    return ["-c:v", "snow", *ONE_THREAD, "-strict", "-2", "-g", str(gop), "-q:v", f"{between(random, 1.5, 30):.1f}"]


FIRST_CODERS: dict[str, tuple[Coder, float]] = {"x264": (from_x264, 0.6), "x265": (from_x265, 0.4)}
ALL_CODERS: dict[str, tuple[Coder, float]] = {
    "x264": (from_x264, 0.36),
    "x265": (from_x265, 0.14),
    "kvazaar": (from_kvazaar, 0.15),
    "openh264": (from_openh264, 0.08),
    "h263": (from_h263, 0.17),
    "snow": (from_snow, 0.1),
}


def coder(random: Random, coders: dict[str, tuple[Coder, float]]) -> tuple[list[str], str]:
    """Options of FFmpeg for one of the coders, drawn by their shares, at a random setting."""
    gop = int(random.choice([FRAMES, FRAMES, 1]))
    name = str(random.choice(list(coders), p=[share for _, share in coders.values()]))
    return coders[name][0](random, gop), name


def limited(frames: np.ndarray) -> NDArray[np.uint8]:
    """Full-range luma as video has it, uint8 16..235."""
    return np.round(16 + np.clip(frames, 0, 255) * (219 / 255)).astype(np.uint8)


def whole(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What `limited` was made of, but for rounding."""
    full: NDArray[np.float32] = (luma.astype(np.float32) - 16) * (255 / 219)
    return full


def raw(path: Path, luma: NDArray[np.uint8]) -> list[str]:
    """Write frames as raw video, and say how FFmpeg reads it.

    With planes of colour, all grey: FFmpeg takes grey pictures for those of full range, and would squeeze them into 16..235.
    """
    colour = np.full((len(luma), luma[0].size // 2), 128, np.uint8)
    path.write_bytes(np.concatenate([luma.reshape(len(luma), -1), colour], axis=1).tobytes())
    return ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{SIDE}x{SIDE}", "-r", str(RATE), "-i", str(path)]


def coded(luma: NDArray[np.uint8], options: list[str], folder: Path) -> NDArray[np.uint8]:
    """All frames in a row through a coder; the key frames lie where scenes begin."""
    made, back = folder / "coded.mkv", folder / "coded.raw"
    cuts = ["-force_key_frames", f"expr:not(mod(n,{FRAMES}))"]
    source = raw(folder / "source.raw", luma)
    ffmpeg.run(["-y", *ONE_THREAD, *source, *options, *cuts, str(made)], timeout_s=TIMEOUT_S)
    planes = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-fps_mode", "passthrough"]
    ffmpeg.run(["-y", *ONE_THREAD, "-i", str(made), *planes, str(back)], timeout_s=TIMEOUT_S)
    frames = np.fromfile(back, np.uint8).reshape(len(luma), -1)
    return frames[:, : SIDE * SIDE].reshape(luma.shape)


def vmafs(reference: NDArray[np.uint8], copy: NDArray[np.uint8], folder: Path) -> np.ndarray:
    """Mean of both models over the frames of a scene whose neighbours belong to it, float [scenes, 2]."""
    log = folder / "vmaf.json"
    first, second = raw(folder / "copy.raw", copy), raw(folder / "reference.raw", reference)
    model = "|".join(f"version={m.name}\\:name={m.name}" for m in (FIRST, SECOND))
    graph = f"libvmaf=model='{model}':log_fmt=json:log_path={log}:n_threads=1"
    inputs = [*ONE_THREAD, *first, *ONE_THREAD, *second]
    ffmpeg.run([*inputs, "-lavfi", graph, "-f", "null", "-"], timeout_s=TIMEOUT_S)
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
