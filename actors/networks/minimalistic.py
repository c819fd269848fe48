"""MinimalisticVQA, Models VII and IX: key frames through Swin-B, in Model IX also motion features of SlowFast.

Source: Sun et al., "Analysis of Video Quality Datasets via Design of Minimalistic Video Quality Models", TPAMI 2024.
Models VIII and X have the layouts of VII and IX.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from actors.media.outcome import Failure
from actors.networks import swin2d
from trainers.student.language.slowfast import FEATURE

HIDDEN = 128


class MinimalisticVQA(nn.Module):
    """Swin-B and a regressor of two linear layers without activation between them.

    Args:
        motion: Build Model IX, which also takes 256 motion features per frame; otherwise Model VII.
    """

    def __init__(self, motion: bool) -> None:
        super().__init__()
        self.feature_extraction = swin2d.Swin2D()
        inputs = swin2d.FEATURES + (FEATURE if motion else 0)
        self.quality = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.Linear(HIDDEN, 1))

    def forward(self, frames: Tensor, motion: Tensor | None = None) -> Tensor:
        """Quality of each frame; the quality of the video is their mean.

        Args:
            frames: Normalised `[B, 3, 384, 384]`.
            motion: Features of the clip around each frame `[B, 256]`, for Model IX.

        Returns:
            `[B]`.
        """
        features = self.feature_extraction(frames)
        if motion is not None:
            features = torch.cat([features, motion], dim=1)
        return torch.as_tensor(self.quality(features)[:, 0])


def read_scaling(path: Path) -> tuple[float, ...]:
    """The four numbers b1..b4 of a released scaling file (NumPy).

    Raises:
        Failure: `usage`: the file does not hold four such numbers.
    """
    try:
        numbers = np.load(path, allow_pickle=False).astype(float).ravel()
    except (ValueError, OSError) as error:
        raise Failure(
            "usage", f"{path} is not a scaling file of MinimalisticVQA: {error}; use the released one"
        ) from error
    if numbers.shape != (4,) or not np.isfinite(numbers).all() or numbers[3] == 0:
        raise Failure(
            "usage", f"{path} is not a scaling file of MinimalisticVQA: it must hold four numbers, the last not 0"
        )
    return tuple(numbers.tolist())


def published(raw: float, scaling: Sequence[float]) -> float:
    """Score on the MOS scale of LSVQ, 0..100: a four-parameter logistic of the mean over frames.

    Args:
        raw: Mean of the frames' qualities.
        scaling: The four numbers b1..b4 that are released beside the weights.
    """
    high, low, centre, slope = scaling
    steps = max(min(-(raw - centre) / abs(slope), 700.0), -700.0)  # beyond, the exponential leaves the float range
    return low + (high - low) / (1 + math.exp(steps))
