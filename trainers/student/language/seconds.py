"""One video as the LLaVA student takes it: a frame of every second, and the motion of 32 frames from each second's start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.student.language.packing import FEATURE, FRAME_SIDE, HEADER, packed_length

LEAST_VECTORS = 8


def motion_order(clips: int) -> list[int]:
    """Which clip each motion vector is of: the last one is repeated until there are 8 (as released)."""
    return [*range(clips), *[clips - 1] * (LEAST_VECTORS - clips)] if clips else []


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


def unpack_pairs(first: Sequence[Tensor], second: Sequence[Tensor]) -> tuple[list[Seconds], list[tuple[int, int]]]:
    """The videos of packed pairs and which of them each pair names; a vector that comes twice is one video."""
    places: dict[int, int] = {}
    videos: list[Seconds] = []

    def place(vector: Tensor) -> int:
        key = vector.data_ptr()
        if key not in places:
            places[key] = len(videos)
            videos.append(unpack(vector))
        return places[key]

    pairs = [(place(a), place(b)) for a, b in zip(first, second, strict=True)]
    return videos, pairs
