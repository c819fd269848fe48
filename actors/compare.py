"""The trained student at work: compare encoded videos with the anchors or with each other."""

from __future__ import annotations

import numpy as np

from trainers.levels import LEVELS
from trainers.student import load_student

_CHUNK = 4096  # pairs per forward pass


class Comparer:
    """Ray actor: holds one student and answers comparisons of feature vectors.

    All features are float32 ``[..., D]`` of the student's own encoder; logits are in the order inferior to superior and
    judge the second video against the first.
    """

    def __init__(self, student: str, anchors: np.ndarray) -> None:
        """Args: ``student``: folder of the student; ``anchors``: features ``[A, D]``, lowest quality first."""
        self.student = load_student(student)
        self.anchors = np.asarray(anchors, np.float32)

    def against_anchors(self, features: np.ndarray) -> np.ndarray:
        """Logits ``[N, A, 5]`` of each video ``[N, D]`` as the second, each anchor as the first."""
        count, anchors = len(features), len(self.anchors)
        first = np.tile(self.anchors, (count, 1))
        second = np.repeat(features, anchors, axis=0)
        return self.pairs(first, second).reshape(count, anchors, len(LEVELS))

    def pairs(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Logits ``[P, 5]`` of the pairs ``first[i], second[i]``."""
        parts = [
            self.student.compare(first[k : k + _CHUNK], second[k : k + _CHUNK]) for k in range(0, len(first), _CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, 5), np.float32)
