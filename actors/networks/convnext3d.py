"""ConvNeXt-T over videos: the backbone of DOVER's aesthetic branch.

Sources: Liu et al., "A ConvNet for the 2020s", CVPR 2022; Wu et al., "DOVER", ICCV 2023.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

DEPTHS = (3, 3, 9, 3)
WIDTHS = (96, 192, 384, 768)
EPSILON = 1e-6
TEMPORAL_KERNELS = (1, 3, 1)  # temporal kernel sizes of the blocks of a stage, repeating


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of `[B, C, T, H, W]`."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=EPSILON)

    def forward(self, maps: Tensor) -> Tensor:
        """The same shape."""
        return super().forward(maps.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)


class Block(nn.Module):
    """Depthwise convolution, LayerNorm, two linear layers with exact GELU, a scale per channel, and a residual."""

    def __init__(self, dim: int, frames: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.dwconv = nn.Conv3d(dim, dim, (frames, 7, 7), padding=(frames // 2, 3, 3), groups=dim)
        self.norm = nn.LayerNorm(dim, eps=EPSILON)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)

    def forward(self, maps: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to the same shape."""
        mixed = self.norm(self.dwconv(maps).permute(0, 2, 3, 4, 1))
        mixed = self.gamma * self.pwconv2(functional.gelu(self.pwconv1(mixed)))
        return torch.as_tensor(maps + mixed.permute(0, 4, 1, 2, 3))


class ConvNeXt3D(nn.Module):
    """The backbone."""

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv3d(3, WIDTHS[0], (2, 4, 4), (2, 4, 4)), ChannelNorm(WIDTHS[0]))
        between = [
            nn.Sequential(ChannelNorm(narrow), nn.Conv3d(narrow, wide, (1, 2, 2), (1, 2, 2)))
            for narrow, wide in pairwise(WIDTHS)
        ]
        self.downsample_layers = nn.ModuleList([stem, *between])
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width, TEMPORAL_KERNELS[number % len(TEMPORAL_KERNELS)]) for number in range(depth)))
            for depth, width in zip(DEPTHS, WIDTHS, strict=True)
        )
        self.norm = ChannelNorm(WIDTHS[-1])

    def forward(self, clips: Tensor) -> Tensor:
        """Normalised clips `[B, 3, 32, 224, 224]` to `[B, 768, 16, 7, 7]`."""
        for shrink, blocks in zip(self.downsample_layers, self.stages, strict=True):
            clips = blocks(shrink(clips))
        return torch.as_tensor(self.norm(clips))
