import cv2
import numpy as np
import pytest
import skimage.data

from actors.media.views import Sample
from actors.teachers import load_teacher
from actors.teachers.niqe import pristine_model
from trainers.student.lite.features import BLOCKS, Views
from trainers.student.lite.naturalness import FLOOR, MODEL, Naturalness

BLOCK = next(block for block in BLOCKS if block.name == "naturalness")
PICTURES = {"coffee": skimage.data.coffee(), "astronaut": skimage.data.astronaut()}


@pytest.fixture(scope="module")
def model():
    return Naturalness(MODEL.weights())


def test_the_model_of_the_package_is_that_of_the_teacher():
    mean, covariance, _ = pristine_model()
    np.testing.assert_allclose(MODEL.weights()["mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(MODEL.weights()["covariance"], covariance, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("picture", PICTURES)
def test_it_is_the_logarithm_of_what_the_teacher_says_of_key_frames(model, picture):
    frame = PICTURES[picture]
    key = np.stack([np.stack([shown, shown]) for shown in (frame, cv2.GaussianBlur(frame, (0, 0), 2))])
    luma = np.zeros((1, 8, 8), np.uint8)
    said = BLOCK.compute(Views(key, luma, 25.0, naturalness=model))
    teacher = load_teacher("niqe")
    expected = np.mean([np.log(teacher.score_frame(shown) + FLOOR) for shown in key[:, 0]])
    assert said.shape == (BLOCK.size,)
    assert said[0] == pytest.approx(expected, abs=1e-5)
    still = BLOCK.compute(Views(np.stack([key[0], key[0]]), luma, 25.0, naturalness=model))
    assert still[0] == pytest.approx(np.log(teacher.score(Sample(key[:1], luma, 25.0)) + FLOOR), abs=1e-5)


@pytest.mark.parametrize("picture", PICTURES)
def test_degraded_pictures_are_farther_from_natural_ones(model, picture):
    frame = PICTURES[picture]
    blurred = [cv2.GaussianBlur(frame, (0, 0), sigma) for sigma in (1, 2, 4)]
    assert (np.diff([model.log_distance(one) for one in (frame, *blurred)]) > 0).all()
    small = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], cv2.IMREAD_COLOR)
    assert model.log_distance(small) > model.log_distance(frame)


@pytest.mark.parametrize("shape", [(16, 16), (300, 20), (97, 95)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_and_small_frames_have_a_finite_distance(model, shape, level):
    assert np.isfinite(model.log_distance(np.full((*shape, 3), level, np.uint8)))


@pytest.mark.parametrize("name", ["mean", "covariance"])
def test_a_model_that_lacks_something_is_refused(name):
    weights = dict(MODEL.weights())
    with pytest.raises(ValueError, match=f"does not fit: {name}"):
        MODEL.taken({**weights, name: weights[name][:5]})
    del weights[name]
    with pytest.raises(ValueError, match=f"missing or does not fit: {name}"):
        MODEL.taken(weights)
