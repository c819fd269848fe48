"""Scenes made from photographs: a window that moves, and a patch of another photograph that moves on its own."""

from __future__ import annotations

import cv2
import numpy as np
from filters import FRAMES, SIDE, Frames, Random, between, blurred


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
