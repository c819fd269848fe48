"""The contract of every student: encode a video once, compare two encoded videos as often as needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from trainers.levels import LEVELS
from trainers.student.contract import NO_VIEWS
from trainers.videos import Vectors


@dataclass(frozen=True)
class OwnPairs:
    """Pairs that a student adds to those it is given.

    Attributes:
        first, second: Places of the videos among the rows that the student was shown [P].
        label: Levels 0..4 of the second against the first [P].
        weight: In the loss, where a given pair has 1 on average [P].
    """

    first: np.ndarray
    second: np.ndarray
    label: np.ndarray
    weight: np.ndarray


class Student(nn.Module, ABC):
    """A network that says how the quality of a second video compares with that of a first one.

    `encode` is the frozen part: its output depends on the video alone, so it is computed once and cached.
    `pair_logits` is the part that learns.
    """

    name: ClassVar[str]
    pairs_at_once: ClassVar[int] = 4096  # pairs per forward pass of `compare_all`
    mirrors: ClassVar[bool] = False  # exchanging two videos mirrors the logits exactly: no order is preferred

    @property
    @abstractmethod
    def feature_size(self) -> int:
        """D, the length of the vector that `encode` returns."""

    @abstractmethod
    def encode(
        self, key: np.ndarray, luma: np.ndarray, fps: float, views: Mapping[str, np.ndarray] = NO_VIEWS
    ) -> np.ndarray:
        """As `trainers.student.contract.Encoder.encode`."""

    @abstractmethod
    def encoder_digest(self) -> str:
        """16 hexadecimal digits over everything that decides what `encode` returns: the key of a feature cache."""

    @abstractmethod
    def pair_logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits [B, 5] in the order of `LEVELS`: quality of `second` [B, D] compared with `first` [B, D]."""

    @abstractmethod
    def prepare(self, features: np.ndarray, differences: np.ndarray, weights: np.ndarray) -> None:
        """Learn what is fixed before the first step, such as a normalisation.

        features: of the training videos [V, D]. differences: between two copies of one content [P, D], P = 0 where there
        are none, and their loss weights [P], above zero.
        """

    def own_pairs(
        self,
        features: np.ndarray,  # noqa: ARG002 - most have none
        rows: np.ndarray,  # noqa: ARG002
        given: int,  # noqa: ARG002
        seed: int,  # noqa: ARG002
    ) -> OwnPairs | None:
        """Pairs of the videos at some rows of the features [V, D] that the student knows by itself, beside so many given ones."""
        return None

    @abstractmethod
    def trained_module(self) -> nn.Module:
        """The module that is optimised; its forward is `pair_logits`. Frozen encoders may stay outside of it."""

    def rate_of(self, name: str) -> float:  # noqa: ARG002 - one rate for all
        """Share of the job's learning rate for a parameter of the trained module."""
        return 1.0

    def against_anchors(self, anchors: np.ndarray, tests: Vectors) -> np.ndarray:
        """As `trainers.student.contract.Judge.against_anchors`."""
        parts = [np.zeros((0, len(LEVELS)), np.float32)]
        for k in range(0, len(tests), self.pairs_at_once):
            some = tests[k : k + self.pairs_at_once]
            parts.append(self.compare_all(np.tile(anchors, (len(some), 1)), np.repeat(some, len(anchors), axis=0)))
        return np.concatenate(parts).reshape(len(tests), len(anchors), len(LEVELS))

    def blocks_at_average(self, anchors: np.ndarray, tests: Vectors) -> dict[str, np.ndarray]:  # noqa: ARG002
        """As `trainers.student.contract.Judge.blocks_at_average`; a student whose features have no blocks."""
        return {}

    def compare_all(self, first: Vectors, second: Vectors) -> np.ndarray:
        """`compare` of any number of pairs [P, D], some at a time: float32 [P, 5]."""
        size = self.pairs_at_once
        parts = [self.compare(first[k : k + size], second[k : k + size]) for k in range(0, len(first), size)]
        return np.concatenate(parts) if parts else np.zeros((0, len(LEVELS)), np.float32)

    def master_weights(self, folder: str | Path) -> Mapping[str, Tensor]:  # noqa: ARG002 - it computes in float32
        """Float32 tensors that a saved folder holds of what this student computes with in a shorter number format.

        By the names of the trained module.
        """
        return {}

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` and `config.json` into the folder. Nothing written is a pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: str | Path) -> Student:
        """Read what `save` wrote. Raises ValueError if the folder does not hold this student."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Same as `pair_logits`, so that engines which call the module train it."""
        return self.pair_logits(first, second)

    @torch.inference_mode()
    def compare(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """NumPy convenience for inference: logits float32 [B, 5] of feature rows [B, D], [B, D]."""
        self.eval()
        logits = self.pair_logits(
            torch.from_numpy(np.asarray(first, np.float32)), torch.from_numpy(np.asarray(second, np.float32))
        )
        result: np.ndarray = logits.float().cpu().numpy()
        return result

    def description(self) -> dict[str, Any]:
        """What a model card says: student, number of trained and of all parameters, feature size."""
        trained = sum(p.numel() for p in self.trained_module().parameters() if p.requires_grad)
        total = sum(p.numel() for p in self.parameters())
        return {
            "student": self.name,
            "trained_parameters": trained,
            "parameters": total,
            "feature_size": self.feature_size,
        }
