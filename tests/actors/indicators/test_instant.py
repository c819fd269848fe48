import numpy as np

from actors.indicators.instant import luma
from trainers.scenes import planes


def test_luma_is_that_of_the_teachers():
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(luma(frame), planes.luma(frame))
