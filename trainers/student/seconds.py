"""What the LLaVA student looks at: one key frame a second, and 32 consecutive frames from the start of every second.

All rules as the released code applies them (`round` is half to even; sizes are not cropped, so the aspect changes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainers.student.packing import FEATURE, FRAME_SIDE, HEADER, packed_length
from trainers.student.slowfast import CLIP_FRAMES

LEAST_CLIPS, MOST_CLIPS = 8, 10


def frames_per_second(fps: float) -> int:
    """Frames from one key frame to the next."""
    return round(fps)


def key_frames(count: int, fps: float) -> list[int]:
    """Indices of the key frames of `count` frames: 0, f, 2f, ..., a trailing part of a second included."""
    return list(range(0, count, max(1, frames_per_second(fps))))


def motion_clips(count: int, fps: float, readable: int | None = None) -> list[list[int]]:
    """Frame indices [M][32] of the motion clips of `count` frames; 8 to 10 of them, none for less than a second.

    A clip that runs over the end repeats the last frame (the last of the `readable` ones, where a file says more than it
    holds); with fewer than 8 clips the last is repeated. Without a frame rate every clip starts at frame 0.
    """
    last = (readable or count) - 1
    step = frames_per_second(fps)
    starts = [k * step for k in range(count // step)] if step else [0] * MOST_CLIPS
    if not starts or not count:
        return []
    starts = (starts + [starts[-1]] * (LEAST_CLIPS - len(starts)))[:MOST_CLIPS]
    return [[min(start + k, last) for k in range(CLIP_FRAMES)] for start in starts]


def strip_limit(fps: float) -> int:
    """How many frames from the start of any video its motion clips can look at, and as many as make all clips count."""
    step = frames_per_second(fps)
    return max(MOST_CLIPS * step, (MOST_CLIPS - 1) * step + CLIP_FRAMES)


def resize_frame(frame: np.ndarray) -> np.ndarray:
    """A frame uint8 RGB [H, W, 3] at 384x384 by Pillow's bicubic filter."""
    if frame.shape[:2] == (FRAME_SIDE, FRAME_SIDE):
        return frame
    return np.asarray(Image.fromarray(frame).resize((FRAME_SIDE, FRAME_SIDE), Image.Resampling.BICUBIC))


def normalise(frames: Tensor) -> Tensor:
    """Frames uint8 [T, 384, 384, 3] as float32 [T, 3, 384, 384] in -1..1 (mean and deviation 0.5)."""
    return (frames.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5


@dataclass(frozen=True)
class Seconds:
    """One video as the network takes it: frames uint8 [T, 384, 384, 3] and motion float32 [M, 256]."""

    frames: Tensor
    motion: Tensor


def unpack(vector: Tensor) -> Seconds:
    """The video of a vector that `packing.pack` made; zeros may follow. Raises ValueError for any other vector."""
    frames, motion = (int(value) for value in vector[:HEADER])
    end = packed_length(frames, motion)
    if frames < 1 or motion < 1 or end > len(vector):
        raise ValueError(
            f"a vector of {len(vector)} numbers is no video of the LLaVA student: encode the videos again with it"
        )
    start = HEADER + motion * FEATURE
    pixels = vector[start:end].to(torch.int32).reshape(frames, FRAME_SIDE, FRAME_SIDE)
    rgb = torch.stack([pixels >> 16, (pixels >> 8) & 255, pixels & 255], dim=-1).to(torch.uint8)
    return Seconds(rgb, vector[HEADER:start].reshape(motion, FEATURE).float())
