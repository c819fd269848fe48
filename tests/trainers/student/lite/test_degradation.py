import cv2
import numpy as np
import pytest
import skimage.data

from trainers.student.lite.degradation import GRAPH, Degradation
from trainers.student.lite.features import BLOCKS, Views

BLOCK = next(block for block in BLOCKS if block.name == "degradation")


@pytest.fixture(scope="module")
def network():
    return Degradation(GRAPH.weights())


def opinion(network, frame):
    """Mean opinion of the experts of a grey frame uint8 [H, W] that stays."""
    key = np.broadcast_to(frame[..., None], (1, 2, *frame.shape, 3))
    return float(network.opinion(BLOCK.compute(Views(key, frame[None], 0.0, degradation=network))[None])[0])


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
    np.testing.assert_array_equal(BLOCK.compute(Views(key[[0, 0]], views.luma, 0.0, degradation=network)), first)


@pytest.mark.parametrize("size", [(32, 32), (17, 90), (121, 75)])
def test_any_size_gives_finite_features(network, size):
    key = np.random.default_rng(4).integers(0, 256, (1, 2, *size, 3), np.uint8)
    assert np.isfinite(BLOCK.compute(Views(key, np.zeros((1, 8, 8), np.uint8), 0.0, degradation=network))).all()
