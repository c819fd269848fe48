"""Training data on a worker: cached features, the table of pairs, and a sampler that is a function of the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow.compute as pc

from trainers.levels import level_indices
from trainers.places import Place
from trainers.settings import SEVERITY_ORIGINS
from trainers.student.table import student_row
from trainers.videos import VideoStore, read_plain

if TYPE_CHECKING:  # the base of all students needs torch
    from trainers.student.base import OwnPairs

SORTED_BATCHES = 64


@dataclass(frozen=True)
class Features:
    """Cached features: `matrix` float32 [V, D] and the row of each video."""

    at_once: ClassVar[int] = 8192  # videos in one call of an actor

    row_of: Mapping[str, int]
    matrix: np.ndarray

    def take(self, ids: Sequence[str]) -> np.ndarray:
        """Features float32 [N, D] of the named videos, in the order of `ids`. Raises KeyError for a video without any."""
        return self.matrix[[self.row_of[video] for video in ids]]


@dataclass(frozen=True)
class Pairs:
    """Training pairs as rows of the feature matrix; `weight` is the loss weight of each pair, 1 on average.

    `synthetic`: the pair is of two copies of one source, labelled by severity. `difference`: of the two means by which it was
    labelled, second less first; NaN without.
    """

    first: np.ndarray
    second: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    synthetic: np.ndarray
    difference: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def beside(self, own: OwnPairs, rows: np.ndarray) -> Pairs:
        """These and a student's own pairs, whose places are those of `rows` of the feature matrix."""
        weight = np.concatenate([self.weight, own.weight])
        return Pairs(
            np.concatenate([self.first, rows[own.first]]),
            np.concatenate([self.second, rows[own.second]]),
            np.concatenate([self.label, own.label]),
            (weight / weight.mean()).astype(np.float32),
            np.concatenate([self.synthetic, np.zeros(len(own.label), bool)]),
            np.concatenate([self.difference, np.full(len(own.label), np.nan, np.float32)]),
        )


def read_features(folder: str | Place) -> Features:
    """Read all shards of a feature folder, sorted by video_id so that the order of the shards does not matter.

    Raises ValueError if there is no shard, a video appears twice, lengths differ or a number is not finite.
    """
    table = read_plain(folder, ["video_id", "features"]).sort_by("video_id")
    ids = table["video_id"].to_pylist()
    if not ids:
        raise ValueError(f"the feature folder {folder} holds no video")
    if len(set(ids)) != len(ids):
        raise ValueError(f"the feature folder {folder} holds a video twice: remove it and encode again")
    lengths = pc.unique(pc.list_value_length(table["features"])).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise ValueError(f"the feature folder {folder} holds vectors of lengths {lengths}: remove it and encode again")
    flat = pc.list_flatten(table["features"]).to_numpy()
    matrix = np.array(flat, np.float32).reshape(len(ids), lengths[0])
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        raise ValueError(f"the features of video {ids[int(np.argmin(finite))]} are not finite: encode it again")
    return Features({video: row for row, video in enumerate(ids)}, matrix)


def read_encoded(student: str, folder: str | Place) -> Features | VideoStore:
    """The encoded videos of a folder in the form that a student takes: vectors in memory, or packed videos on the disk.

    Raises ValueError as `read_features` and `VideoStore` do.
    """
    return VideoStore(folder) if student_row(student).whole_videos else read_features(folder)


def read_pairs(
    path: str | Place,
    features: Features | VideoStore,
    origin_weights: Mapping[str, float] | None = None,
    type_weights: Mapping[str, float] | None = None,
) -> Pairs:
    """Read a table of pairs (columns first, second, label, and origin where there is one).

    Raises ValueError for an unknown label, a video without features, or a table whose weights are all zero.
    """
    table = read_plain(path)
    rows: dict[str, np.ndarray] = {}
    for side in ("first", "second"):
        videos = table[side].to_pylist()
        missing = [video for video in videos if video not in features.row_of]
        if missing:
            raise ValueError(f"{path}: {len(missing)} pairs name a video without features, such as {missing[0]}")
        rows[side] = np.array([features.row_of[video] for video in videos], np.int64)
    try:
        label = level_indices(table["label"].to_pylist())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    weight = np.ones(len(label), np.float64)
    for column, weights in (("origin", origin_weights), ("distortion", type_weights)):
        if weights and column in table.column_names:
            weight *= np.array([weights.get(value, 1.0) for value in table[column].to_pylist()], np.float64)
    origins = table["origin"].to_pylist() if "origin" in table.column_names else [""] * len(label)
    synthetic = np.array([origin in SEVERITY_ORIGINS for origin in origins], bool)
    known = table["delta"].to_pylist() if "delta" in table.column_names else [None] * len(label)
    difference = np.array([np.nan if value is None else value for value in known], np.float32)
    used = weight > 0
    if not used.any():
        raise ValueError(f"{path}: no pair left to train on (pairs: {len(label)}, with a weight above zero: 0)")
    weight = weight[used] / weight[used].mean()
    first, second = rows["first"][used], rows["second"][used]
    return Pairs(first, second, label[used], weight.astype(np.float32), synthetic[used], difference[used])


@dataclass(frozen=True)
class Batch:
    """One worker's part of a step. Padding has weight 0; `total_weight` is that of all workers' parts together."""

    index: np.ndarray
    weight: np.ndarray
    total_weight: float


@dataclass(frozen=True)
class PairSampler:
    """Every pair once per epoch in a seeded order; the workers' parts are disjoint and of equal length.

    The batch is a pure function of (seed, step, rank): resuming needs the step number and nothing else. The last batch
    of an epoch is filled up to a multiple of the workers with padding of weight 0.
    lengths: tokens of each pair, so that pairs of like length share a batch and little of it is padding; or None.
    """

    weights: np.ndarray
    batch_size: int
    workers: int
    rank: int
    seed: int
    lengths: np.ndarray | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch, the last and smaller one included."""
        return -(-len(self.weights) // self.batch_size)

    def batch(self, step: int) -> Batch:
        """The part of this rank in step `step` (counted from 0 over all epochs)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = self._order(epoch)
        chosen = order[position * self.batch_size : (position + 1) * self.batch_size]
        weight = self.weights[chosen].astype(np.float64)
        padding = -len(chosen) % self.workers
        chosen = np.concatenate([chosen, np.repeat(chosen[:1], padding)])
        weight = np.concatenate([weight, np.zeros(padding)])
        mine = slice(self.rank, None, self.workers)
        return Batch(chosen[mine], weight[mine].astype(np.float32), float(weight.sum()))

    def _order(self, epoch: int) -> np.ndarray:
        """All pairs in the order of an epoch."""
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.weights))
        if self.lengths is None:
            return order
        # sorted within a stretch of batches only: which pairs meet in a batch changes from epoch to epoch
        stretch = SORTED_BATCHES * self.batch_size
        parts = [order[k : k + stretch] for k in range(0, len(order), stretch)]
        order = np.concatenate([part[np.argsort(self.lengths[part], kind="stable")] for part in parts])
        whole = len(order) // self.batch_size * self.batch_size
        batches = order[:whole].reshape(-1, self.batch_size)
        return np.concatenate([batches[random.permutation(len(batches))].ravel(), order[whole:]])
