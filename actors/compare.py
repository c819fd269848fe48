"""Compare encoded videos with the anchors or with each other by a trained student."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainers.student.table import load_judge
from trainers.videos import Vectors


class Comparer:
    """Ray actor: holds one student and compares encoded videos.

    All features are float32 `[..., D]` of the student's own encoder: a matrix or, if they are large, places on the disk
    that are opened a few at a time. Logits run from inferior to superior and judge the second video against the first.

    Args:
        student: Folder of the student.
        anchors: Features `[A, D]`, lowest quality first.
    """

    def __init__(self, student: str, anchors: np.ndarray) -> None:
        self.student = load_judge(student)
        self.anchors = np.asarray(anchors, np.float32)

    def against_anchors(self, features: Vectors) -> np.ndarray:
        """Logits `[N, A, 5]` of each video `[N, D]` as the second, each anchor as the first."""
        return self.student.against_anchors(self.anchors, features)

    def pairs(self, first: Vectors, second: Vectors) -> np.ndarray:
        """Logits `[P, 5]` of the pairs `first[i], second[i]`."""
        return self.student.compare_all(first, second)

    def among(self, some: Sequence[tuple[np.ndarray, Sequence[tuple[int, int]]]]) -> list[np.ndarray]:
        """Logits of several sets: features `[A, D]` and pairs of them, by their places. The student is loaded once."""
        return [self.pairs(*(features[[pair[k] for pair in pairs]] for k in (0, 1))) for features, pairs in some]
