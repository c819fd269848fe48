"""PIQE: share of distorted blocks among the spatially active ones.

Source: Venkatanath et al., "Blind image quality evaluation using perception based features", NCC 2015. All blocks are
computed at once, with the same numbers as the block-by-block reference implementation.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from actors.teachers.base import FrameTeacher
from trainers.scenes.nss import Values, window_moments
from trainers.scenes.planes import centre_crop, luma, pad_to

BLOCK = 16
SEGMENT = 6
ACTIVE = 0.1  # variance of normalised luma above which a block counts as active
IMPAIRED = 0.1  # deviation below which a segment of a block's edge counts as an artefact
MAX_HEIGHT, MAX_WIDTH = 1088, 1920


def impaired_blocks(blocks: Values) -> NDArray[np.bool_]:
    """Blocks `[n, 16, 16]` with a nearly constant segment along one of their edges (noticeable artefact)."""
    edges = np.stack([blocks[:, 0], blocks[:, -1], blocks[:, :, 0], blocks[:, :, -1]], axis=1)
    segments = sliding_window_view(edges, SEGMENT, axis=2)
    return np.asarray((segments.std(axis=3, ddof=1) < IMPAIRED).any(axis=(1, 2)))


def noisy_blocks(blocks: Values, variance: Values) -> NDArray[np.bool_]:
    """Blocks `[n, 16, 16]` whose deviation exceeds twice the contrast between centre and surround (noise).

    Centre: columns 7 and 8; surround: all columns except 7 and 9, exactly as in the published code.
    """
    deviation = np.sqrt(variance)
    centre = blocks[:, :, 7:9].std(axis=(1, 2), ddof=1)
    surround = np.delete(blocks, (7, 9), axis=2).std(axis=(1, 2), ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = centre / surround
        ratio = np.where(np.isnan(ratio), 0, ratio)
        beta = np.abs(deviation - ratio) / np.maximum(deviation, ratio)
        return np.asarray(deviation > 2 * beta)


class Piqe(FrameTeacher):
    """Perception-based Image Quality Evaluator on 16x16 blocks at native resolution.

    Blocks line up with coding blocks, so frames are never scaled; of frames above 1920x1088 only the centre is used.
    A frame without an active block (flat, black) gets 100, as published.
    """

    name = "piqe"
    title = "PIQE, distorted share of the active blocks"
    description = "Block-wise artefact and noise criteria on normalised luma (Venkatanath et al., 2015)"
    range = (0.0, 100.0)
    higher_is_better = False
    licence = "Apache-2.0 (own implementation)"
    parameters = 0
    weights = "none"

    def settings(self) -> Mapping[str, float | int | str]:
        """Thresholds and sizes of the block criteria, and the size of the area."""
        return {
            "active": ACTIVE,
            "impaired": IMPAIRED,
            "block": BLOCK,
            "segment": SEGMENT,
            "max_height": MAX_HEIGHT,
            "max_width": MAX_WIDTH,
        }

    def score_frame(self, rgb: NDArray[np.uint8]) -> float:
        """Distorted share of the active blocks of one frame, in percent."""
        plane = luma(centre_crop(rgb, MAX_HEIGHT, MAX_WIDTH))
        peak = plane.max()
        if peak == 0:
            return 100.0
        rows, columns = -(-plane.shape[0] // BLOCK), -(-plane.shape[1] // BLOCK)
        plane = np.round(255 * (pad_to(plane, rows * BLOCK, columns * BLOCK) / peak)).astype(np.float32)
        mean, deviation = window_moments(plane, cv2.BORDER_REPLICATE)
        normalised = ((plane - mean) / (deviation + 1)).astype(np.float64)
        blocks = normalised.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK, BLOCK)
        variance = blocks.var(axis=(1, 2), ddof=1)
        blocks, variance = blocks[variance > ACTIVE], variance[variance > ACTIVE]
        artefacts = np.where(impaired_blocks(blocks), 1 - variance, 0).sum()
        noise = np.where(noisy_blocks(blocks, variance), variance, 0).sum()
        return float(100 * (artefacts + noise + 1) / (len(blocks) + 1))
