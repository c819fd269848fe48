"""Clips made from the photographs, for the encoder's development suite: a camera that moves, at the sizes and rates of users.

    python benchmarks/encoder/clips.py PICTURES OUT [--parts development test] [--run-sizes]

Every clip is coded with x264 at a random good quality, as uploads are, after a random softness and noise of the camera.
`--run-sizes` makes them as large and as long as the windows of a run with the preset `local`.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from actors.media import ffmpeg

SIZES = ((480, 270), (480, 270), (480, 360), (270, 480), (640, 360), (426, 240), (352, 288))
RUN_SIZES = ((960, 540), (848, 480), (640, 360), (640, 360), (540, 960), (480, 360), (720, 540))
RATES = (24, 25, 30)
FRAMES = 14
RUN_FRAMES = 50  # 1.6 s at the highest rate, and the beginning of the next second


def frames_of(
    picture: np.ndarray, width: int, height: int, count: int, random: np.random.Generator
) -> list[np.ndarray]:
    """A window that moves, turns and grows over the picture, uint8 [height, width, 3] each."""
    room = 1.25
    most = min(picture.shape[0] / height, picture.shape[1] / width)
    scale = float(np.exp(random.uniform(0, np.log(most)))) if most > 1 else most
    if scale < room:
        picture = cv2.resize(picture, None, fx=room / scale, fy=room / scale, interpolation=cv2.INTER_CUBIC)
        scale = room
    high, wide = int(height * scale), int(width * scale)
    top = int(random.integers(0, picture.shape[0] - high + 1))
    left = int(random.integers(0, picture.shape[1] - wide + 1))
    piece = picture[top : top + high, left : left + wide]
    large = (int(width * room), int(height * room))
    piece = cv2.resize(piece, large, interpolation=cv2.INTER_AREA).astype(np.float32)
    softness, noise = random.uniform(0, 1.1), random.choice([0.0, random.uniform(0.5, 4)])
    if softness > 0.3:
        piece = cv2.GaussianBlur(piece, (0, 0), softness)
    angle, speed = random.uniform(0, 2 * np.pi), random.choice([0.0, random.uniform(0.1, 3)], p=[0.2, 0.8])
    step = speed * np.array([np.cos(angle), np.sin(angle)])
    turn, grow = random.normal(0, 0.1), random.normal(0, 0.002)
    out = []
    for number in range(count):
        t = number - count / 2
        matrix = cv2.getRotationMatrix2D((large[0] / 2, large[1] / 2), turn * t, 1 + grow * t)
        matrix[:, 2] += step * t - (np.array(large) - (width, height)) / 2
        frame = cv2.warpAffine(piece, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        frame = frame + random.normal(0, noise, frame.shape) if noise else frame
        out.append(np.clip(np.round(frame), 0, 255).astype(np.uint8))
    return out


def main() -> None:
    """Make the clips that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--parts", nargs="+", default=["development", "test"])
    parser.add_argument("--run-sizes", action="store_true", help="up to 960x540, two seconds")
    options = parser.parse_args()
    sizes, count = (RUN_SIZES, RUN_FRAMES) if options.run_sizes else (SIZES, FRAMES)
    with (options.pictures / "pictures.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        folder = options.out / row["part"]
        target = folder / f"{row['picture']}.mp4"
        if row["part"] not in options.parts or target.exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(int(row["picture"], 16))
        width, height = sizes[int(random.integers(len(sizes)))]
        rate = RATES[int(random.integers(len(RATES)))]
        frames = frames_of(cv2.imread(str(options.pictures / f"{row['picture']}.png")), width, height, count, random)
        arguments = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", str(rate), "-i", "-"]
        coder = [
            "-c:v",
            "libx264",
            "-threads",
            "1",
            "-pix_fmt",
            "yuv420p",
            "-crf",
            f"{random.uniform(13, 24):.1f}",
            str(target),
        ]
        command = [ffmpeg.binary(), "-hide_banner", "-loglevel", "error", "-y", *arguments, *coder]
        subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), check=True)


if __name__ == "__main__":
    main()
