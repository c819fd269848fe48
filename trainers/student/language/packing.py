"""A video of the LLaVA student as one float32 vector: the number of frames T, of motion vectors M, the motion, the pixels.

A pixel is R * 65536 + G * 256 + B, below 2^24 and so exact in float32: a table of numbers carries it without a loss, in two
thirds more than its bytes. The header tells the lengths, so zeros may follow where rows of a matrix must be equally long.
"""

from __future__ import annotations

import numpy as np

FRAME_SIDE = 384
PIXELS = FRAME_SIDE * FRAME_SIDE
FEATURE = 256
HEADER = 2
FRAME_TOKENS = 196


def visual_tokens(frames: int, motion: int) -> int:
    """Tokens of a video in a sequence: 196 for each frame, the newline, one for each motion vector."""
    return FRAME_TOKENS * frames + 1 + motion


def packed_length(frames: int, motion: int) -> int:
    """Length of the vector."""
    return HEADER + FEATURE * motion + PIXELS * frames


def tokens_of_length(length: int) -> int:
    """Tokens of a vector, from its length alone (the motion is always shorter than a frame)."""
    frames, rest = divmod(length - HEADER, PIXELS)
    if frames < 1 or rest < FEATURE or rest % FEATURE:
        raise ValueError(
            f"a vector of {length} numbers is no video of the LLaVA student: encode the videos again with it"
        )
    return visual_tokens(frames, rest // FEATURE)


def pack(frames: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The vector of frames uint8 [T, 384, 384, 3] and motion [M, 256]."""
    rgb = frames.astype(np.int32)
    pixels = (rgb[..., 0] << 16) + (rgb[..., 1] << 8) + rgb[..., 2]
    header = np.array([len(frames), len(motion)], np.float32)
    return np.concatenate([header, motion.astype(np.float32).ravel(), pixels.astype(np.float32).ravel()])
