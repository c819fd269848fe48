"""How a training asks the network about pairs: by feature vectors, or by whole videos in one sequence of tokens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from trainers.batches import Features, Pairs
from trainers.losses import Average, LossTerms, SequenceLosses, sequence_loss, weak_to_strong_loss
from trainers.student.language.seconds import Seconds, unpack
from trainers.videos import VideoStore

PAIRS_JUDGED = 512
VIDEOS_KEPT = 64  # decoded videos that a worker keeps at hand: a video appears in several pairs


class Examples(Protocol):
    """The training data of one worker, in the form that its network takes."""

    chunk: int  # pairs per forward pass where nothing is learnt

    def judged(self, pairs: int) -> np.ndarray:
        """Which of so many pairs the accuracies are measured on."""

    def logits(self, engine: Any, pairs: Pairs, index: np.ndarray) -> Tensor:
        """Logits [n, 5] of the pairs at `index`."""

    def terms(
        self,
        engine: Any,
        pairs: Pairs,
        index: np.ndarray,
        progress: float,
        *,
        seeds: Sequence[int],
        weights: Tensor,
        normaliser: float,
        lambda_: float | str,
        average: Average,
        accepted: Tensor | None,
        differences: Tensor | None,
    ) -> LossTerms:
        """The loss of the pairs at `index`; arguments as of `trainers.losses.weak_to_strong_loss`.

        seeds: Of the dropout, one for each of as many equal parts of the pairs.
        """


class VectorExamples:
    """Feature vectors of one length, all of them on the device."""

    chunk = 1024

    def __init__(self, features: Features, device: torch.device) -> None:
        self.matrix = torch.from_numpy(features.matrix).to(device)

    def judged(self, pairs: int) -> np.ndarray:
        """All of them."""
        return np.arange(pairs)

    def logits(self, engine: Any, pairs: Pairs, index: np.ndarray) -> Tensor:
        """Logits [n, 5] of the pairs at `index`."""
        logits: Tensor = engine(self.matrix[pairs.first[index]], self.matrix[pairs.second[index]])
        return logits

    def terms(
        self, engine: Any, pairs: Pairs, index: np.ndarray, progress: float, *, seeds: Sequence[int], **loss: Any
    ) -> LossTerms:
        """The loss over the five levels."""
        labels = torch.from_numpy(pairs.label[index]).to(engine.device)
        logits = []
        for seed, part in zip(seeds, np.split(index, len(seeds)), strict=True):
            torch.manual_seed(seed)
            logits.append(self.logits(engine, pairs, part))
        return weak_to_strong_loss(torch.cat(logits), labels, progress, **loss)


class SequenceExamples:
    """Whole videos, read when a batch asks for them. Counts the tokens and the padding of the batches that it trained on."""

    chunk = 4

    def __init__(self, store: VideoStore) -> None:
        self.store = store
        self.tokens = self.padding = 0
        self._kept: OrderedDict[int, Seconds] = OrderedDict()

    def judged(self, pairs: int) -> np.ndarray:
        """At most `PAIRS_JUDGED`, evenly spread: judging every pair would cost a third of the training again."""
        return np.unique(np.linspace(0, pairs - 1, min(pairs, PAIRS_JUDGED)).astype(np.int64))

    def logits(self, engine: Any, pairs: Pairs, index: np.ndarray) -> Tensor:
        """Logits [n, 5] of the pairs at `index`."""
        logits: Tensor = engine(*self._batch(pairs, index))
        return logits

    def terms(
        self,
        engine: Any,
        pairs: Pairs,
        index: np.ndarray,
        progress: float,
        *,
        seeds: Sequence[int],
        accepted: Tensor | None,
        **loss: Any,
    ) -> LossTerms:
        """The loss over the tokens of the answer."""
        labels = torch.from_numpy(pairs.label[index]).to(engine.device)
        lengths = self.store.tokens[pairs.first[index]] + self.store.tokens[pairs.second[index]]
        self.tokens += int(lengths.sum())
        self.padding += int((lengths.max() - lengths).sum())
        found, taken = [], 0
        for seed, part in zip(seeds, np.split(index, len(seeds)), strict=True):
            mine = slice(taken, taken + len(part))
            torch.manual_seed(seed)
            found.append(engine(*self._batch(pairs, part), labels[mine], None if accepted is None else accepted[mine]))
            taken += len(part)
        losses = SequenceLosses(*(torch.cat(values) for values in zip(*found, strict=True)))
        return sequence_loss(losses, labels, progress, **loss)

    def _batch(self, pairs: Pairs, index: np.ndarray) -> tuple[list[Seconds], list[tuple[int, int]]]:
        """The videos that the pairs name, each once, and the pairs as places among them."""
        named = np.stack([pairs.first[index], pairs.second[index]], axis=1)
        rows, places = np.unique(named, return_inverse=True)
        return [self._video(int(row)) for row in rows], [(int(a), int(b)) for a, b in places.reshape(named.shape)]

    def _video(self, row: int) -> Seconds:
        if row not in self._kept:
            self._kept[row] = unpack(torch.from_numpy(self.store.vector(row)))
        self._kept.move_to_end(row)
        while len(self._kept) > VIDEOS_KEPT:
            self._kept.popitem(last=False)
        return self._kept[row]


def examples_of(features: Features | VideoStore, device: torch.device) -> Examples:
    """The examples in the form that the features have."""
    return SequenceExamples(features) if isinstance(features, VideoStore) else VectorExamples(features, device)
