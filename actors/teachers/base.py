"""The contract of a no-reference quality teacher, and the base of teachers that score single frames."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from actors.media.outcome import Failure
from actors.media.views import Sample


class Teacher(ABC):
    """A no-reference video quality model that scores one `Sample`.

    Scores are deterministic and raw: they keep the teacher's own scale and direction. A later calibration maps all
    teachers to one scale. Scores are finite for every sample, however small, flat or dark.

    Attributes:
        name: Key in the table of teachers.
        title: One line for tables.
        description: What the model measures and where it was published.
        range: Smallest and largest possible score.
        higher_is_better: Direction of the score.
        licence: Licence of the code and weights.
        parameters: Number of learnt parameters (0 for a signal model).
        weights: Where the learnt parameters come from ("none" for a signal model).
        non_commercial: The licence forbids commercial use; a run that uses the teacher prints a warning.
        views: Its inputs besides key frames and luma: names in `actors.media.network_views.VIEWS`.
        whole_video: Its published score is for a whole video, not for a window.
        version: Incremented when a change of the code changes scores; part of the digest.
        note: What the user should hear about its work on this machine, one line; empty if nothing.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    range: ClassVar[tuple[float, float]]
    higher_is_better: ClassVar[bool]
    licence: ClassVar[str]
    parameters: ClassVar[int]
    weights: ClassVar[str]
    non_commercial: ClassVar[bool] = False
    views: ClassVar[tuple[str, ...]] = ()
    whole_video: ClassVar[bool] = False
    version: ClassVar[int] = 1
    note: str = ""

    @abstractmethod
    def score(self, sample: Sample) -> float:
        """Raw score of one sample, within `range`."""

    def score_video(self, uri: str, recipe: str, sample: Sample) -> float:  # noqa: ARG002 - for teachers that look a video up
        """Raw score of a sample of a video.

        Args:
            uri: The video file.
            recipe: Recipe of the distorted copy (`actors.media.rows`); empty for the video itself.
            sample: The decoded sample.
        """
        return self.score(sample)

    def score_videos(self, videos: Sequence[tuple[str, str, Sample]]) -> list[float | Exception]:
        """Score several videos, each the arguments of `score_video`; if `score_video` raises, the exception replaces the score."""
        scores: list[float | Exception] = []
        for video in videos:
            try:
                scores.append(float(self.score_video(*video)))
            except Exception as problem:  # noqa: BLE001 - a teacher may be third-party code; its fault costs only this score
                scores.append(problem)
        return scores

    def settings(self) -> Mapping[str, float | int | str]:
        """Every constant that the score depends on, apart from the learnt weights."""
        return {}

    def weights_digest(self) -> str:
        """Hex digest of the learnt weights; empty for a signal model."""
        return ""

    def missing(self) -> Sequence[Path]:
        """Files with learnt weights that are missing."""
        return []

    def require(self) -> None:
        """Check that all files exist.

        Raises:
            Failure: `usage`; the message says what to fetch and where to put it.
        """
        missing = self.missing()
        if missing:
            raise Failure(
                "usage",
                f"teacher {self.name!r}: there is no {missing[0]}; fetch {self.weights}, put it there, "
                f"or name its folder in run.weights",
            )

    def digest(self) -> str:
        """16 hex digits of SHA-256 over the weights and settings: equal digests mean equal scores."""
        identity = [self.name, self.version, dict(self.settings()), self.weights_digest()]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def bounded(self, value: float) -> float:
        """Clip a score into `range`.

        Raises:
            Failure: `crash` if the value is not finite, which is a defect of the teacher and not of the video.
        """
        if not math.isfinite(value):
            raise Failure("crash", f"teacher {self.name!r} computed {value}; report the video as a defect")
        return min(max(float(value), self.range[0]), self.range[1])


class FrameTeacher(Teacher):
    """A teacher that scores frames one by one; its score is the mean over the key frames."""

    @abstractmethod
    def score_frame(self, rgb: NDArray[np.uint8]) -> float:
        """Raw score of one frame, uint8 RGB `[H, W, 3]`."""

    def score(self, sample: Sample) -> float:
        """Mean of `score_frame` over `sample.key[:, 0]`; repeated frames (stills) are computed once."""
        frames = sample.key[:, 0]
        scores: list[float] = []
        for index, frame in enumerate(frames):
            repeated = index > 0 and np.array_equal(frame, frames[index - 1])
            scores.append(scores[-1] if repeated else self.bounded(self.score_frame(frame)))
        return self.bounded(math.fsum(scores) / len(scores))
