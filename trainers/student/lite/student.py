"""The lite student as it learns: features of the frozen encoder, and one trained comparison head.

It runs on a CPU, needs no download, and the folder it saves stands alone (encoder weights included).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trainers.student.base import OwnPairs, Student
from trainers.student.contract import NO_VIEWS
from trainers.student.lite.encoder import DEFAULTS, LiteEncoder
from trainers.student.lite.folder import CONFIG, HEAD, WEIGHTS, config_of, read
from trainers.student.lite.head import ComparisonHead
from trainers.student.lite.network import Weights
from trainers.student.lite.options import LiteOptions
from trainers.student.lite.prior import SHARE, prior_pairs
from trainers.student.table import LITE


class LiteStudent(Student):
    """Frozen features and a comparison head.

    Args:
        options: See `trainers.student.lite.options.LiteOptions`.
        weights: Of the encoder's networks, by their names in a student's folder; None for those of the package.
    """

    name: ClassVar[str] = LITE.name
    mirrors: ClassVar[bool] = True

    def __init__(self, options: LiteOptions = DEFAULTS, weights: Weights | None = None) -> None:
        super().__init__()
        self.encoder = LiteEncoder(options, weights)
        self.options = options.model_copy(update={"blocks": tuple(block.name for block in self.encoder.blocks)})
        groups = [(size, block.weight) for block in self.encoder.blocks for size in block.groups]
        self.head = ComparisonHead(
            groups, options.hidden, options.dropout, self.encoder.coarse if options.content else slice(0)
        )

    @property
    def feature_size(self) -> int:
        """D, the length of the encoder's vector."""
        return self.encoder.size

    def encode(
        self, key: np.ndarray, luma: np.ndarray, fps: float, views: Mapping[str, np.ndarray] = NO_VIEWS
    ) -> np.ndarray:
        """All feature blocks in a row, float32 [D]. Raises ValueError for views of another shape."""
        return self.encoder.encode(key, luma, fps, views)

    def encoder_digest(self) -> str:
        """Digest over the blocks, the version of the features and the encoder's weights."""
        return self.encoder.digest

    def prepare(self, features: np.ndarray, differences: np.ndarray, weights: np.ndarray) -> None:
        """Fit the normalisation of the features."""
        self.head.fit_normalisation(features, differences, weights)

    def own_pairs(self, features: np.ndarray, rows: np.ndarray, given: int, seed: int) -> OwnPairs | None:
        """What the degradation network says across contents."""
        place = self.encoder.places.get("degradation")
        if self.encoder.degradation is None or place is None or not self.options.prior:
            return None
        opinion = self.encoder.degradation.opinion(features[rows, place])
        return prior_pairs(opinion, round(SHARE * given), self.options.prior, seed)

    def trained_module(self) -> nn.Module:
        """The comparison head alone: features are cached, so the encoder need not be there."""
        return self.head

    def pair_logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits [B, 5]; exchanging the videos mirrors them exactly."""
        logits: Tensor = self.head(first, second)
        return logits

    def description(self) -> dict[str, Any]:
        """As of every student; the encoder's parameters count among all."""
        said = super().description()
        return {**said, "parameters": said["parameters"] + sum(value.size for value in self.encoder.weights.values())}

    def save(self, folder: str | Path) -> None:
        """Write encoder and head as safetensors, and the options as JSON."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        state = {key: value.detach().cpu().contiguous() for key, value in self.state_dict().items()}
        state |= {key: torch.from_numpy(value.copy()) for key, value in self.encoder.weights.items()}
        save_file(state, target / WEIGHTS)
        config = config_of(self.options, self.encoder)
        (target / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> LiteStudent:
        """Read what `save` wrote. Raises ValueError for another student or version of the features."""
        options, state = read(folder)
        student = cls(options, state)
        head = {name: torch.from_numpy(value) for name, value in state.items() if name.startswith(HEAD)}
        student.load_state_dict(head)
        return student.eval()
