"""Swin-T over video fragments with gated position biases: the backbone of FAST-VQA and of DOVER's technical branch.

Sources: Liu et al., "Video Swin Transformer", CVPR 2022; Wu et al., "FAST-VQA", ECCV 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from actors.networks.swin import PatchMerging, stage

DEPTHS = (2, 2, 6, 2)
HEADS = (3, 6, 12, 24)
WIDTH = 96
WINDOW = (8, 7, 7)
GATED_STAGES = 3  # the last stage has one token per fragment cell, so there is nothing to gate


class PatchEmbed(nn.Module):
    """Patches of 2 frames x 4 x 4 pixels to tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, WIDTH, (2, 4, 4), (2, 4, 4))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, clips: Tensor) -> Tensor:
        """`[B, 3, T, H, W]` to `[B, T / 2, H / 4, W / 4, 96]`."""
        return torch.as_tensor(self.norm(self.proj(clips).permute(0, 2, 3, 4, 1)))


class Mlp(nn.Module):
    """Two linear layers with exact GELU, four times as wide inside."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[..., C]` to the same shape."""
        return torch.as_tensor(self.fc2(functional.gelu(self.fc1(tokens))))


class Stage(nn.Module):
    """The blocks at one resolution, then patch merging except after the last."""

    def __init__(self, number: int) -> None:
        super().__init__()
        dim = WIDTH << number
        blocks = stage(DEPTHS[number], Mlp, dim, HEADS[number], WINDOW, number < GATED_STAGES)
        self.blocks = nn.ModuleList(blocks)
        if number + 1 < len(DEPTHS):
            self.downsample = PatchMerging(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, T, H, W, C]` to `[B, T, H / 2, W / 2, 2 C]`, or the same shape in the last stage."""
        for block in self.blocks:
            tokens = block(tokens)
        return self.downsample(tokens) if hasattr(self, "downsample") else tokens


class Swin3D(nn.Module):
    """The backbone."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed()
        self.layers = nn.ModuleList(Stage(number) for number in range(len(DEPTHS)))
        self.norm = nn.LayerNorm(WIDTH << (len(DEPTHS) - 1))

    def forward(self, clips: Tensor) -> Tensor:
        """Normalised clips `[B, 3, 32, 224, 224]` to `[B, 768, 16, 7, 7]`."""
        tokens = self.patch_embed(clips)
        for layer in self.layers:
            tokens = layer(tokens)
        return torch.as_tensor(self.norm(tokens).permute(0, 4, 1, 2, 3))
