"""Draw the picture of docs/corpus.md: every distortion at every level, on one frame of a rendered clip.

    python benchmarks/levels.py docs/distortion-levels.jpg

All tiles show the same instant, so a held or lost frame shows the town at another position.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import ffmpeg as graph
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.distortions.apply import apply
from actors.distortions.table import DISTORTIONS, PRISTINE
from actors.media import ffmpeg
from actors.media.scenes import make_clip
from actors.media.window import EncodeOptions

WIDTH, HEIGHT, SECONDS, FPS = 320, 240, 1.0, 24.0
TILE = (160, 120)  # the centre of the frame, not scaled
MARGIN, CAPTION = 118, 14
INSTANT = 14  # frame
SCENE, SEED = 28, 4  # a town, clean


def frame_of(path: Path) -> np.ndarray:
    """Frame `INSTANT` of a copy, RGB."""
    node = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24")
    return list(ffmpeg.read_frames(node, WIDTH, HEIGHT, timeout_s=60))[INSTANT]


def tile(frame: np.ndarray, caption: str) -> np.ndarray:
    """The centre of a frame with its parameter below."""
    top, left = (HEIGHT - TILE[1]) // 2, (WIDTH - TILE[0]) // 2
    part = frame[top : top + TILE[1], left : left + TILE[0]]
    strip = np.full((CAPTION, TILE[0], 3), 255, np.uint8)
    cv2.putText(strip, caption, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([part, strip])


def row(name: str, tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """A line of the picture: the distortion's name and its levels."""
    blank = np.full_like(tiles[0], 255)
    label = np.full((tiles[0].shape[0], MARGIN, 3), 255, np.uint8)
    cv2.putText(label, name, (4, TILE[1] // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([label, *tiles, *[blank] * (columns - len(tiles))], axis=1)


def main() -> None:
    """Draw and store the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--quality", type=int, default=55, help="quality of the JPEG")
    options = parser.parse_args()
    columns = 1 + max(len(one.levels) for one in DISTORTIONS.values())
    with tempfile.TemporaryDirectory() as place:
        source, copy = Path(place) / "source.mp4", Path(place) / "copy.mkv"
        make_clip(SCENE, SEED, source, WIDTH, HEIGHT, SECONDS, FPS)
        encoding = EncodeOptions(x265_preset="medium")
        apply(PRISTINE, 0, source, 0.0, 0.0, copy, 0, options=encoding)
        pristine = tile(frame_of(copy), "source")
        lines = []
        for name, one in DISTORTIONS.items():
            tiles = [pristine]
            for level, value in enumerate(one.levels, 1):
                apply(name, level, source, 0.0, 0.0, copy, SEED, options=encoding)
                tiles.append(tile(frame_of(copy), f"{value:g}"))
            lines.append(row(name, tiles, columns))
    picture = cv2.cvtColor(np.concatenate(lines), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(options.picture), picture, [cv2.IMWRITE_JPEG_QUALITY, options.quality])
    print(f"{options.picture}: {picture.shape[1]}x{picture.shape[0]}, {options.picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
