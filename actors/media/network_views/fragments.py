"""Fragments: a mosaic of small cells at native resolution (FAST-VQA and the technical branch of DOVER)."""

from __future__ import annotations

import numpy as np

from .clip import Draw, Frame, Numbers
from .interpolation import bilinear

GRID = 7  # fragment cells along each side
CELL = 32  # pixels of a cell's side
FRAGMENTS = GRID * CELL


def enlargement(height: int, width: int) -> float:
    """By how much a frame with a short side below 224 pixels is enlarged; 1 for others."""
    short = min(height, width)
    return 1 / (short / FRAGMENTS) if short < FRAGMENTS else 1.0


def enlarged(frame: Frame, factor: float) -> Frame:
    """Bilinear with half-pixel centres in units of the factor itself, on levels / 255, truncated to levels."""
    step = np.float32(1 / factor)
    size = (int(frame.shape[0] * factor), int(frame.shape[1] * factor))
    levels = frame.astype(np.float32) / np.float32(255)
    return np.asarray(bilinear(levels, size, (step, step)) * np.float32(255)).astype(np.uint8)


def fragment_starts(height: int, width: int, clips: int, draw: Draw) -> tuple[Numbers, Numbers]:
    """First row and first column of each cell, both ``[7, 7, clips]``; all rows are drawn before the columns.

    Videos smaller than the grid are cut by their own size although they are enlarged first, as in the released code:
    only the upper left part of the enlarged frame counts.
    """
    cell = np.arange(GRID)[:, None, None]
    starts = []
    for size, place in ((height, cell), (width, cell.transpose(1, 0, 2))):
        part = size // GRID
        drawn = draw(part - CELL, (GRID, GRID, clips)) if part > CELL else np.zeros((GRID, GRID, clips), np.int64)
        starts.append(np.maximum(np.minimum(part * place, size - CELL), 0) + drawn)
    return starts[0], starts[1]


def fragments(frame: Frame, rows: Numbers, columns: Numbers) -> Frame:
    """A 7x7 mosaic of 32x32 pixels at native resolution, ``[224, 224, 3]``, from starts ``[7, 7]``."""
    height, width = frame.shape[:2]
    factor = enlargement(height, width)
    if factor > 1:
        # Cells lie within the first `height` rows and `width` columns of what results: no more is enlarged.
        bottom, right = (int(max(size, CELL) / factor) + 2 for size in (height, width))
        frame = enlarged(frame[:bottom, :right], factor)
    mosaic = np.empty((FRAGMENTS, FRAGMENTS, 3), np.uint8)
    for i in range(GRID):
        for j in range(GRID):
            top, left = rows[i, j], columns[i, j]
            mosaic[i * CELL : (i + 1) * CELL, j * CELL : (j + 1) * CELL] = frame[top : top + CELL, left : left + CELL]
    return mosaic
