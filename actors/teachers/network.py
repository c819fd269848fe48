"""The base of teachers that are published networks with released weights."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from actors.outcome import Failure
from actors.teachers.base import Teacher
from actors.views import Sample

if TYPE_CHECKING:
    import torch

DEFAULT_FOLDER = "weights"


class NetworkTeacher(Teacher):
    """A teacher that looks at views (`actors.network_views`) through a network with released weights.

    The weights are read when the first video is scored; a GPU is used where there is one. In float32 the scores are
    those of the released code (TF32 stays off); only Q-Align runs in float16 on a GPU, as its authors run it.

    Args:
        weights: Folder that holds the `files`, or the first of the files, beside which the others lie.

    Attributes:
        files: Released names of the files (or folders) with the weights; the first is the network's own.
        optional: Further files that are used when they are there.
    """

    files: ClassVar[tuple[str, ...]]
    optional: ClassVar[tuple[str, ...]] = ()
    whole_video = True

    def __init__(self, weights: str = "") -> None:
        place = Path(weights or DEFAULT_FOLDER).expanduser()
        self.first = place if place.is_file() or (place / "config.json").is_file() else place / self.files[0]

    def path(self, name: str) -> Path:
        """Where one of the files is looked for."""
        return self.first if name == self.files[0] else self.first.parent / name

    def missing(self) -> list[Path]:
        """Files that are not there."""
        return [self.path(name) for name in self.files if not self.path(name).exists()]

    def weights_digest(self) -> str:
        """SHA-256 over the files that are used."""
        from actors.networks.weights import digest

        self.require()
        found = [*self.files, *(name for name in self.optional if self.path(name).is_file())]
        return hashlib.sha256(" ".join(digest(self.path(name)) for name in found).encode()).hexdigest()

    @cached_property
    def device(self) -> torch.device:
        """The first GPU, or the CPU."""
        import torch

        torch.backends.cudnn.allow_tf32 = False  # the scores are compared with those of full float32
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def network(self) -> Any:
        """What `load` gives, read once."""
        self.require()
        return self.load()

    @abstractmethod
    def load(self) -> Any:
        """Read the weights and put the network on `device`."""

    @abstractmethod
    def judge(self, views: dict[str, NDArray[np.uint8]]) -> float:
        """Score from the pictures of the teacher's views; called in inference mode."""

    def score(self, sample: Sample) -> float:
        """Score of the views in the sample.

        Raises:
            Failure: ``usage`` when the sample was decoded without them.
        """
        import torch

        lacking = [name for name in self.views if name not in sample.views]
        if lacking:
            raise Failure("usage", f"teacher {self.name!r} needs SampleSpec.views to name {lacking[0]!r}")
        with torch.inference_mode():
            return self.bounded(self.judge({name: sample.views[name] for name in self.views}))

    def batches(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """The whole batch on a GPU; one clip after the other on a CPU, which gains nothing from more but needs the memory."""
        return [inputs] if self.device.type == "cuda" else [inputs[place : place + 1] for place in range(len(inputs))]


def distinct(pictures: NDArray[np.uint8], per_item: int = 1) -> tuple[NDArray[np.uint8], list[int]]:
    """Items without repeats of the one before, and the place of each item among them.

    Args:
        pictures: ``[items * per_item, h, w, 3]``.
        per_item: Pictures of an item.
    """
    items = pictures.reshape(-1, per_item, *pictures.shape[1:])
    places = [0]
    for before, item in pairwise(items):
        places.append(places[-1] + (not np.array_equal(before, item)))
    firsts = [places.index(number) for number in range(places[-1] + 1)]
    return items[firsts].reshape(-1, *pictures.shape[1:]), places
