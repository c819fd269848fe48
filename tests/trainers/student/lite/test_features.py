"""Features of the lite student: the folded network, and the statistics of its activations."""

import numpy as np
import pytest
import torch

from trainers.student.lite.efficientnet import EfficientNetLite0, FoldedPyramid, normalise
from trainers.student.lite.features import BLOCKS, DEPTH, DEVIATION_FLOOR, LAYERS, ORDER, Views, log_deviations


@pytest.fixture(scope="module")
def network():
    """A network whose weights and batch norms are random, but neither vanish nor grow from layer to layer."""
    torch.manual_seed(3)
    made = EfficientNetLite0()
    for name, value in made.state_dict().items():
        if name.endswith(("running_var", "bn0.weight", "bn1.weight", "bn2.weight")):
            value.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", ".bias")):
            value.normal_(0, 0.2)
    return made.freeze()


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(64, 96), (33, 47), (135, 90), (32, 35)])
def test_the_folded_network_has_the_activations_of_the_network_at_odd_sizes_too(network, size):
    images = normalise(torch.from_numpy(picture(*size))[None])
    with torch.inference_mode():
        folded, whole = FoldedPyramid(network, DEPTH)(images), network(images, LAYERS)
    assert len(folded) == len(whole) == len(LAYERS)
    for one, other in zip(folded, whole, strict=True):
        assert one.shape == other.shape
        assert float((one - other).abs().max()) < 1e-4 * float(other.abs().max())


def test_deviations_are_the_eighth_moments_in_double_precision_over_all_pictures(network):
    pyramid = FoldedPyramid(network, DEPTH)
    images = [picture(40, 64, 1), picture(64, 33, 2) // 4]
    expected = []
    with torch.inference_mode():
        maps = [pyramid(normalise(torch.from_numpy(image)[None])) for image in images]
    for layer in zip(*maps, strict=True):
        flat = torch.cat([activation[0].flatten(1) for activation in layer], dim=1).double().numpy()
        moment = np.mean((flat - flat.mean(axis=1, keepdims=True)) ** ORDER, axis=1)
        expected.append(np.log(moment ** (1 / ORDER) + DEVIATION_FLOOR))
    np.testing.assert_allclose(log_deviations(pyramid, images), np.concatenate(expected), atol=2e-6)


def test_a_repeated_picture_counts_once_with_the_same_features_and_a_different_one_counts_too(network):
    pyramid, luma = FoldedPyramid(network, DEPTH), np.zeros((1, 32, 32), np.uint8)
    half = next(block for block in BLOCKS if block.name == "half")

    def features(*pictures):
        key = np.stack([np.stack([shown, shown]) for shown in pictures])
        return half.compute(Views(key, luma, 0.0, pyramid))

    one, other = picture(80, 80, 4), picture(80, 80, 5) // 3
    np.testing.assert_array_equal(features(one, one), features(one))
    assert np.abs(features(one, other) - features(one)).max() > 0.01
