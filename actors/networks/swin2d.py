"""Swin-B over images as in torchvision's `swin_b`, without classifier: the backbone of MinimalisticVQA.

Source: Liu et al., "Swin Transformer", ICCV 2021. Maps whose size is not a multiple of the window are padded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from actors.networks.swin import PatchMerging, stage

DEPTHS = (2, 2, 18, 2)
HEADS = (4, 8, 16, 32)
WIDTH = 128
WINDOW = (7, 7)
FEATURES = WIDTH << (len(DEPTHS) - 1)


class ChannelsLast(nn.Module):
    """`[B, C, H, W]` to `[B, H, W, C]`; a module, because checkpoints number it."""

    def forward(self, maps: Tensor) -> Tensor:
        """Move the channels."""
        return maps.permute(0, 2, 3, 1)


def _mlp(dim: int) -> nn.Module:
    # The identity replaces the dropout of training, because checkpoints number the layers.
    return nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Identity(), nn.Linear(4 * dim, dim))


class Swin2D(nn.Module):
    """The backbone with its pooling."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), ChannelsLast(), nn.LayerNorm(WIDTH))]
        for number, (depth, heads) in enumerate(zip(DEPTHS, HEADS, strict=True)):
            if number:
                layers.append(PatchMerging(WIDTH << (number - 1)))
            layers.append(nn.Sequential(*stage(depth, _mlp, WIDTH << number, heads, WINDOW, gated=False)))
        self.features = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(FEATURES)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images `[B, 3, H, W]` to `[B, 1024]`, the mean over the positions of the last map."""
        return torch.as_tensor(self.norm(self.features(images)).mean(dim=(1, 2)))
