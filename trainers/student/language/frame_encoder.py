"""The frozen part of a language-model student: what is computed once per video, without the billions that learn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from trainers.student.contract import NO_VIEWS
from trainers.student.language.options import LanguageOptions
from trainers.student.language.packing import FEATURE, pack
from trainers.student.table import QWEN3_VL, StudentRow


class FrameEncoder:
    """Frames of 384x384 as they are, and no motion."""

    row: ClassVar[StudentRow] = QWEN3_VL

    def __init__(self, options: LanguageOptions) -> None:
        self.options = options

    def encode(
        self,
        key: np.ndarray,  # noqa: ARG002 - it takes its own views
        luma: np.ndarray,  # noqa: ARG002
        fps: float,  # noqa: ARG002
        views: Mapping[str, np.ndarray] = NO_VIEWS,
    ) -> np.ndarray:
        """Frames and motion vectors as one vector (`packing.pack`), its length given by the video's.

        Args:
            key, luma, fps: Not used.
            views: Those of its row in the table; "student_frames" is uint8 [T, 384, 384, 3].

        Raises:
            ValueError: A view is missing.
        """
        if missing := [name for name in self.row.views if name not in views]:
            raise ValueError(f"the video was decoded for another student: it has no view {missing[0]}")
        return pack(views["student_frames"], self.vectors(views))

    def vectors(self, views: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: ARG002 - there is no motion branch
        """Motion vectors float32 [M, 256]: one of zeros."""
        return np.zeros((1, FEATURE))

    def digest(self) -> str:
        """16 hexadecimal digits over the version of the features, which no weights decide."""
        return hashlib.sha256(json.dumps([self.row.name, self.row.version]).encode()).hexdigest()[:16]
