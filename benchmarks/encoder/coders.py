"""Coders of FFmpeg for the samples, and the experts that judge a copy beside its scene."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from filters import FRAMES, SIDE, Random
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from actors.media import ffmpeg
from actors.media.vmaf import FIRST, SECOND

RATE = 25
TIMEOUT_S = 600.0
ONE_THREAD = ("-threads", "1")


def x264(preset: str, crf: float, gop: int) -> list[str]:
    """Options of FFmpeg for x264 at a constant quality."""
    quality = ["-preset", preset, "-crf", f"{crf:.1f}"]
    return ["-c:v", "libx264", *ONE_THREAD, "-g", str(gop), "-sc_threshold", "0", *quality]


def coder(random: Random) -> tuple[list[str], str]:
    """Options of FFmpeg for x264 or x265 at a random setting."""
    gop = int(random.choice([FRAMES, FRAMES, 1]))
    if random.random() < 0.6:
        preset = str(random.choice(["ultrafast", "veryfast", "fast", "medium"]))
        options = x264(preset, random.uniform(18, 51), gop)
        if random.random() < 0.35:
            options += ["-x264-params", "no-deblock=1:8x8dct=0"]
        return options, "x264"
    crf = f"{random.uniform(22, 51):.1f}"
    preset = str(random.choice(["ultrafast", "superfast", "veryfast"]))
    quiet = f"log-level=error:pools=1:frame-threads=1:keyint={FRAMES}:min-keyint={FRAMES}:scenecut=0"
    return ["-c:v", "libx265", "-preset", preset, "-crf", crf, "-x265-params", quiet], "x265"


def limited(frames: np.ndarray) -> NDArray[np.uint8]:
    """Full-range luma as video has it, uint8 16..235."""
    return np.round(16 + np.clip(frames, 0, 255) * (219 / 255)).astype(np.uint8)


def whole(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What `limited` was made of, but for rounding."""
    full: NDArray[np.float32] = (luma.astype(np.float32) - 16) * (255 / 219)
    return full


def raw(path: Path, luma: NDArray[np.uint8]) -> list[str]:
    """Write frames as raw grey video, and say how FFmpeg reads it."""
    path.write_bytes(luma.tobytes())
    return ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{SIDE}x{SIDE}", "-r", str(RATE), "-i", str(path)]


def coded(luma: NDArray[np.uint8], options: list[str], folder: Path) -> NDArray[np.uint8]:
    """All frames in a row through a coder; the key frames lie where scenes begin."""
    made, back = folder / "coded.mkv", folder / "coded.raw"
    cuts = ["-force_key_frames", f"expr:not(mod(n,{FRAMES}))"]
    # frames carry numbers 16..235 of luma: the planes are passed through
    planes = ["-vf", "extractplanes=y,format=yuv420p"]
    source = raw(folder / "source.raw", luma)
    ffmpeg.run(["-y", *ONE_THREAD, *source, *planes, *options, *cuts, str(made)], timeout_s=TIMEOUT_S)
    grey = ["-vf", "extractplanes=y", "-f", "rawvideo", "-pix_fmt", "gray", "-fps_mode", "passthrough"]
    ffmpeg.run(["-y", *ONE_THREAD, "-i", str(made), *grey, str(back)], timeout_s=TIMEOUT_S)
    return np.fromfile(back, np.uint8).reshape(luma.shape)


def vmafs(reference: NDArray[np.uint8], copy: NDArray[np.uint8], folder: Path) -> np.ndarray:
    """Mean of both models over the frames of a scene whose neighbours belong to it, float [scenes, 2]."""
    log = folder / "vmaf.json"
    first, second = raw(folder / "copy.raw", copy), raw(folder / "reference.raw", reference)
    model = "|".join(f"version={m.name}\\:name={m.name}" for m in (FIRST, SECOND))
    planes = "extractplanes=y,format=yuv420p"
    graph = f"[0:v]{planes}[a];[1:v]{planes}[b];[a][b]libvmaf=model='{model}':log_fmt=json:log_path={log}:n_threads=1"
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
