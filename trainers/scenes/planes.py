"""Luma planes for the signal models: conversion, size limits and padding. Runs in workers only."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

# Whoever looks at pictures runs on the one core that its Ray actor reserved.
cv2.setNumThreads(1)


def luma(rgb: NDArray[np.uint8]) -> Plane:
    """BT.601 luma in 0..255, float32 `[H, W]`, of a uint8 RGB frame `[H, W, 3]`."""
    gray = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    return np.asarray(gray, dtype=np.float32)


def limit_short_side(image: NDArray[np.uint8], short_side: int) -> NDArray[np.uint8]:
    """Scale a frame down by area so that its short side is at most `short_side` pixels; never scales up."""
    height, width = image.shape[:2]
    ratio = short_side / min(height, width)
    if ratio >= 1:
        return image
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    scaled = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, dtype=np.uint8)


def centre_crop(image: NDArray[np.uint8], height: int, width: int, grid: int = 16) -> NDArray[np.uint8]:
    """The centre of a frame, at most `height` by `width`, cut on a multiple of `grid` so that coding blocks line up."""
    top = max(0, image.shape[0] - height) // 2 // grid * grid
    left = max(0, image.shape[1] - width) // 2 // grid * grid
    return image[top : top + height, left : left + width]


def pad_to(plane: Plane, height: int, width: int) -> Plane:
    """Extend a plane by symmetric reflection to at least `height` by `width`."""
    below, right = max(0, height - plane.shape[0]), max(0, width - plane.shape[1])
    if not below and not right:
        return plane
    return np.pad(plane, ((0, below), (0, right)), mode="symmetric")


def half(plane: Plane) -> Plane:
    """Halve both sides of a plane by area (each side at least one pixel)."""
    size = (max(1, plane.shape[1] // 2), max(1, plane.shape[0] // 2))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
