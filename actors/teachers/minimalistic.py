"""MinimalisticVQA, Models VII and IX, with their released weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.teachers.network import Judging, NetworkTeacher, distinct


class _Minimalistic(NetworkTeacher):
    """The common part of both models: the mean quality of the middle frame of each second.

    If the released scaling file is beside the weights, the score is on the MOS scale of LSVQ; otherwise it is raw.
    """

    range = (-math.inf, math.inf)
    higher_is_better = True
    licence = "Apache-2.0"

    def mean_quality(self, qualities: NDArray[np.float64]) -> float:
        """Published score from the qualities of all frames `[n]`."""
        from actors.networks.minimalistic import published, read_scaling

        raw, scaling = float(qualities.mean()), self.path(self.optional[0])
        return published(raw, read_scaling(scaling)) if scaling.is_file() else raw


class ModelVII(_Minimalistic):
    """Key frames through Swin-B."""

    name = "minimalistic_vii"
    title = "MinimalisticVQA VII: a key frame per second"
    description = "Swin-B on key frames, trained on LSVQ (Sun et al., TPAMI 2024)"
    parameters = 86_874_553
    files = ("MinimalisticVQA_Model_VII_LSVQ.pth",)
    optional = ("LSVQ_Model_VII.npy",)
    weights = "MinimalisticVQA_Model_VII_LSVQ.pth, linked from sunwei925/MinimalisticVQA on GitHub"
    views = ("key_frames",)

    def load(self) -> Any:
        """The network."""
        from actors.networks.minimalistic import MinimalisticVQA
        from actors.networks.weights import load

        return load(lambda: MinimalisticVQA(motion=False), self.first, "MinimalisticVQA Model VII").to(self.device)

    def judge(self, views: dict[str, NDArray[np.uint8]]) -> Judging:
        """Published score; a repeated frame is computed once."""
        from actors.networks.inputs import IMAGENET_UNIT, pictures_of

        frames, places = distinct(views["key_frames"])
        qualities = yield self.network, pictures_of(frames, IMAGENET_UNIT, self.device)
        return self.mean_quality(qualities.double().cpu().numpy()[places])


class ModelIX(_Minimalistic):
    """Key frames through Swin-B, and motion features of SlowFast."""

    name = "minimalistic_ix"
    title = "MinimalisticVQA IX: key frames and motion"
    description = "Swin-B on key frames and SlowFast R50 on each second, trained on LSVQ (Sun et al., TPAMI 2024)"
    parameters = 86_907_321 + 514_152
    files = ("MinimalisticVQA_Model_IX_LSVQ.pth", "SLOWFAST_8x8_R50.pyth")
    optional = ("LSVQ_Model_IX.npy",)
    weights = (
        "MinimalisticVQA_Model_IX_LSVQ.pth, linked from sunwei925/MinimalisticVQA on GitHub, "
        "and SLOWFAST_8x8_R50.pyth of the PyTorchVideo model zoo"
    )
    version = 2  # 2: tall pictures are resized rows first under every release of Pillow
    views = ("key_frames", "motion_clips")

    def load(self) -> Any:
        """The model and the fast pathway of SlowFast."""
        from actors.networks.minimalistic import MinimalisticVQA
        from actors.networks.weights import load
        from trainers.student.language.slowfast import FastPathway, fast_part

        model = load(lambda: MinimalisticVQA(motion=True), self.first, "MinimalisticVQA Model IX")
        motion = load(FastPathway, self.path(self.files[1]), "SlowFast R50", select=fast_part)
        return model.to(self.device), motion.to(self.device)

    def judge(self, views: dict[str, NDArray[np.uint8]]) -> Judging:
        """Published score; repeated frames and seconds are computed once."""
        import torch

        from actors.media.network_views import CLIP
        from actors.networks.inputs import IMAGENET_UNIT, KINETICS, clips_of, pictures_of

        model, motion = self.network
        seconds, clip_places = distinct(views["motion_clips"], CLIP)
        features = yield motion, clips_of(seconds, KINETICS, self.device)
        frames, places = distinct(views["key_frames"])
        look = yield model.feature_extraction, pictures_of(frames, IMAGENET_UNIT, self.device)
        count = min(len(places), len(clip_places))
        joined = torch.cat([look[places[:count]], features[clip_places[:count]]], dim=1)
        return self.mean_quality(model.quality(joined)[:, 0].double().cpu().numpy())
