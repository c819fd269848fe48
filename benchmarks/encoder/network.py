"""The degradation network as it is trained, in torch; `trainers/student/lite/degradation.py` is what it computes in a student."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from trainers.student.lite.degradation import (
    EXPERTS,
    GRAPH,
    INPUTS,
    LEAST_WEIGHT,
    MOTION_SCALE,
    SURROUNDINGS,
    WIDTHS,
)


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3, with its batch norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two convolutions and the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> the same."""
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class DegradationNetwork(nn.Module):
    """Positions of a frame pair -> features and their weight in the mean over the frame; a linear layer for each expert."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth = WIDTHS
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2),
            convolution(4 * INPUTS, first),
            nn.ReLU(),
            convolution(first, second, 2),
            nn.ReLU(),
            Residual(second),
            convolution(second, third, 2),
            nn.ReLU(),
            Residual(third),
            Residual(third),
            convolution(third, fourth, 2),
            nn.ReLU(),
            Residual(fourth),
        )
        self.weight = nn.Conv2d(fourth, 1, 1)
        self.experts = nn.Linear(fourth, len(EXPERTS))
        reach = torch.arange(SURROUNDINGS) - SURROUNDINGS // 2
        self.register_buffer("kernel", torch.softmax(-(reach**2) / (2 * (SURROUNDINGS / 6) ** 2), dim=0))

    def _mean(self, x: Tensor) -> Tensor:
        """Around every pixel of [B, 1, H, W], with Gaussian weights."""
        half = SURROUNDINGS // 2
        rows = functional.conv2d(functional.pad(x, (0, 0, half, half), "reflect"), self.kernel[None, None, :, None])
        return functional.conv2d(functional.pad(rows, (half, half, 0, 0), "reflect"), self.kernel[None, None, None])

    def inputs(self, pairs: Tensor) -> Tensor:
        """What the network sees [B, 3, H, W]: luma less its local mean over its deviation, the log of that, the change."""
        luma = pairs[:, :1]
        mean = self._mean(luma)
        deviation = (self._mean(luma * luma) - mean * mean).clamp_min(0).sqrt()
        change = torch.tanh((pairs[:, 1:] - luma) / MOTION_SCALE)
        return torch.cat([(luma - mean) / (deviation + 1), torch.log(deviation + 1) - 1.5, change], dim=1)

    def positions(self, pairs: Tensor) -> Tensor:
        """Features [B, C, h, w] of luma 16..235 float [B, 2, H, W]: each frame and the next."""
        with torch.autocast("cpu", enabled=False):
            seen = self.inputs(pairs).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.body(seen)
        return features

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, C] of luma [B, 2, H, W], a weighted mean over the frame, and the experts' standardised opinions [B, 4]."""
        features = self.positions(pairs)
        weights = functional.softplus(self.weight(features)).float() + LEAST_WEIGHT
        features = features.float()
        pooled = (features * weights).sum(dim=(2, 3)) / weights.sum(dim=(2, 3))
        return pooled, self.experts(pooled)

    def freeze(self) -> DegradationNetwork:
        """Evaluation mode without gradients; returns itself."""
        self.requires_grad_(False)
        return self.eval()


def folded(network: DegradationNetwork) -> DegradationNetwork:
    """A copy for inference with its batch norms folded into the convolutions, equal but for rounding."""
    plain = copy.deepcopy(network).freeze()
    for module in plain.modules():
        for name, part in module.named_children():
            layers = list(part) if isinstance(part, nn.Sequential) else []
            if len(layers) == 2 and isinstance(layers[0], nn.Conv2d) and isinstance(layers[1], nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(layers[0], layers[1]))
    for weights in plain.parameters():
        if weights.dim() == 4:
            weights.data = weights.data.contiguous(memory_format=torch.channels_last)
    return plain


def trained() -> DegradationNetwork:
    """The network with the weights that the package holds."""
    network = DegradationNetwork()
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in GRAPH.weights().items()})
    return network.freeze()
