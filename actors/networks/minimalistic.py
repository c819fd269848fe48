"""MinimalisticVQA, Models VII and IX: key frames through Swin-B, in Model IX beside motion features of SlowFast.

Source: Sun et al., "Analysis of Video Quality Datasets via Design of Minimalistic Video Quality Models", TPAMI 2024.
Models VIII and X have the layouts of VII and IX.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from actors.networks import slowfast, swin2d

HIDDEN = 128


class MinimalisticVQA(nn.Module):
    """Swin-B and a regressor of two linear layers without activation between them.

    Args:
        motion: Model IX, which takes 256 motion features beside each frame; else Model VII.
    """

    def __init__(self, motion: bool) -> None:
        super().__init__()
        self.feature_extraction = swin2d.Swin2D()
        inputs = swin2d.FEATURES + (slowfast.FEATURES if motion else 0)
        self.quality = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.Linear(HIDDEN, 1))

    def forward(self, frames: Tensor, motion: Tensor | None = None) -> Tensor:
        """Quality of each frame; that of the video is their mean.

        Args:
            frames: Normalised ``[B, 3, 384, 384]``.
            motion: Features of the clip around each frame ``[B, 256]``, for Model IX.

        Returns:
            ``[B]``.
        """
        features = self.feature_extraction(frames)
        if motion is not None:
            features = torch.cat([features, motion], dim=1)
        return torch.as_tensor(self.quality(features)[:, 0])


def published(raw: float, scaling: Sequence[float]) -> float:
    """Score on the MOS scale of LSVQ, 0..100: a four-parameter logistic of the mean over frames.

    Args:
        raw: Mean of the frames' qualities.
        scaling: The four numbers b1..b4 that are released beside the weights.
    """
    high, low, centre, slope = scaling
    steps = max(min(-(raw - centre) / abs(slope), 700.0), -700.0)  # beyond, the exponential leaves the float range
    return low + (high - low) / (1 + math.exp(steps))
