import numpy as np
import pytest

from trainers.scenes.nss import fit_aggd, sums


def plain_moments(values):
    """Root mean squares of the negative and of the other values, and the mean magnitude, in double precision."""
    values = np.asarray(values, np.float64).ravel()
    negative, other = values[values < 0], values[values >= 0]
    spread = [np.sqrt(np.square(part).mean()) if len(part) else 0.0 for part in (negative, other)]
    return *spread, np.abs(values).mean()


@pytest.mark.parametrize(("size", "rows", "columns"), [(96, 2, 3), (48, 3, 2), (7, 1, 1)])
def test_the_fit_of_a_block_has_the_moments_that_a_plain_sum_gives(size, rows, columns):
    random = np.random.default_rng(size)
    plane = random.laplace(0.1, 1.0, (rows * size, columns * size)).astype(np.float32)
    plane[:size, :size] = np.abs(plane[:size, :size])  # nothing below zero
    blocks = plane.reshape(rows, size, columns, size)
    fit = fit_aggd(blocks, (1, 3))
    assert fit.alpha.shape == (rows, columns)
    for row in range(rows):
        for column in range(columns):
            left, right, magnitude = plain_moments(blocks[row, :, column])
            assert fit.left[row, column] == pytest.approx(left, rel=1e-6, abs=1e-12)
            assert fit.right[row, column] == pytest.approx(right, rel=1e-6)
            alone = fit_aggd(blocks[row, :, column], (0, 1))
            assert float(alone.alpha) == pytest.approx(fit.alpha[row, column], rel=1e-6)
            assert magnitude == pytest.approx(sums(np.abs(blocks[row, :, column]), (0, 1)) / size**2, rel=1e-6)


def test_the_fit_does_not_depend_on_how_a_block_lies_in_memory():
    wide = np.random.default_rng(3).normal(size=(40, 64)).astype(np.float32)
    view = wide[3:35, 5:53]
    assert not view.flags.c_contiguous
    for one, other in zip(fit_aggd(view, (0, 1)), fit_aggd(view.copy(), (0, 1)), strict=True):
        assert float(one) == pytest.approx(float(other), rel=1e-6)


def test_long_lines_lose_next_to_nothing():
    line = np.random.default_rng(4).random((1, 4096)).astype(np.float32) + 100
    assert sums(line, (0, 1)) == pytest.approx(line.sum(dtype=np.float64), rel=1e-6)
