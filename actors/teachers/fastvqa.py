"""FAST-VQA-B with its released weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.teachers.network import Judging, NetworkTeacher


class FastVQATeacher(NetworkTeacher):
    """Four clips of 32 consecutive frames in fragments, as the released script for one video takes them."""

    name = "fastvqa"
    title = "FAST-VQA: fragments through a video Swin transformer"
    description = "Swin-T with gated position bias on 4 fragment clips, trained on LSVQ (Wu et al., ECCV 2022)"
    range = (0.0, 1.0)
    higher_is_better = True
    licence = "MIT"
    parameters = 28_127_901
    files = ("FAST_VQA_B_1_4.pth",)
    weights = "FAST_VQA_B_1_4.pth of release v2.0.0 of TimothyHTimothy/FAST-VQA on GitHub"
    views = ("fastvqa_fragments",)

    def load(self) -> Any:
        """The network."""
        from actors.networks.fastvqa import FastVQA
        from actors.networks.weights import load

        return load(FastVQA, self.first, "FAST-VQA").to(self.device)

    def judge(self, views: dict[str, NDArray[np.uint8]]) -> Judging:
        """Published score."""
        from actors.networks.fastvqa import published
        from actors.networks.inputs import IMAGENET, clips_of

        maps = yield self.network, clips_of(views["fastvqa_fragments"], IMAGENET, self.device)
        return published(maps.mean().item())
