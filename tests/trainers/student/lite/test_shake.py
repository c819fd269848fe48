import cv2
import numpy as np
import pytest

from trainers.student.lite.shake import FLOOR, shake, shifts

PICTURE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (400, 400)).astype(np.float32), (0, 0), 2)
PICTURE = (PICTURE - PICTURE.min()) * (255 / np.ptp(PICTURE))


def clip(places):
    """Windows of 144 x 176 of the picture, moved to `places` [N, 2] in pixels."""
    return np.stack(
        [np.round(cv2.getRectSubPix(PICTURE, (176, 144), (200 + x, 200 + y))).astype(np.uint8) for x, y in places]
    )


def test_shifts_are_measured_to_half_a_pixel_in_per_cent_of_the_shorter_side():
    found = shifts(clip([(0, 0), (3, -2), (6.5, -2), (6.5, 2)]))
    # the window moves over the picture, so the picture moves the other way
    expected = -np.array([(3, -2), (3.5, 0), (0, 4)]) * (100 / 144)
    np.testing.assert_allclose(found, expected, atol=0.5 * 100 / 144)


def jumps(size):
    return np.random.default_rng(1).uniform(-size, size, (24, 2))


def test_jumps_to_and_fro_count_the_more_the_wider_they_are():
    values = [float(shake(clip(jumps(size)))[0]) for size in (0.7, 2.0, 6.0)]
    assert values[0] > np.log(FLOOR) + 1
    assert values[1] > values[0] + 0.5
    assert values[2] > values[1] + 0.5


@pytest.mark.parametrize(
    "places",
    [
        [(2 * t, t) for t in range(24)],  # a pan
        [(3 * (t // 3 * 3), 0) for t in range(24)],  # with held pictures
        [(20 * np.sin(t / 8), 10 * np.cos(t / 7)) for t in range(24)],  # carried in the hand
        [(0, 0)] * 24,
    ],
)
def test_what_goes_on_in_its_direction_does_not_shake(places):
    assert float(shake(clip(places))[0]) < np.log(FLOOR) + 0.5


def test_stills_short_clips_and_unrelated_frames_do_not_shake():
    random = np.random.default_rng(2).integers(0, 256, (12, 144, 176)).astype(np.uint8)
    for luma in (random[:1], random[:2], random[:, :3, :3], np.zeros((9, 40, 40), np.uint8), random):
        assert shake(luma)[0] == pytest.approx(np.log(FLOOR), abs=0.3)
