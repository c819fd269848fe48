import math

import numpy as np
import pytest
import torch

from trainers.student.lite.efficientnet import EfficientNetLite0, channels_of, normalise
from trainers.student.lite.features import DEVIATION_FLOOR, LAYERS, log_deviations


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return EfficientNetLite0().freeze()


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def test_every_order_of_every_layer_is_the_deviation_of_that_order(network, picture):
    layers, orders = ("stem", 2), (2, 8, math.inf)
    found = log_deviations(network, [picture], layers, orders)
    with torch.inference_mode():
        maps = network(normalise(torch.from_numpy(picture)[None]), layers)
    start = 0
    for layer, one in zip(layers, maps, strict=True):
        values = one[0].flatten(1).double().numpy()
        departure = np.abs(values - values.mean(axis=1, keepdims=True))
        part = found[:, start : (start := start + channels_of(layer))]
        for row, order in zip(part, orders, strict=True):
            size = departure.max(axis=1) if math.isinf(order) else (departure**order).mean(axis=1) ** (1 / order)
            np.testing.assert_allclose(row, np.log(size + DEVIATION_FLOOR), rtol=1e-5)
    assert start == found.shape[1]


def test_the_students_own_order_and_layers_are_the_default(network, picture):
    found = log_deviations(network, [picture])
    assert np.array_equal(found, log_deviations(network, [picture], LAYERS, (8,)))
    assert found.shape == (1, sum(channels_of(layer) for layer in LAYERS))


def test_a_higher_order_never_departs_less(network, picture):
    low, high, most = log_deviations(network, [picture], LAYERS, (2, 8, math.inf))
    assert (low <= high + 1e-6).all()
    assert (high <= most + 1e-6).all()
