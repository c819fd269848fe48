"""The pools that score a file with a saved student folder: its header, its windows, and its comparisons with the anchors."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from actors.compare import Comparer
from actors.media.inputs import Inputs
from actors.media.rows import Row, attempt, failed, fresh, unpack, without_sample
from actors.media.scan import scan
from actors.media.views import Sample
from actors.memory import keep_freed
from trainers.student.contract import Encoder


class HeaderReader:
    """Ray actor: the pictures of the file in column `uri`: `length_s` (seconds, 0 for a still), `width`, `height`, and `note`.

    The note says where the pictures end, if the header promises more; it is empty otherwise.
    """

    def __init__(self, timeout_s: float = 60.0) -> None:
        self.timeout_s = timeout_s
        self.inputs = Inputs()

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        nothing = {"length_s": 0.0, "width": 0, "height": 0, "note": ""}
        return attempt(fresh(row), lambda: self.inputs.use(row, self._read), nothing)

    def _read(self, row: Row) -> Row:
        facts = scan(row["uri"], timeout_s=self.timeout_s)
        size = {"width": facts.header.width, "height": facts.header.height}
        return {"length_s": float(facts.length_s), **size, "note": facts.shortfall}


class FolderEncoder:
    """Ray actor: encode a decoded row with the student of a folder and compare it with the folder's anchors.

    Gives ``logits`` (float32 ``[A, 5]`` as bytes; the video is the second of each pair) instead of the pixels.
    """

    def __init__(self, student: str, anchors: np.ndarray) -> None:
        """Args: ``student``: the folder; ``anchors``: features ``[A, D]``, lowest quality first."""
        keep_freed()
        self.comparer = Comparer(student, anchors)
        if (torch := sys.modules.get("torch")) is not None:  # some students need it
            torch.set_num_threads(1)  # one order of every sum: the same file gets the same score on every machine

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return self.rows([row])[0]

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """Rows in, rows out, in their order; those whose features have one length are compared with the anchors together."""
        found = [self._encoded(row) for row in rows]
        logits = [np.zeros(0, np.float32)] * len(rows)
        groups: dict[int, dict[int, np.ndarray]] = {}
        for k, (_, features) in enumerate(found):
            if features is not None:
                groups.setdefault(len(features), {})[k] = features
        for group in groups.values():
            try:
                compared = self.comparer.against_anchors(np.stack(list(group.values())))
            except (ValueError, RuntimeError) as problem:
                for k in group:
                    found[k] = _unencoded(found[k][0], problem), None
                continue
            for k, one in zip(group, compared, strict=True):
                logits[k] = np.asarray(one, np.float32)
        return [{**without_sample(row), "logits": one.tobytes()} for (row, _), one in zip(found, logits, strict=True)]

    def _encoded(self, row: Row) -> tuple[Row, np.ndarray | None]:
        """The row and its features `[D]`, or the row as failed and None."""
        if row["status"] != "ok":
            return row, None
        try:
            return row, encoded(self.comparer.student, unpack(row))
        except (ValueError, RuntimeError) as problem:
            return _unencoded(row, problem), None


def encoded(student: Encoder, sample: Sample) -> np.ndarray:
    """Features float32 `[D]` of a decoded window."""
    key, luma = sample.key.copy(), sample.luma.copy()  # torch, where it is used, warns of arrays that it cannot write
    return np.asarray(student.encode(key, luma, sample.fps, sample.views), np.float32)


def _unencoded(row: Row, problem: Exception) -> Row:
    return failed(row, "decode", f"the student cannot encode it: {problem}")
