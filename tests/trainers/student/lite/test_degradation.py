from importlib import resources

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from trainers.student.lite.degradation import WEIGHTS, DegradationNetwork, folded, trained
from trainers.student.lite.features import BLOCKS, Views

BLOCK = next(block for block in BLOCKS if block.name == "degradation")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return trained()


def opinion(network, frame, after=None):
    """Mean opinion of the experts of a grey frame uint8 [H, W] and the one after it."""
    pair = np.stack([frame, frame if after is None else after]).astype(np.float32) * (219 / 255) + 16
    with torch.inference_mode():
        return float(network(torch.from_numpy(pair)[None])[1].mean())


PICTURES = {"camera": skimage.data.camera()[:256, 100:484], "coins": skimage.data.coins()[:288, :384]}


def noisy(picture, strength):
    random = np.random.default_rng(0).normal(0, strength, picture.shape)
    return np.clip(picture + random, 0, 255).astype(np.uint8)


def small(picture, factor):
    height, width = picture.shape
    shrunk = cv2.resize(picture, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg(picture, quality):
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize(
    ("worse", "levels"),
    [
        (lambda p, sigma: cv2.GaussianBlur(p, (0, 0), sigma), (1, 2, 4)),
        (noisy, (6, 15, 35)),
        (small, (2, 4, 8)),
        (jpeg, (50, 20, 6)),  # a kind that it was not trained on
    ],
)
def test_a_stronger_degradation_is_seen_as_worse(network, picture, worse, levels):
    frame = PICTURES[picture]
    opinions = [opinion(network, frame), *(opinion(network, worse(frame, level)) for level in levels)]
    assert (np.diff(opinions) < 0).all(), opinions


def test_two_contents_are_closer_than_a_picture_and_its_degraded_copy(network):
    clean = {name: opinion(network, frame) for name, frame in PICTURES.items()}
    gap = abs(clean["camera"] - clean["coins"])
    for name, frame in PICTURES.items():
        assert clean[name] - opinion(network, cv2.GaussianBlur(frame, (0, 0), 4)) > gap


def test_the_block_is_the_weighted_mean_over_all_tiles_of_all_key_frames(network):
    random = np.random.default_rng(3)
    key = random.integers(0, 256, (2, 2, 300, 500, 3), np.uint8)
    views = Views(key, np.zeros((1, 8, 8), np.uint8), 0.0, degradation=network)
    whole = BLOCK.compute(views)
    assert whole.shape == (BLOCK.size,)
    first, second = (BLOCK.compute(Views(key[[k]], views.luma, 0.0, degradation=network)) for k in (0, 1))
    assert (np.minimum(first, second) - 1e-5 <= whole).all()
    assert (whole <= np.maximum(first, second) + 1e-5).all()
    # what was trained: the same mean, in single precision
    small = np.ascontiguousarray(key[:1, :, :64, :96])
    pair = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small[0]]).astype(np.float32)
    with torch.inference_mode():
        pooled = network(torch.from_numpy(pair * (219 / 255) + 16).float()[None])[0][0].numpy()
    np.testing.assert_allclose(
        BLOCK.compute(Views(small, views.luma, 0.0, degradation=network)), pooled, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(BLOCK.compute(Views(key[[0, 0]], views.luma, 0.0, degradation=network)), first)


@pytest.mark.parametrize("size", [(32, 32), (17, 90), (121, 75)])
def test_any_size_gives_finite_features(network, size):
    key = np.random.default_rng(4).integers(0, 256, (1, 2, *size, 3), np.uint8)
    assert np.isfinite(BLOCK.compute(Views(key, np.zeros((1, 8, 8), np.uint8), 0.0, degradation=network))).all()


def test_the_weights_are_small_and_fit_the_network_to_the_last_name():
    size = resources.files("trainers.student.lite").joinpath(WEIGHTS).stat().st_size
    assert size < 20e6
    fresh = DegradationNetwork()
    assert {name: value.shape for name, value in trained().state_dict().items()} == {
        name: value.shape for name, value in fresh.state_dict().items()
    }


def test_folded_norms_change_nothing_but_rounding(network):
    pair = torch.from_numpy(np.stack([PICTURES["camera"], PICTURES["camera"][::-1]]).astype(np.float32))[None]
    with torch.inference_mode():
        one, other = network(pair), folded(network)(pair)
    for whole, plain in zip(one, other, strict=True):
        torch.testing.assert_close(whole, plain, rtol=1e-4, atol=1e-4)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in folded(network).modules())
    assert any(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules())


@pytest.mark.parametrize("size", [(240, 320), (96, 128), (33, 77)])
def test_the_features_do_not_depend_on_the_number_of_threads(network, size):
    key = np.random.default_rng(5).integers(0, 256, (1, 2, *size, 3), np.uint8)
    views = Views(key, np.zeros((1, 8, 8), np.uint8), 0.0, degradation=folded(network))
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(BLOCK.compute(views).tobytes())
    finally:
        torch.set_num_threads(threads)
    assert len(set(found)) == 1
