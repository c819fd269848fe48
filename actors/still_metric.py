"""A student as a network of pyiqa: pictures in, scores out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class StillMetric(nn.Module):
    """Scores still pictures; no gradient passes through it.

    Args:
        score: Score of one picture, RGB uint8 `[H, W, 3]`.
    """

    def __init__(self, score: Callable[[NDArray[np.uint8]], float]) -> None:
        super().__init__()
        self._score = score

    @torch.no_grad()
    def forward(self, target: Tensor) -> Tensor:
        """Scores `[N, 1]` of pictures `[N, 3, H, W]` in 0..1, or `[N, 1, H, W]` in grey."""
        pixels = (target.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
        pictures = pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
        return torch.tensor([[self._score(picture)] for picture in pictures], device=target.device)
