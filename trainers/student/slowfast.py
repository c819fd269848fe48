"""The fast pathway of SlowFast R50 4x16 (Feichtenhofer et al. 2019): 256 numbers of 32 consecutive frames.

Lateral connections run from the fast pathway to the slow one only, so the fast pathway is computed alone. Parameter names
are those of the Kinetics-400 checkpoint `slowfast_r50` of the PyTorchVideo hub without the part
`multipathway_blocks.1.`; `load_fast_pathway` reads that file and the copy inside the released student.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

CLIP_FRAMES = 32
SIDE = 224
MEAN, DEVIATION = 0.45, 0.225
FEATURE = 256
STAGES = ((3, 8, 32), (4, 16, 64), (6, 32, 128), (3, 64, 256))  # blocks, inner and outer channels


class _Branch(nn.Module):
    """Bottleneck: 3x1x1 over time, 1x3x3 over space (strided), 1x1x1."""

    def __init__(self, width: int, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv_a = nn.Conv3d(width, inner, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.norm_a = nn.BatchNorm3d(inner)
        self.conv_b = nn.Conv3d(inner, inner, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
        self.norm_b = nn.BatchNorm3d(inner)
        self.conv_c = nn.Conv3d(inner, outer, 1, bias=False)
        self.norm_c = nn.BatchNorm3d(outer)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm_a(self.conv_a(x)))
        x = torch.relu(self.norm_b(self.conv_b(x)))
        y: Tensor = self.norm_c(self.conv_c(x))
        return y


class _Block(nn.Module):
    def __init__(self, width: int, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        if width != outer or stride != 1:
            self.branch1_conv: nn.Module = nn.Conv3d(width, outer, 1, (1, stride, stride), bias=False)
            self.branch1_norm: nn.Module = nn.BatchNorm3d(outer)
        else:
            self.branch1_conv = self.branch1_norm = nn.Identity()
        self.branch2 = _Branch(width, inner, outer, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch1_norm(self.branch1_conv(x)) + self.branch2(x))


class _Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 8, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False)
        self.norm = nn.BatchNorm3d(8)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pool(torch.relu(self.norm(self.conv(x))))
        return y


class _Stage(nn.Module):
    def __init__(self, width: int, depth: int, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.res_blocks = nn.Sequential(
            *(_Block(width if k == 0 else outer, inner, outer, stride if k == 0 else 1) for k in range(depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.res_blocks(x)
        return y


class FastPathway(nn.Module):
    """Blocks 0-4 of the fast pathway, then the mean over time and space. 514,152 parameters, frozen, in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        widths = [8, *(outer for _, _, outer in STAGES)]
        stages = [
            _Stage(widths[k], depth, inner, outer, stride=1 if k == 0 else 2)
            for k, (depth, inner, outer) in enumerate(STAGES)
        ]
        self.blocks = nn.ModuleList([_Stem(), *stages])
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> FastPathway:  # noqa: ARG002 - frozen: its batch statistics never change
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, clips: Tensor) -> Tensor:
        """Features [B, 256] of normalised clips [B, 3, 32, 224, 224]; not negative, since they come after a ReLU."""
        for block in self.blocks:
            clips = block(clips)
        return clips.mean(dim=(2, 3, 4))


def resize_frame(frame: np.ndarray) -> np.ndarray:
    """A frame uint8 RGB [H, W, 3] at 224x224 by Pillow's bilinear filter."""
    if frame.shape[:2] == (SIDE, SIDE):
        return frame
    return np.asarray(Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def normalise_clip(frames: np.ndarray) -> Tensor:
    """Frames uint8 RGB [N, H, W, 3] as float32 [3, N, 224, 224]: resized, /255, mean 0.45, deviation 0.225."""
    values = torch.from_numpy(np.stack([resize_frame(frame) for frame in frames])).permute(3, 0, 1, 2).float() / 255
    return (values - MEAN) / DEVIATION


def hub_name(key: str) -> str:
    """The hub checkpoint's name of a key of `FastPathway`: `blocks.1.res_blocks...` is `blocks.1.multipathway_blocks.1...`."""
    head, number, rest = key.split(".", 2)
    return f"{head}.{number}.multipathway_blocks.1.{rest}"


def load_fast_pathway(state: Mapping[str, Tensor], where: str) -> FastPathway:
    """The network with the fast-pathway tensors of a hub checkpoint (any other of its tensors is ignored).

    Raises ValueError if one is missing or has another shape.
    """
    network = FastPathway()
    wanted = {key: hub_name(key) for key in network.state_dict()}
    missing = [name for name in wanted.values() if name not in state]
    if missing:
        raise ValueError(
            f"{where} holds no SlowFast R50 fast pathway: {len(missing)} of {len(wanted)} tensors are missing, such as "
            f"{missing[0]}; name the hub's SLOWFAST_8x8_R50 file or the authors' student"
        )
    try:
        network.load_state_dict({key: state[name] for key, name in wanted.items()})
    except RuntimeError as error:
        raise ValueError(f"{where} holds another SlowFast: {str(error).splitlines()[-1].strip()}") from error
    return network
