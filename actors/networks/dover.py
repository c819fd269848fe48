"""DOVER: the network with its technical and its aesthetic view, and its published scores.

Source: Wu et al., "Exploring Video Quality Assessment on User Generated Contents from Aesthetic and Technical
Perspectives", ICCV 2023. The released weights are for non-commercial use only (S-Lab License 1.0).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from actors.networks.convnext3d import ConvNeXt3D
from actors.networks.fastvqa import sigmoid
from actors.networks.head import VQAHead
from actors.networks.swin3d import Swin3D

TECHNICAL_MEAN, TECHNICAL_DEVIATION = 0.1107, 0.07355
AESTHETIC_MEAN, AESTHETIC_DEVIATION = -0.08285, 0.03774
TECHNICAL_SHARE = 0.6104


class Dover(nn.Module):
    """Two backbones, each with a head at every position."""

    def __init__(self) -> None:
        super().__init__()
        self.technical_backbone = Swin3D()
        self.aesthetic_backbone = ConvNeXt3D()
        self.technical_head = VQAHead()
        self.aesthetic_head = VQAHead()

    def forward(self, fragments: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """Score maps of both views.

        Args:
            fragments: Normalised fragment clips `[B, 3, 32, 224, 224]`.
            whole: Normalised whole frames `[A, 3, 32, 224, 224]`.

        Returns:
            Technical maps `[B, 1, 16, 7, 7]` and aesthetic maps `[A, 1, 16, 7, 7]`.
        """
        return self.technical(fragments), self.aesthetic(whole)

    def technical(self, fragments: Tensor) -> Tensor:
        """Technical maps `[B, 1, 16, 7, 7]`; see `forward`."""
        return torch.as_tensor(self.technical_head(self.technical_backbone(fragments)))

    def aesthetic(self, whole: Tensor) -> Tensor:
        """Aesthetic maps `[A, 1, 16, 7, 7]`; see `forward`."""
        return torch.as_tensor(self.aesthetic_head(self.aesthetic_backbone(whole)))


def technical_score(raw: float) -> float:
    """Published technical score, 0..1, from the mean of a video's technical maps."""
    return sigmoid((raw - TECHNICAL_MEAN) / TECHNICAL_DEVIATION)


def aesthetic_score(raw: float) -> float:
    """Published aesthetic score, 0..1, from the mean of a video's aesthetic map."""
    return sigmoid((raw - AESTHETIC_MEAN) / AESTHETIC_DEVIATION)


def published(technical_raw: float, aesthetic_raw: float) -> float:
    """Published fused score of one video, 0..1."""
    technical = (technical_raw - TECHNICAL_MEAN) / TECHNICAL_DEVIATION
    aesthetic = (aesthetic_raw - AESTHETIC_MEAN) / AESTHETIC_DEVIATION
    return sigmoid(TECHNICAL_SHARE * technical + (1 - TECHNICAL_SHARE) * aesthetic)


def fused_over_set(
    technical_raw: NDArray[np.float64], aesthetic_raw: NDArray[np.float64], share: float = TECHNICAL_SHARE
) -> NDArray[np.float64]:
    """Fused scores of a whole data set, as in the benchmark script: each view is standardised over the set.

    Args:
        technical_raw: Means of the technical maps `[N]`.
        aesthetic_raw: Means of the aesthetic maps `[N]`.
        share: Weight of the technical view; the aesthetic view gets the rest.
    """
    technical = (technical_raw - technical_raw.mean()) / technical_raw.std()
    aesthetic = (aesthetic_raw - aesthetic_raw.mean()) / aesthetic_raw.std()
    return np.asarray(share * technical + (1 - share) * aesthetic)
