"""A trained student as one object, in the style of image quality libraries: load once, score many files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar

from pipeline.console import Console, UserError
from pipeline.student.folder import student_digest
from pipeline.student.scoring import FAILED, FileScore, open_model, score_files


class Scorer:
    """Scores videos and still pictures with one student; its network is loaded at the first score and kept.

    Scores are on the 0-100 scale of the student's anchors; higher is better, and nothing is clipped: a file beyond the outer
    anchors may lie below 0 or above 100. They are relative to the corpus that the student learnt from, and no MOS.

    Attributes:
        score_range: Scores between which the anchors' scale is fitted.
        lower_better: Always False.
        folder: The student's folder.
    """

    score_range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    lower_better: ClassVar[bool] = False

    def __init__(self, student: str) -> None:
        self._model = open_model(student)
        self.folder = self._model.folder

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits of the folder's contents."""
        return student_digest(self.folder)

    def score(self, video: str | os.PathLike[str]) -> FileScore:
        """The score of one file with its 68 % interval.

        Raises:
            UserError: The file cannot be scored; the message says why.
        """
        (answer,) = self.score_all([video])
        if answer.status == FAILED:
            error = answer.error or ""
            raise UserError(error if answer.video in error else f"{answer.video}: {error}")
        return answer

    def score_all(self, videos: Iterable[str | os.PathLike[str]]) -> list[FileScore]:
        """Scores of files in the order given; a file that cannot be scored has the status "failed" and stops no other.

        More than a few files are spread over the processors by a local Ray.
        """
        return score_files(self._model, [os.fspath(video) for video in videos], Console())

    def __call__(self, video: str | os.PathLike[str]) -> float:
        """The score of one file alone.

        Raises:
            UserError: The file cannot be scored.
        """
        score = self.score(video).score
        assert score is not None, "score_all gives every file that did not fail a score"
        return score
