"""FAST-VQA-B: the network and its published score.

Source: Wu et al., "FAST-VQA: Efficient End-to-end Video Quality Assessment with Fragment Sampling", ECCV 2022.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from actors.networks.head import VQAHead
from actors.networks.swin3d import Swin3D

MEAN, DEVIATION = -0.110198185, 0.04178565  # of raw scores, from the released script for one video


class FastVQA(nn.Module):
    """Swin-T over fragments and a head at every position."""

    def __init__(self) -> None:
        super().__init__()
        self.fragments_backbone = Swin3D()
        self.vqa_head = VQAHead()

    def forward(self, fragments: Tensor) -> Tensor:
        """Normalised fragment clips `[B, 3, 32, 224, 224]` to score maps `[B, 1, 16, 7, 7]`."""
        return torch.as_tensor(self.vqa_head(self.fragments_backbone(fragments)))


def sigmoid(value: float) -> float:
    """Logistic function that cannot overflow."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def published(raw: float) -> float:
    """Published score, 0..1, from the mean of a video's score maps."""
    return sigmoid((raw - MEAN) / DEVIATION)
