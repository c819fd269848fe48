"""Scores that are known already: kept by the bytes of the file, the student, and the program that scored them.

A cache file is JSON below `$XDG_CACHE_HOME/weak-to-strong-vqa/scores` (default `~/.cache`). One that cannot be read counts as
absent. Only local files that were scored are kept; a failed file is tried again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from actors.media.inputs import is_remote, to_path
from cluster.joining import code_digest
from pipeline.console import UserError
from pipeline.run_folder.store import read_json, write_json
from pipeline.settings.config import fingerprint
from pipeline.student.scoring import OK, FileScore

_LIBRARIES = (
    "torch",
    "onnxruntime",
    "numpy",
    "scipy",
    "pillow",
    "opencv-python",
    "imageio-ffmpeg",
    "decord2",
)  # whose numbers scores are made of
_FIELDS = {field.name for field in dataclasses.fields(FileScore)} - {"video"}


class ScoreCache:
    """The scores of one student that are kept on this machine.

    Args:
        student: Digest of its folder.
        sampling: What of a file is judged.
    """

    def __init__(self, student: str, sampling: str) -> None:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        self.folder = base / "weak-to-strong-vqa" / "scores" / f"{student}-{fingerprint([_program(), sampling])}"

    def answer(
        self,
        files: Sequence[str],
        score: Callable[[list[str]], list[FileScore]],
        told: Callable[[FileScore], None],
    ) -> tuple[list[FileScore], int]:
        """Answer what is known, score the rest and keep it.

        Args:
            files: Files, in any number of copies.
            score: Scores files, in their order.
            told: Called with each answer that was known; `score` tells of its own.

        Returns:
            One answer per file in the order of `files`, and how many of them were known.
        """
        places = [self._place(name) for name in files]
        known = [self._read(name, place) for name, place in zip(files, places, strict=True)]
        for row in known:
            if row is not None:
                told(row)
        fresh = iter(score([name for name, row in zip(files, known, strict=True) if row is None]))
        answers = []
        for place, row in zip(places, known, strict=True):
            answer = next(fresh) if row is None else row
            if row is None and place is not None and answer.status == OK:
                self._keep(place, answer)
            answers.append(answer)
        return answers, sum(row is not None for row in known)

    def _place(self, name: str) -> Path | None:
        path = Path(to_path(name)).expanduser()
        if is_remote(name) or not path.is_file():
            return None
        try:
            with path.open("rb") as stream:
                return self.folder / f"{hashlib.file_digest(stream, 'sha256').hexdigest()}.json"
        except OSError:  # scoring says what is wrong with the file
            return None

    def _read(self, name: str, place: Path | None) -> FileScore | None:
        if place is None or not place.is_file():
            return None
        try:
            facts = read_json(place)
        except (UserError, OSError):
            return None
        return FileScore(name, **facts) if isinstance(facts, dict) and set(facts) == _FIELDS else None

    def _keep(self, place: Path, answer: FileScore) -> None:
        facts = dataclasses.asdict(answer)
        del facts["video"]
        try:
            write_json(place, facts)
        except OSError:  # a home that cannot be written costs the next call its time, not this one its scores
            return


def _program() -> dict[str, str | None]:
    """The program's source files as one digest, and the versions of the libraries that make the numbers."""
    return {"code": code_digest(), **{name: _version(name) for name in _LIBRARIES}}


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:  # an optional decoder
        return None
