"""Shifted-window attention over any number of axes (Liu et al., "Swin Transformer", ICCV 2021), for images and videos.

Tokens travel as `[batch, *axes, channels]`; the axes are (row, column) or (frame, row, column). A video's attention may
have the gated position bias of FAST-VQA (Wu et al., ECCV 2022): which of two bias tables counts between two tokens
depends on whether they come from one cell of the 7x7 fragment grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

MASKED = -100.0  # added if two tokens of a shifted window are not neighbours
GRID = 7  # cells along each side of the fragment grid


def partition(tokens: Tensor, window: Sequence[int]) -> Tensor:
    """Cut `[B, *axes, C]` into windows: `[B, windows, prod(window), C]`; each axis is a multiple of its window."""
    batch, *axes, channels = tokens.shape
    split = [part for size, side in zip(axes, window, strict=True) for part in (size // side, side)]
    outer, inner = range(1, 2 * len(axes), 2), range(2, 2 * len(axes) + 1, 2)
    order = (0, *outer, *inner, 2 * len(axes) + 1)
    return tokens.reshape(batch, *split, channels).permute(order).reshape(batch, -1, math.prod(window), channels)


def merge(windows: Tensor, axes: Sequence[int], window: Sequence[int]) -> Tensor:
    """Undo `partition`: `[B, windows, prod(window), C]` to `[B, *axes, C]`."""
    batch, channels = windows.shape[0], windows.shape[-1]
    counts = [size // side for size, side in zip(axes, window, strict=True)]
    count = len(axes)
    order = (0, *(place for axis in range(count) for place in (1 + axis, 1 + count + axis)), 1 + 2 * count)
    return windows.reshape(batch, *counts, *window, channels).permute(order).reshape(batch, *axes, channels)


def relative_index(window: Sequence[int]) -> Tensor:
    """Row of the bias table for each pair of tokens of a window: int64 `[N, N]` with N = prod(window)."""
    places = torch.stack(torch.meshgrid(*(torch.arange(side) for side in window), indexing="ij")).flatten(1)
    index = torch.zeros(places.shape[1], places.shape[1], dtype=torch.int64)
    for axis, side in enumerate(window):
        index = index * (2 * side - 1) + places[axis][:, None] - places[axis][None, :] + side - 1
    return index


def shift_mask(
    axes: Sequence[int], window: Sequence[int], shift: Sequence[int], device: torch.device | None = None
) -> Tensor:
    """0 between tokens that are neighbours in the unshifted map, `MASKED` elsewhere: `[windows, N, N]`."""
    region = torch.zeros(*axes, dtype=torch.int64, device=device)
    for axis, (size, side, by) in enumerate(zip(axes, window, shift, strict=True)):
        place = torch.arange(size, device=device)
        label = (place >= size - side).long() + (place >= size - by).long() if by else torch.zeros_like(place)
        shape = [-1 if other == axis else 1 for other in range(len(axes))]
        region = region * 3 + label.view(shape)
    labels = partition(region[None, ..., None], window)[0, ..., 0]
    return torch.where(labels[:, :, None] == labels[:, None, :], 0.0, MASKED)


def cell_distance(
    axes: Sequence[int], window: Sequence[int], shift: Sequence[int], device: torch.device | None = None
) -> Tensor:
    """City-block distance of two tokens' fragment cells, for the windows of one time slice: `[windows, N, N]`.

    Cells do not depend on time, so all time slices share the result. It is not limited to 1: in shifted windows, where
    opposite borders meet, it reaches 12.
    """
    _, *space = axes
    counts = [torch.arange(size, device=device) for size in space]
    cells = [(count * GRID // len(count)).roll(-by) for count, by in zip(counts, shift[1:], strict=True)]
    grid = torch.stack(torch.meshgrid(*cells, indexing="ij"), dim=-1)
    places = partition(grid.expand(1, window[0], *grid.shape), window)[0]
    return (places[:, :, None] - places[:, None, :]).abs().sum(dim=-1)


class WindowAttention(nn.Module):
    """Multi-head attention inside windows with learned position biases."""

    relative_position_index: Tensor

    def __init__(self, dim: int, window: Sequence[int], heads: int, gated: bool) -> None:
        super().__init__()
        self.window, self.heads, self.gated = tuple(window), heads, gated
        rows = math.prod(2 * side - 1 for side in window)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, heads))
        if gated:
            self.fragment_position_bias_table = nn.Parameter(torch.zeros(rows, heads))
        index = relative_index(window)
        # The image network's checkpoints hold the index as one row, those of the video networks as a square.
        self.register_buffer("relative_position_index", index if len(window) == 3 else index.flatten())
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def _lookup(self, table: Tensor) -> Tensor:
        side = math.prod(self.window)
        return table[self.relative_position_index.flatten()].view(side, side, -1).permute(2, 0, 1)

    def bias(self, axes: Sequence[int], shift: Sequence[int]) -> Tensor:
        """Bias for the attention of each window: `[P, heads, N, N]`; P divides the number of windows."""
        table = self.relative_position_bias_table
        bias = self._lookup(table)[None]
        if self.gated:
            distance = cell_distance(axes, self.window, shift, table.device).to(table)[:, None]
            fragment = self._lookup(self.fragment_position_bias_table)[None]
            bias = distance * bias + (1 - distance) * fragment
        if any(shift):
            mask = shift_mask(axes, self.window, shift, table.device).to(table)[:, None]
            repeats = len(mask) // len(bias)
            bias = bias.repeat(repeats, 1, 1, 1) + mask if repeats < len(mask) else bias + mask
        return bias

    def forward(self, windows: Tensor, bias: Tensor) -> Tensor:
        """`[B, windows, N, C]` and `bias` to `[B, windows, N, C]`."""
        batch, count, tokens, dim = windows.shape
        qkv = self.qkv(windows).view(batch * count, tokens, 3, self.heads, dim // self.heads)
        period = len(bias) if len(bias) > 1 else count
        bias = bias.expand(period, -1, -1, -1)
        # One clip's windows at a time, so that the bias is not copied for every clip of the batch.
        parts = [part.permute(2, 0, 3, 1, 4).unbind() for part in qkv.split(period)]
        mixed = torch.cat([functional.scaled_dot_product_attention(q, k, v, bias) for q, k, v in parts])
        return torch.as_tensor(self.proj(mixed.transpose(1, 2).reshape(batch, count, tokens, dim)))


class Block(nn.Module):
    """Window attention and MLP, each behind a LayerNorm (eps 1e-5) with a residual.

    Args:
        dim: Channels.
        heads: Attention heads.
        window: Tokens along each axis of a window.
        shifted: Windows are moved by half their side along each axis that is longer than the window.
        gated: Use the gated position bias.
        mlp: The MLP; its parameter names differ between checkpoints.
    """

    def __init__(self, dim: int, heads: int, window: Sequence[int], shifted: bool, gated: bool, mlp: nn.Module) -> None:
        super().__init__()
        self.window, self.shifted = tuple(window), shifted
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, window, heads, gated)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = mlp

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, *axes, C]` to the same shape."""
        tokens = tokens + self._attend(self.norm1(tokens))
        return torch.as_tensor(tokens + self.mlp(self.norm2(tokens)))

    def _attend(self, tokens: Tensor) -> Tensor:
        axes = tokens.shape[1:-1]
        # Zeros at the far end of each axis fill the last window; they take part in attention, as in the released code.
        missing = [-size % side for size, side in zip(axes, self.window, strict=True)]
        if any(missing):
            tokens = functional.pad(tokens, (0, 0, *(part for gap in reversed(missing) for part in (0, gap))))
        padded = tokens.shape[1:-1]
        shift = [
            side // 2 if self.shifted and size > side else 0 for size, side in zip(padded, self.window, strict=True)
        ]
        dims = tuple(range(1, 1 + len(axes)))
        moved = tokens.roll([-by for by in shift], dims) if any(shift) else tokens
        mixed = self.attn(partition(moved, self.window), self.attn.bias(padded, shift))
        result = merge(mixed, padded, self.window)
        result = result.roll(shift, dims) if any(shift) else result
        return result[(slice(None), *(slice(size) for size in axes))]


class PatchMerging(nn.Module):
    """Halve rows and columns, double the channels: four neighbours side by side, LayerNorm, linear."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[..., H, W, C]` to `[..., H / 2, W / 2, 2 C]`; neighbours in the order (0,0), (1,0), (0,1), (1,1)."""
        quarters = [tokens[..., row::2, column::2, :] for column in (0, 1) for row in (0, 1)]
        return torch.as_tensor(self.reduction(self.norm(torch.cat(quarters, dim=-1))))


def stage(depth: int, make_mlp: Any, dim: int, heads: int, window: Sequence[int], gated: bool) -> list[Block]:
    """The blocks of one stage; every second one is shifted."""
    return [Block(dim, heads, window, bool(number % 2), gated, make_mlp(dim)) for number in range(depth)]
