"""DOVER with its released weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.teachers.network import Judging, NetworkTeacher


class DoverTeacher(NetworkTeacher):
    """Three fragment clips for the technical view, 32 whole frames for the aesthetic one; the fused score."""

    name = "dover"
    title = "DOVER: technical and aesthetic view"
    description = "Swin-T on fragments and ConvNeXt-T on whole frames, fused (Wu et al., ICCV 2023)"
    range = (0.0, 1.0)
    higher_is_better = True
    licence = "S-Lab License 1.0: NON-COMMERCIAL use only"
    non_commercial = True
    parameters = 56_218_302
    files = ("DOVER.pth",)
    weights = "DOVER.pth of release v0.1.0 of QualityAssessment/DOVER on GitHub"
    views = ("dover_fragments", "dover_whole")

    def load(self) -> Any:
        """The network."""
        from actors.networks.dover import Dover
        from actors.networks.weights import load

        return load(Dover, self.first, "DOVER").to(self.device)

    def judge(self, views: dict[str, NDArray[np.uint8]]) -> Judging:
        """Published fused score."""
        from actors.networks.dover import published
        from actors.networks.inputs import IMAGENET, clips_of

        technical = yield self.network.technical, clips_of(views["dover_fragments"], IMAGENET, self.device)
        aesthetic = yield self.network.aesthetic, clips_of(views["dover_whole"], IMAGENET, self.device)
        return published(technical.mean().item(), aesthetic.mean().item())
