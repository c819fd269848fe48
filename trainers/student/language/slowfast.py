"""The fast pathway of SlowFast R50 (Feichtenhofer et al. 2019): 256 numbers of 32 consecutive frames.

Lateral connections run from the fast pathway to the slow one only, so the fast pathway is computed alone; the slow one holds
98.5 % of the parameters. Parameter names are those of the Kinetics-400 checkpoint ``slowfast_r50`` of the PyTorchVideo hub.
Used by the student's motion branch and by MinimalisticVQA's Model IX.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

CLIP_FRAMES = 32
MEAN, DEVIATION = 0.45, 0.225  # of every colour, values 0..1
FEATURE = 256
STAGES = ((3, 8, 32), (4, 16, 64), (6, 32, 128), (3, 64, 256))  # blocks, width inside, channels out


class Stem(nn.Module):
    """Convolution 5x7x7, batch normalisation, ReLU, maximum of 3x3."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 8, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False)
        self.norm = nn.BatchNorm3d(8)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, clips: Tensor) -> Tensor:
        """``[B, 3, T, H, W]`` to ``[B, 8, T, H / 4, W / 4]``."""
        return torch.as_tensor(self.pool(self.norm(self.conv(clips)).relu()))


class Bottleneck(nn.Module):
    """Convolutions 3x1x1, 1x3x3 and 1x1x1, each with batch normalisation."""

    def __init__(self, given: int, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv_a = nn.Conv3d(given, inside, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.norm_a = nn.BatchNorm3d(inside)
        self.conv_b = nn.Conv3d(inside, inside, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
        self.norm_b = nn.BatchNorm3d(inside)
        self.conv_c = nn.Conv3d(inside, out, 1, bias=False)
        self.norm_c = nn.BatchNorm3d(out)

    def forward(self, maps: Tensor) -> Tensor:
        """``[B, given, T, H, W]`` to ``[B, out, T, H / stride, W / stride]``."""
        maps = self.norm_a(self.conv_a(maps)).relu()
        maps = self.norm_b(self.conv_b(maps)).relu()
        return torch.as_tensor(self.norm_c(self.conv_c(maps)))


class Residual(nn.Module):
    """A bottleneck beside the identity, or beside a projection where the shape changes."""

    def __init__(self, given: int, inside: int, out: int, stride: int) -> None:
        super().__init__()
        if given != out:
            self.branch1_conv = nn.Conv3d(given, out, 1, (1, stride, stride), bias=False)
            self.branch1_norm = nn.BatchNorm3d(out)
        self.branch2 = Bottleneck(given, inside, out, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """``[B, given, T, H, W]`` to ``[B, out, T, H / stride, W / stride]``."""
        aside = self.branch1_norm(self.branch1_conv(maps)) if hasattr(self, "branch1_conv") else maps
        return torch.as_tensor((aside + self.branch2(maps)).relu())


class Stage(nn.Module):
    """Residual blocks at one resolution."""

    def __init__(self, given: int, blocks: int, inside: int, out: int, stride: int) -> None:
        super().__init__()
        first = Residual(given, inside, out, stride)
        self.res_blocks = nn.Sequential(first, *(Residual(out, inside, out, 1) for _ in range(blocks - 1)))

    def forward(self, maps: Tensor) -> Tensor:
        """``[B, given, T, H, W]`` to ``[B, out, T, H / stride, W / stride]``."""
        return torch.as_tensor(self.res_blocks(maps))


class _FastOnly(nn.Module):
    """Holds the fast part of one block under the name that the checkpoint gives it."""

    def __init__(self, fast: nn.Module) -> None:
        super().__init__()
        self.multipathway_blocks = nn.ModuleDict({"1": fast})

    def forward(self, maps: Tensor) -> Tensor:
        return torch.as_tensor(self.multipathway_blocks["1"](maps))


class FastPathway(nn.Module):
    """Blocks 0-4 of the fast pathway, then the mean over time and space. 514,152 parameters, frozen, in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [Stem()]
        given = 8
        for number, (blocks, inside, out) in enumerate(STAGES):
            parts.append(Stage(given, blocks, inside, out, stride=2 if number else 1))
            given = out
        self.blocks = nn.Sequential(*(_FastOnly(part) for part in parts))
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> FastPathway:  # noqa: ARG002 - frozen: its batch statistics never change
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, clips: Tensor) -> Tensor:
        """Features ``[B, 256]`` of normalised clips ``[B, 3, 32, 224, 224]``; not negative, since they come after a ReLU."""
        return torch.as_tensor(self.blocks(clips).mean(dim=(2, 3, 4)))


def normalise_clip(frames: np.ndarray) -> Tensor:
    """Frames uint8 RGB [N, 224, 224, 3] as float32 [3, N, 224, 224]: /255, mean 0.45, deviation 0.225."""
    values = torch.tensor(frames).permute(3, 0, 1, 2).float() / 255
    return (values - MEAN) / DEVIATION


def fast_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of the fast pathway, by the names of `FastPathway`.

    Args:
        state: The released ``blocks.N...``, or the same within the wrapper of MinimalisticVQA, which calls them
            ``feature_extraction.N...``.
    """
    renamed = {re.sub(r"^feature_extraction\.(?=\d)", "blocks.", name): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in renamed.items() if ".multipathway_blocks.1." in name}


def load_fast_pathway(state: Mapping[str, Tensor], where: str) -> FastPathway:
    """The network with the fast-pathway tensors of a released state dict (any other of its tensors is ignored).

    Raises ValueError if one is missing or has another shape.
    """
    network = FastPathway()
    part, wanted = fast_part(state), network.state_dict()
    missing = [name for name in wanted if name not in part]
    if missing:
        raise ValueError(
            f"{where} holds no SlowFast R50 fast pathway: {len(missing)} of {len(wanted)} tensors are missing, such as "
            f"{missing[0]}; name the hub's SLOWFAST_8x8_R50 file or the authors' student"
        )
    try:
        network.load_state_dict({name: part[name] for name in wanted})
    except RuntimeError as error:
        raise ValueError(f"{where} holds another SlowFast: {str(error).splitlines()[-1].strip()}") from error
    return network
