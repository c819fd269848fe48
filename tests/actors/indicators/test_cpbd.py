import numpy as np

from actors.indicators.cpbd import BETA, JUST_NOTICEABLE, WIDTH_HIGH, cpbd
from actors.indicators.instant import Instant


def ramp(width, size=128):
    """A vertical edge of 200 grey levels that takes `width` pixels, in the middle of the picture."""
    edge = (size - width) / 2
    row = np.rint(np.interp(np.arange(size), [edge, edge + width], [20, 220])).astype(np.uint8)
    return np.repeat(np.tile(row, (size, 1))[..., None], 3, axis=2)


def test_cpbd_counts_the_edges_that_are_wider_than_just_noticeable():
    for width in (2, 4, 6, 8):
        visible = 1 - np.exp(-((width / WIDTH_HIGH) ** BETA)) > JUST_NOTICEABLE
        assert cpbd(Instant(ramp(width), ramp(width))) == (0.0 if visible else 1.0), width
    both = np.concatenate([ramp(2), ramp(8)])
    assert 0.0 < cpbd(Instant(both, both)) < 1.0
