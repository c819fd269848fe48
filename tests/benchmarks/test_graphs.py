"""The graphs of the package beside the networks in torch, and their files beside what the script writes."""

import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "encoder"))

import graphs
from efficientnet import EfficientNetLite0, FoldedPyramid, normalise, pretrained
from network import DegradationNetwork, folded, trained

from trainers.student.lite import degradation, pyramid
from trainers.student.lite.degradation import Degradation
from trainers.student.lite.features import BLOCKS, Views
from trainers.student.lite.network import Network

LAYERS = ("stem", *range(len(pyramid.BLOCKS)))


def random_state(network):
    """Weights and batch norms that are random, but neither vanish nor grow from layer to layer."""
    torch.manual_seed(3)
    for name, value in network.state_dict().items():
        if name.endswith(("running_var", "bn0.weight", "bn1.weight", "bn2.weight", "1.weight")):
            value.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", ".bias")):
            value.normal_(0, 0.2)
    return {name: value.numpy() for name, value in network.state_dict().items()}


def picture(height, width, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


@pytest.mark.parametrize("size", [(64, 96), (33, 47), (135, 90), (32, 35)])
def test_the_pyramid_has_the_activations_of_the_network_at_odd_sizes_too(size):
    network = EfficientNetLite0().freeze()
    state = random_state(network)
    image = picture(*size)[None]
    with torch.inference_mode():
        whole = network(normalise(torch.from_numpy(image)), LAYERS)
        folded_too = FoldedPyramid(network, len(pyramid.BLOCKS))(normalise(torch.from_numpy(image)))
    found = Network(pyramid.GRAPH, state)(image)
    assert [layer.shape[1] for layer in found] == list(pyramid.CHANNELS)
    for one, other, third in zip(found, whole, folded_too, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other.numpy()).max() < 1e-4 * np.abs(other.numpy()).max()
        assert np.abs(third.numpy() - other.numpy()).max() < 1e-4 * np.abs(other.numpy()).max()


@pytest.mark.parametrize("size", [(32, 32), (48, 112), (272, 480)])
def test_the_degradation_graph_has_the_features_of_the_network_and_its_weighted_mean(size):
    network = DegradationNetwork()
    state = random_state(network)
    for name, value in network.named_buffers():
        if name == "kernel":
            value.copy_(trained().kernel)
    state["kernel"] = network.kernel.numpy()
    network.freeze()
    graph = Degradation(state)
    luma = picture(*size, 2).transpose(2, 0, 1)
    pair = torch.from_numpy(luma.copy())[None].float() * (219 / 255) + 16
    with torch.inference_mode():
        positions = network.positions(pair)[0].flatten(1).numpy()
        pooled, opinions = (part[0].numpy() for part in network(pair))
        plain = folded(network)(pair)[0][0].numpy()
    found = graph.positions(luma)
    scale = float(np.abs(positions).max())
    assert np.abs(found - positions).max() < 1e-4 * scale
    weights = graph.weights_of(found.astype(np.float64))
    mean = (found * weights).sum(axis=1) / weights.sum()
    np.testing.assert_allclose(mean, pooled, atol=1e-4 * scale)
    np.testing.assert_allclose(plain, pooled, atol=1e-4 * scale)
    assert graph.opinion(mean[None])[0] == pytest.approx(opinions.mean(), rel=1e-4, abs=1e-4 * scale)


def test_the_block_is_what_the_network_was_trained_to_give():
    block = next(one for one in BLOCKS if one.name == "degradation")
    grey = np.repeat(picture(64, 96, 2)[..., None], 3, axis=-1).transpose(2, 0, 1, 3)[None]
    views = Views(grey, np.zeros((1, 8, 8), np.uint8), 0.0, degradation=Degradation(degradation.GRAPH.weights()))
    pair = torch.from_numpy(grey[0, ..., 0].copy())[None].float() * (219 / 255) + 16
    with torch.inference_mode():
        pooled = trained()(pair)[0][0].numpy()
    np.testing.assert_allclose(block.compute(views), pooled, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("graph", [pyramid.GRAPH, degradation.GRAPH], ids=lambda graph: graph.name)
def test_what_the_package_holds_is_small_and_takes_weights_from_nowhere_else(graph):
    folder = resources.files("trainers.student.lite")
    assert folder.joinpath(f"{graph.name}.onnx").stat().st_size < 10_000
    assert folder.joinpath(f"{graph.name}.safetensors").stat().st_size < 3e6
    assert set(graph.taken(graph.weights())) <= set(graph.weights())


def test_the_script_writes_the_files_of_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["graphs.py", str(tmp_path)])
    graphs.main()
    written = sorted(tmp_path.iterdir())
    assert [file.name for file in written] == ["degradation.onnx", "pyramid.onnx", "pyramid.safetensors"]
    for file in written:
        assert file.read_bytes() == resources.files("trainers.student.lite").joinpath(file.name).read_bytes(), file.name


def test_the_imagenet_weights_are_those_of_the_package():
    state = pretrained().state_dict()
    for name, value in pyramid.GRAPH.weights().items():
        np.testing.assert_array_equal(value, state[name].numpy())
