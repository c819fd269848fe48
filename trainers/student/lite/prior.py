"""What the degradation network says of two videos of any contents, as pairs: so that contents stay on one scale.

Copies of one content say nothing of where another content lies, and the teachers' pairs say it badly. The network was trained to
rank pictures across contents, and its experts' opinions need no label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainers.student.base import OwnPairs

NEAR = 0.25  # of the experts' standardised opinions: nearer pairs are left out
FAR = 0.8  # from here on a pair is superior or inferior
SHARE = 0.4  # own pairs for each pair that is given


def prior_pairs(opinion: NDArray[np.floating], count: int, weight: float, seed: int) -> OwnPairs:
    """At most `count` pairs of the videos with the opinions [V], drawn at random, as far as they are apart.

    Returns:
        Places 0..V - 1 of both videos, levels 0..4 of the second against the first, and their weight.
    """
    first, second = np.random.default_rng(seed).integers(len(opinion), size=(2, 4 * count))
    gap = opinion[second] - opinion[first]
    apart = np.flatnonzero(np.abs(gap) >= NEAR)[:count]
    size = np.where(np.abs(gap) >= FAR, 2, 1)
    label = 2 + np.sign(gap).astype(np.int64) * size
    return OwnPairs(first[apart], second[apart], label[apart], np.full(len(apart), weight))
