"""How well held pictures are seen after coding: what the `freeze` features call held, against the pictures that were held.

    python benchmarks/held.py VIDEO... [--seconds 2.5] [--short-side 360] [--seed 0]

Of every video three versions are made: as it is, with a quarter of its pictures held at random, and with 0.9 s of it held in
one piece. Each goes through the encoders of the distortions. `seen` is the mean certainty over held steps, `false` that over
all others of the same copies, and `as it is` that over the copies in which nothing was held (the video's own repeats included).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.distortions import encoders
from actors.distortions.maker import Encoding, Maker, Setting
from actors.media import ffmpeg
from actors.media.decode import Decoder
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from trainers.student.lite.freeze import STILL_SCENE, fast_step, held_steps

FPS = 25
CODERS: tuple[tuple[str, Maker, float], ...] = (
    ("x264 23", encoders.h264, 23),
    ("x264 32", encoders.h264, 32),
    ("x265 28", encoders.h265, 28),
    ("VP9 35", encoders.vp9, 35),
    ("SVT-AV1 40", encoders.av1, 40),
    ("MPEG-2 6", encoders.mpeg2, 6),
    ("MJPEG 5", encoders.mjpeg, 5),
)
Holds = np.ndarray  # bool [N]: the picture is held


def pictures(path: Path, seconds: float, short_side: int) -> np.ndarray:
    """The first pictures of a video at 25 frames per second, uint8 [N, H, W, 3], with the given short side."""
    found = ffmpeg.probe(path)
    scale = short_side / min(found.width, found.height)
    width, height = (round(side * scale / 2) * 2 for side in (found.width, found.height))
    stream = ffmpeg.source(path, 0.0, seconds).video.filter("fps", fps=FPS).filter("scale", width, height)
    node = stream.output("pipe:1", f="rawvideo", pix_fmt="rgb24")
    return np.stack(list(ffmpeg.read_frames(node, width, height, timeout_s=600)))


def steps(frames: np.ndarray, coder: Maker, value: float, folder: Path, decoder: Decoder) -> np.ndarray:
    """Mean luma step between consecutive frames of the coded pictures, grey levels [N - 1]."""
    height, width = frames.shape[1:3]
    coded = coder(value, Setting(width=width, height=height, options=EncodeOptions(x265_preset="medium")))
    assert isinstance(coded, Encoding)
    path = folder / "copy.mkv"
    source = ffmpeg.raw_source(width, height, FPS)
    with ffmpeg.FrameWriter(ffmpeg.target(source.video, path, coded.codec, "matroska"), timeout_s=600) as writer:
        for frame in frames:
            writer.write(frame)
    spec = SampleSpec(key_frames=1, motion_frames=len(frames))
    luma = decoder.decode(path, 0.0, 0.0, spec).luma.astype(np.float32)
    return np.asarray(np.abs(luma[1:] - luma[:-1]).mean(axis=(1, 2)))


def at_random(count: int, rng: np.random.Generator) -> Holds:
    """A quarter of the pictures."""
    return np.r_[False, rng.random(count - 1) < 0.25]


def in_one_piece(count: int, rng: np.random.Generator) -> Holds:
    """0.9 seconds in one piece."""
    start = int(rng.integers(5, max(6, count - 28)))
    return (np.arange(count) >= start) & (np.arange(count) < start + round(0.9 * FPS))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=2.5, help="of each video")
    parser.add_argument("--short-side", type=int, default=360, help="pixels")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    patterns: dict[str, Callable[[int, np.random.Generator], Holds]] = {
        "random": at_random,
        "in one piece": in_one_piece,
        "as it is": lambda count, _: np.zeros(count, bool),
    }
    certainty: dict[tuple[str, str, bool], list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder, Decoder(timeout_s=600) as decoder:
        for path in options.videos:
            original = pictures(path, options.seconds, options.short_side)
            for pattern, draw in patterns.items():
                held = draw(len(original), rng)
                shown = np.maximum.accumulate(np.where(held, 0, np.arange(len(original))))
                for name, coder, value in CODERS:
                    step = steps(original[shown], coder, value, Path(folder), decoder)
                    if fast_step(step) <= STILL_SCENE:
                        continue
                    for truth in (True, False):
                        certainty.setdefault((name, pattern, truth), []).append(held_steps(step)[held[1:] == truth])
    print(f"{len(options.videos)} videos; certainty that a step is held")
    print(f"  {'encoder':12} random: seen  false   in one piece: seen  false   as it is")
    for name, _, _ in CODERS:
        row = [
            float(np.concatenate(certainty[name, pattern, truth]).mean())
            for pattern, truth in (("random", True), ("random", False), ("in one piece", True), ("in one piece", False))
        ]
        own = float(np.concatenate(certainty[name, "as it is", False]).mean())
        print(f"  {name:12} {row[0]:12.2f} {row[1]:6.2f} {row[2]:20.2f} {row[3]:6.2f} {own:10.2f}")


if __name__ == "__main__":
    main()
