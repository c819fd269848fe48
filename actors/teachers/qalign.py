"""Q-Align (OneAlign) with its released weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from actors.media.outcome import Failure
from actors.teachers.network import Judging, NetworkTeacher

if TYPE_CHECKING:
    import torch


class QAlignTeacher(NetworkTeacher):
    """Asks a large multi-modal model for the quality of one frame per second.

    Runs in float16 on a GPU, as in its released code, and in float32 on a CPU, where it needs 33 GB of memory.
    """

    name = "qalign"
    title = "Q-Align: a language model rates the video"
    description = "mPLUG-Owl2 with two-way LLaMA, expected level of its answer (Wu et al., ICML 2024)"
    range = (0.0, 1.0)
    higher_is_better = True
    licence = "S-Lab License 1.0: NON-COMMERCIAL use only; LLaMA-2 terms apply"
    non_commercial = True
    parameters = 8_197_859_328
    files = ("one-align",)
    weights = "the folder q-future/one-align of Hugging Face, with its config.json"
    views = ("squares",)

    def load(self) -> Any:
        """The network, with the sizes of the folder's configuration."""
        import torch

        from actors.networks.qalign import build
        from actors.networks.weights import load

        try:
            config = json.loads((self.first / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Failure("usage", f"teacher 'qalign': {self.first} has no readable config.json: {error}") from error
        dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        return load(lambda: build(config), self.first, "Q-Align", dtype).to(self.device)

    def judge(self, views: dict[str, NDArray[np.uint8]]) -> Judging:
        """Published score."""
        from actors.networks.inputs import CLIP_MODEL, pictures_of
        from actors.networks.qalign import published

        dtype = self.network.lm_head.weight.dtype
        pictures = pictures_of(views["squares"], CLIP_MODEL, self.device, dtype)
        logits = yield self._level_logits, pictures[None]
        return published(logits).item()

    def _level_logits(self, videos: torch.Tensor) -> torch.Tensor:
        from actors.networks.qalign import level_logits

        return level_logits(self.network, videos)
