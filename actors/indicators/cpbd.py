"""Blur as the cumulative probability of blur detection (CPBD).

Narvekar and Karam, "A no-reference image blur metric based on the cumulative probability of blur detection (CPBD)",
IEEE Transactions on Image Processing 20(9), 2011. Edge widths after Marziliano et al. 2002: along the row, from the
nearest local minimum to the nearest local maximum around a vertical edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.indicators.instant import Frame, Instant

BLOCK = 64
EDGE_SHARE = 0.002  # a block counts if more than this share of its pixels are edges
BETA = 3.6
LOW_CONTRAST = 50  # grey levels within a block; up to this contrast `WIDTH_LOW` applies
WIDTH_LOW, WIDTH_HIGH = 5.0, 3.0  # pixels, just noticeable blur at low and at high contrast
JUST_NOTICEABLE = 1 - np.exp(-1.0)  # 63 %: the probability of seeing a blur of the just noticeable width


def cpbd(instant: Instant) -> float:
    """Share of the edge pixels whose blur is visible with a probability of at most 63 %; 1 is sharp.

    A frame without an edge gives 0: it shows nothing sharp.
    """
    rows, columns = vertical_edges(instant)
    if rows.size == 0:
        return 0.0
    contrasts, counts, sizes = _blocks(instant.luma, rows, columns)
    place = rows // BLOCK, columns // BLOCK
    mask = (counts > EDGE_SHARE * sizes)[place]
    if not mask.any():
        return 0.0
    widths = edge_widths(instant.luma, rows[mask], columns[mask])
    noticeable = np.where(contrasts[place][mask] <= LOW_CONTRAST, WIDTH_LOW, WIDTH_HIGH)
    visibility = 1 - np.exp(-((widths / noticeable) ** BETA))
    return float(np.mean(visibility <= JUST_NOTICEABLE + 1e-9))


def vertical_edges(instant: Instant) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels on thinned vertical edges: above twice the RMS gradient and largest in their row."""
    across, down = instant.gradients
    strength = across * across
    floor = 4 * float(np.mean(strength, dtype=np.float64) + np.mean(down * down, dtype=np.float64))
    if strength.shape[1] < 3 or floor == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    # Mostly vertical: the gradient points along the row within 45 degrees.
    centre = strength[:, 1:-1]
    edge = (
        (centre > floor)
        & (centre >= strength[:, :-2])
        & (centre > strength[:, 2:])
        & (np.abs(down) <= np.abs(across))[:, 1:-1]
    )
    rows, columns = np.nonzero(edge)
    return rows + 1, columns + 2  # the responses lack a border of one pixel


def edge_widths(plane: Frame, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Pixels from the local extremum on the left to that on the right of each edge pixel, along its row."""
    rising = plane[rows, columns + 1].astype(np.int16) >= plane[rows, columns - 1]
    return (_reach(plane, rows, columns, rising, 1) + _reach(plane, rows, columns, ~rising, -1)).astype(np.float64)


def _reach(
    plane: Frame, rows: NDArray[np.intp], columns: NDArray[np.intp], rising: NDArray[np.bool_], step: int
) -> NDArray[np.intp]:
    """Number of pixels for which the row keeps rising (or falling) from each place, in the direction of `step`."""
    reach = np.zeros(rows.size, np.intp)
    active = np.arange(rows.size)
    last = plane.shape[1] - 1
    while active.size:
        here = columns[active] + step * reach[active]
        active, here = (part[(here + step >= 0) & (here + step <= last)] for part in (active, here))
        row = rows[active]
        change = plane[row, here + step].astype(np.int16) - plane[row, here]
        active = active[np.where(rising[active], change > 0, change < 0)]
        reach[active] += 1
    return reach


def _blocks(
    plane: Frame, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> tuple[NDArray[np.int16], NDArray[np.intp], NDArray[np.intp]]:
    """Contrast (grey levels), number of edge pixels and number of pixels of every 64x64 block."""
    tops, lefts = (np.arange(0, size, BLOCK) for size in plane.shape)
    high = np.maximum.reduceat(np.maximum.reduceat(plane, tops, axis=0), lefts, axis=1).astype(np.int16)
    low = np.minimum.reduceat(np.minimum.reduceat(plane, tops, axis=0), lefts, axis=1)
    counts = np.bincount(rows // BLOCK * lefts.size + columns // BLOCK, minlength=high.size).reshape(high.shape)
    sizes = np.outer(np.diff(np.r_[tops, plane.shape[0]]), np.diff(np.r_[lefts, plane.shape[1]]))
    return high - low, counts, sizes
