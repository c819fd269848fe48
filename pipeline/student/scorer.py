"""A trained student as one object, in the style of image quality libraries: load once, score many files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar, Self

from pipeline.console import Console, UserError
from pipeline.student.folder import student_digest
from pipeline.student.scoring import FAILED, FileScore, open_model, score_files
from trainers.places import place

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_OF_A_STUDENT = ["*.safetensors", "*.json", "*.md"]  # no pickle of a stranger reaches this machine


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

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str], revision: str | None = None) -> Self:
        """Open a student by a folder, or by the name of a repository on the Hugging Face Hub.

        Args:
            name: A run folder or a student folder, as for `pipeline.load`; what is no folder and has the form "owner/name" is a
                repository, of which safetensors, JSON and the card are taken and kept in the Hub's own cache.
            revision: Branch, tag or commit of the repository.

        Raises:
            UserError: There is no such student, its files are damaged, or the repository cannot be read.
        """
        text = os.fspath(name)
        if place(text).expanduser().is_dir() or not _REPOSITORY.fullmatch(text):
            return cls(text)
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            return cls(snapshot_download(text, revision=revision, allow_patterns=_OF_A_STUDENT))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UserError(f"{text}: neither a folder nor a repository that can be read: {reason}") from error

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

        More than a few files are spread over the processors by processes of this machine.
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
