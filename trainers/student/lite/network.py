"""The frozen networks of the encoder: graphs of this package, run by ONNX Runtime, with weights from safetensors.

A graph (`*.onnx`, written by `benchmarks/encoder/graphs.py`) says what is computed and holds no weights. These come from the
package or from a student's folder, as they were trained; batch norms are folded into the convolutions when a network is loaded.
ONNX Runtime takes a fourteenth of the time of torch to import, and a fifth less to compute the degradation network.

One thread computes each network: convolutions of small pictures would add up in another order with each number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from safetensors.numpy import load

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Convolution:
    """A convolution of a graph: its name, its batch norm's, and the epsilon of that."""

    name: str
    norm: str
    epsilon: float


@dataclass(frozen=True)
class Graph:
    """A frozen network.

    Attributes:
        name: Of its files in this package: `NAME.onnx` and `NAME.safetensors`.
        convolutions: All of its convolutions.
        constants: Further weights that the graph takes as they are.
        others: Weights that are used outside the graph.
        unshuffled: The convolution behind a rearrangement of 2x2 pixels into channels. torch puts the pixels of an input channel
            beside each other, ONNX the input channels of a pixel, so that its weights are put in another order.
    """

    name: str
    convolutions: tuple[Convolution, ...]
    constants: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    unshuffled: str = ""

    def weights(self) -> Weights:
        """The weights that the package holds."""
        return load(resources.files(__package__).joinpath(f"{self.name}.safetensors").read_bytes())

    def taken(self, weights: Weights) -> Weights:
        """Those of some weights that belong to the network.

        Raises:
            ValueError: One is missing.
        """
        norms = ("weight", "bias", "running_mean", "running_var")
        names = [f"{part.name}.weight" for part in self.convolutions]
        names += [f"{part.norm}.{kind}" for part in self.convolutions for kind in norms]
        names += [*self.constants, *self.others]
        lacking = sorted(set(names) - set(weights))
        if lacking:
            raise ValueError(f"weights of the {self.name} network are missing: {', '.join(lacking[:3])}")
        return {name: weights[name] for name in names}

    def initializers(self, weights: Weights) -> dict[str, NDArray[np.float32]]:
        """What the graph takes, by its names."""
        found = {name: np.asarray(weights[name], np.float32) for name in self.constants}
        for part in self.convolutions:
            kernel, bias = folded(weights, part)
            if part.name == self.unshuffled:
                outputs, inputs, *size = kernel.shape
                kernel = kernel.reshape(outputs, inputs // 4, 4, *size).swapaxes(1, 2).reshape(kernel.shape)
            found[f"{part.name}.weight"] = np.ascontiguousarray(kernel)
            found[f"{part.name}.bias"] = bias
        return found


def folded(weights: Weights, part: Convolution) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel [O, I, h, w] and bias [O] of a convolution with its batch norm (Ioffe and Szegedy 2015) folded in."""
    norm = {kind: weights[f"{part.norm}.{kind}"].astype(np.float64) for kind in ("weight", "bias")}
    mean, variance = (weights[f"{part.norm}.running_{kind}"].astype(np.float64) for kind in ("mean", "var"))
    scale = norm["weight"] / np.sqrt(variance + part.epsilon)
    kernel = weights[f"{part.name}.weight"] * scale[:, None, None, None]
    return kernel.astype(np.float32), (norm["bias"] - mean * scale).astype(np.float32)


class Network:
    """A graph with weights.

    Args:
        graph: The graph.
        weights: As they were trained; those of the graph are taken of them.

    Raises:
        ValueError: A weight is missing or does not fit.
    """

    def __init__(self, graph: Graph, weights: Weights) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3  # errors: what is wrong comes as an exception
        # the session computes with these arrays, so they live as long as it
        self._held = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(value)
            for name, value in graph.initializers(graph.taken(weights)).items()
        }
        options.add_external_initializers(list(self._held), list(self._held.values()))
        program = resources.files(__package__).joinpath(f"{graph.name}.onnx").read_bytes()
        try:
            self._session = onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise ValueError(f"weights of the {graph.name} network do not fit: {line}") from error
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """All outputs of the graph for its one input."""
        found: list[NDArray[np.float32]] = self._session.run(None, {self._input: np.ascontiguousarray(pictures)})
        return found
