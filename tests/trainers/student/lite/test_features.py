"""Features of the lite student: the statistics of the network's activations."""

import numpy as np
import pytest

from trainers.student.lite.features import BLOCKS, DEVIATION_FLOOR, ORDER, Views, log_deviations, padded
from trainers.student.lite.network import Network
from trainers.student.lite.pyramid import CHANNELS, GRAPH


@pytest.fixture(scope="module")
def pyramid():
    return Network(GRAPH, GRAPH.weights())


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_deviations_are_the_eighth_moments_in_double_precision_over_all_pictures(pyramid):
    images = [picture(40, 64, 1), picture(64, 33, 2) // 4]
    expected = []
    for layer in zip(*(pyramid(padded(image)[None]) for image in images), strict=True):
        flat = np.concatenate([activation[0].reshape(activation.shape[1], -1) for activation in layer], axis=1)
        flat = flat.astype(np.float64)
        moment = np.mean((flat - flat.mean(axis=1, keepdims=True)) ** ORDER, axis=1)
        expected.append(np.log(moment ** (1 / ORDER) + DEVIATION_FLOOR))
    found = log_deviations(pyramid, images)
    assert found.shape == (sum(CHANNELS),)
    np.testing.assert_allclose(found, np.concatenate(expected), atol=2e-6)


def test_a_repeated_picture_counts_once_with_the_same_features_and_a_different_one_counts_too(pyramid):
    luma = np.zeros((1, 32, 32), np.uint8)
    half = next(block for block in BLOCKS if block.name == "half")

    def features(*pictures):
        key = np.stack([np.stack([shown, shown]) for shown in pictures])
        return half.compute(Views(key, luma, 0.0, pyramid))

    one, other = picture(80, 80, 4), picture(80, 80, 5) // 3
    np.testing.assert_array_equal(features(one, one), features(one))
    assert np.abs(features(one, other) - features(one)).max() > 0.01
