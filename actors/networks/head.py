"""The regression head of FAST-VQA and DOVER: a quality value at every position of the feature map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class VQAHead(nn.Module):
    """Two 1x1x1 convolutions with exact GELU between them, without pooling."""

    def __init__(self, dim: int = 768, hidden: int = 64) -> None:
        super().__init__()
        self.fc_hid = nn.Conv3d(dim, hidden, 1)
        self.fc_last = nn.Conv3d(hidden, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        """`[B, C, T, H, W]` to `[B, 1, T, H, W]`."""
        return torch.as_tensor(self.fc_last(functional.gelu(self.fc_hid(features))))
