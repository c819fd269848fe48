"""The base of teachers that are published networks with released weights."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from actors.media.outcome import Failure
from actors.media.views import Sample
from actors.networks.files import digest
from actors.teachers.base import Teacher

if TYPE_CHECKING:
    import torch

DEFAULT_FOLDER = "weights"

Request = tuple[Callable[["torch.Tensor"], "torch.Tensor"], "torch.Tensor"]
Judging = Generator[Request, "torch.Tensor", float]


class NetworkTeacher(Teacher):
    """A teacher that scores views (`actors.media.network_views`) by a network with released weights.

    The weights are read when the first video is scored; a GPU is used if there is one. In float32 the scores equal those
    of the released code (TF32 is off); only Q-Align runs in float16 on a GPU, as in its released code.

    Args:
        weights: Folder that holds the `files`, or the path of the first file, with the others beside it.

    Attributes:
        files: Released names of the files (or folders) with the weights; the first is the network's own.
        optional: Further files, used if they exist.
    """

    files: ClassVar[tuple[str, ...]]
    optional: ClassVar[tuple[str, ...]] = ()
    whole_video = True

    def __init__(self, weights: str = "") -> None:
        place = Path(weights or DEFAULT_FOLDER).expanduser()
        self.most_items: int | None = None  # inputs of one call on a GPU; None for as many as there are
        self.first = place if place.is_file() or (place / "config.json").is_file() else place / self.files[0]

    def path(self, name: str) -> Path:
        """Expected path of one of the files."""
        return self.first if name == self.files[0] else self.first.parent / name

    def missing(self) -> list[Path]:
        """Files that are missing."""
        return [self.path(name) for name in self.files if not self.path(name).exists()]

    def weights_digest(self) -> str:
        """SHA-256 over the files that are used."""
        self.require()
        names = [*self.files, *(name for name in self.optional if self.path(name).is_file())]
        return hashlib.sha256(" ".join(digest(self.path(name)) for name in names).encode()).hexdigest()

    @cached_property
    def device(self) -> torch.device:
        """The first GPU, or the CPU."""
        import torch

        torch.backends.cudnn.allow_tf32 = False  # scores must equal those of full float32
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def network(self) -> Any:
        """The result of `load`, read once."""
        self.require()
        return self.load()

    @abstractmethod
    def load(self) -> Any:
        """Read the weights and put the network on `device`."""

    @abstractmethod
    def judge(self, views: dict[str, NDArray[np.uint8]]) -> Judging:
        """Compute the score from the pictures of the teacher's views; the caller runs the networks.

        Yields `(network, inputs)` with independent items `inputs [n, ...]`, receives the outputs `[n, ...]`, and returns
        the score. Runs in inference mode. In this way one call of a network can serve several videos.
        """

    def score(self, sample: Sample) -> float:
        """Score of the views in the sample.

        Raises:
            Failure: `usage`: the sample was decoded without them.
        """
        (score,) = self._scores([sample])
        return score

    def score_videos(self, videos: Sequence[tuple[str, str, Sample]]) -> list[float | Exception]:
        """See `Teacher.score_videos`. If a batch fails, each video is scored alone, so that one cannot spoil the others."""
        if len(videos) > 1:
            try:
                return list(self._scores([sample for _, _, sample in videos]))
            except Exception:  # noqa: BLE001 - the video at fault raises it again below
                return super().score_videos(videos)
        return super().score_videos(videos)

    def _scores(self, samples: Sequence[Sample]) -> list[float]:
        """Score several samples, with one call of each network for all of them."""
        import torch

        for sample in samples:
            missing = [name for name in self.views if name not in sample.views]
            if missing:
                raise Failure("usage", f"teacher {self.name!r} needs SampleSpec.views to name {missing[0]!r}")
        scores: dict[int, float] = {}
        with torch.inference_mode():
            judgings = dict(
                enumerate(self.judge({name: sample.views[name] for name in self.views}) for sample in samples)
            )
            answers: dict[int, torch.Tensor | None] = dict.fromkeys(judgings)
            while judgings:
                requests: dict[int, Request] = {}
                for number, judging in list(judgings.items()):
                    answer = answers[number]
                    try:
                        requests[number] = next(judging) if answer is None else judging.send(answer)
                    except StopIteration as end:
                        scores[number] = self.bounded(end.value)
                        del judgings[number]
                answers = dict(self._answers(requests))
        return [scores[number] for number in range(len(samples))]

    def _answers(self, requests: dict[int, Request]) -> dict[int, torch.Tensor]:
        """Outputs of each request; requests for the same network with inputs of the same shape are one batch."""
        import torch

        alike: dict[object, list[int]] = {}
        for number, (network, inputs) in requests.items():
            alike.setdefault((network, inputs.shape[1:]), []).append(number)
        outputs: dict[int, torch.Tensor] = {}
        for numbers in alike.values():
            network = requests[numbers[0]][0]
            parts = [requests[number][1] for number in numbers]
            batch = parts[0] if len(parts) == 1 else torch.cat(parts)
            answers = self._called(network, batch)
            outputs.update(zip(numbers, torch.split(answers, [len(part) for part in parts]), strict=True))
        return outputs

    def _called(self, network: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
        """Outputs of all inputs. A GPU without enough memory gets half as many at once from now on, as `note` says."""
        import torch

        while True:
            parts = self.batches(inputs)
            try:
                return torch.cat([network(part) for part in parts])
            except torch.OutOfMemoryError:
                largest = max(len(part) for part in parts)
                if largest == 1:
                    raise
                self.most_items = largest // 2
                self.note = f"{self.name}: out of GPU memory; {self.most_items} items at once from now on"
            torch.cuda.empty_cache()

    def batches(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Split a batch: on a GPU only if it was too large before; on a CPU larger batches need memory and save no time."""
        size = 1 if self.device.type == "cpu" else self.most_items or len(inputs)
        return [inputs[place : place + size] for place in range(0, len(inputs), size)]


def distinct(pictures: NDArray[np.uint8], per_item: int = 1) -> tuple[NDArray[np.uint8], list[int]]:
    """Remove items that repeat the item before; return the rest, and for each item its place in the rest.

    Args:
        pictures: `[items * per_item, h, w, 3]`.
        per_item: Pictures of an item.
    """
    items = pictures.reshape(-1, per_item, *pictures.shape[1:])
    places = [0]
    for before, item in pairwise(items):
        places.append(places[-1] + (not np.array_equal(before, item)))
    firsts = [places.index(number) for number in range(places[-1] + 1)]
    return items[firsts].reshape(-1, *pictures.shape[1:]), places
