"""What several parity tests share."""

import numpy as np
import pytest

from trainers.student import formula


def _clip(frames, height, width, seed):
    """Formula clip uint8 RGB [frames, height, width, 3]: moving stripes, curved bands, a checkerboard, noise."""

    def triangle(value):
        rest = value % 256
        return 2 * np.where(rest < 128, rest, 255 - rest)

    key = formula._key(seed, "clip")
    y, x, c = np.ogrid[:height, :width, :3]
    out = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        stripes = triangle(3 * x + 2 * y + 5 * t + 40 * c)
        board = 96 * (((x + 4 * t) // 24 + y // 18) % 2)
        noise = (formula._words(key, t * height * width * 3, height * width * 3) & np.uint64(31)).astype(np.int64)
        bands = triangle((x * y) // 32 + 7 * t)
        out[t] = np.minimum(
            255, (stripes * 3 + bands * 2) // 8 + board * (c + 1) // 3 + noise.reshape(height, width, 3)
        )
    return out


@pytest.fixture(scope="session")
def formula_clip():
    """``formula_clip(frames, height, width, seed)``."""
    return _clip
