"""The pool that compares a window with as many anchors, in as many orders, as its uncertainty asks for."""

from __future__ import annotations

import json
from typing import Protocol

import numpy as np

from actors.folder import FolderEncoder, encoded
from actors.media.rows import Row, failed, unpack, without_sample

Comparison = tuple[int, bool]  # number of an anchor, and whether the window is shown first instead of second
Asked = list[Comparison]


class Chooser(Protocol):
    """Says what to compare next; it travels to the actor."""

    def next(self, asked: Asked, logits: np.ndarray) -> Asked:
        """The next comparisons of a window, none if it has had enough.

        Args:
            asked: What it was compared with.
            logits: The answers `[K, 5]`, all turned to judge the window against the anchor.
        """


class AdaptiveEncoder:
    """Ray actor: encode a decoded row and compare it with anchors until the chooser is content.

    Gives `asked` (JSON list of `Comparison`) and `logits` (float32 `[K, 5]` as bytes; they judge the window against the anchor,
    whichever was shown first) instead of the pixels.

    Args:
        chooser: Says what to compare.
        anchors: Features `[A, D]` of all anchors that it may name.
        encoder: A student that is loaded already, or None to load it here.
        student: Its folder.
    """

    def __init__(
        self, chooser: Chooser, anchors: np.ndarray, encoder: FolderEncoder | None = None, student: str = ""
    ) -> None:
        self.chooser = chooser
        self.anchors = np.asarray(anchors, np.float32)
        self.student = (encoder or FolderEncoder(student, anchors)).comparer.student

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        asked: Asked = []
        logits = np.zeros((0, 5), np.float32)
        if row["status"] == "ok":
            try:
                asked, logits = self._encoded(row)
            except (ValueError, RuntimeError) as problem:
                row = failed(row, "decode", f"the student cannot encode it: {problem}")
        return {**without_sample(row), "asked": json.dumps(asked), "logits": logits.tobytes()}

    def _encoded(self, row: Row) -> tuple[Asked, np.ndarray]:
        return self.judged(encoded(self.student, unpack(row)))

    def judged(self, features: np.ndarray) -> tuple[Asked, np.ndarray]:
        """What a window with these features `[D]` is compared with, and the answers `[K, 5]`."""
        asked: Asked = []
        logits = np.zeros((0, 5), np.float32)
        while some := self.chooser.next(asked, logits):
            logits = np.concatenate([logits, self._compared(some, features)])
            asked += some
        return asked, np.asarray(logits, np.float32)

    def _compared(self, some: Asked, features: np.ndarray) -> np.ndarray:
        """Answers `[K, 5]` to comparisons of one kind each."""
        answers = np.zeros((len(some), 5), np.float32)
        for turned in (False, True):
            places = [k for k, (_, flipped) in enumerate(some) if flipped == turned]
            if not places:
                continue
            chosen = self.anchors[[some[k][0] for k in places]]
            own = np.zeros((len(places), max(len(features), chosen.shape[1])), np.float32)
            own[:, : len(features)] = features
            both = (own, chosen) if turned else (chosen, own)
            said = self.student.compare_all(*both)
            answers[places] = (
                said[:, ::-1] if turned else said
            )  # what is inferior to a window leaves the window superior
        return answers
