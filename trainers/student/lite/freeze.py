"""Which pictures of a video are held while the scene goes on, and what a viewer sees of it.

Coding rarely keeps a held picture as it was: key frames and residuals change it a little, the more the coarser the coding
(`benchmarks/held.py`). So a step is judged by its surroundings and not by a fixed difference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HELD_SHARE = 0.2  # of the motion around it; a smaller step is held
REACH = 4  # steps on each side that make up the surroundings
FAST_SHARE = 0.1  # of the clip's fast steps: the least that counts as motion around a step, so that long holds are seen
SHARPNESS = 6  # of the border between held and moving: a step of half HELD_SHARE counts 0.98, of twice it 0.02
STILL_SCENE = 0.1  # grey levels: where nothing moves faster, nothing can be seen to be held

Steps = NDArray[np.floating]


def fast_step(step: Steps) -> float:
    """Mean of the largest sixth of the steps `[N - 1]`, N > 1, in grey levels: how fast the clip moves where it moves."""
    return float(np.sort(step)[-max(2, len(step) // 6) :].mean())


def held_steps(step: Steps, still: float = STILL_SCENE) -> NDArray[np.float64]:
    """How surely each frame repeats the frame before while the scene around it moves, 0 to 1.

    Args:
        step: Mean absolute luma difference between consecutive frames, `[N - 1]`, N > 1, in grey levels.
        still: Motion around a step, in grey levels, below which nothing can be seen to be held.

    Returns:
        `[N - 1]`.
    """
    windows = np.lib.stride_tricks.sliding_window_view(step, min(2 * REACH + 1, len(step)))
    # the median of the larger half: up to two steps of three may be held
    local = np.median(np.sort(windows, axis=1)[:, windows.shape[1] // 2 :], axis=1)
    # the surroundings of the first and last steps are the first and last windows
    local = local[np.clip(np.arange(len(step)) - REACH, 0, len(local) - 1)]
    around = np.maximum(local, FAST_SHARE * fast_step(step))
    ratio = step / np.maximum(around, still) / HELD_SHARE
    return np.where(around > still, 1 / (1 + ratio**SHARPNESS), 0.0)


def freeze(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Held frames of `luma` `[N, h, w]`: share of held steps, log staleness in frames, log staleness times motion.

    Staleness is how old the picture on the screen is. Zeros for stills and for scenes without motion.
    """
    if len(luma) < 3:
        return np.zeros(3, np.float32)
    frames = luma.astype(np.float32)
    step = np.abs(frames[1:] - frames[:-1]).mean(axis=(1, 2))
    held = held_steps(step)
    stale = np.zeros(len(frames))
    for t in range(1, len(frames)):
        stale[t] = (stale[t - 1] + 1) * held[t - 1]
    moving = step[step > 0.3 * fast_step(step)]
    # a jump after a hold grows slower than the time held: the square root of the mean hold undoes it
    velocity = (float(moving.mean()) if moving.size else 0.0) / np.sqrt(1 + 2 * stale.mean())
    return np.array([held.mean(), np.log1p(stale.mean()), np.log1p(stale.mean() * velocity)], np.float32)
