"""The pools that score a file with a saved student folder: its header, its windows, and its comparisons with the anchors."""

from __future__ import annotations

import numpy as np

from actors.compare import Comparer
from actors.media.inputs import Inputs
from actors.media.rows import Row, attempt, failed, fresh, unpack, without_sample
from actors.media.scan import scan


class HeaderReader:
    """Ray actor: the pictures of the file in column `uri`. Gives `length_s` (seconds, 0 for a still) and `note`.

    The note says where the pictures end, if the header promises more; it is empty otherwise.
    """

    def __init__(self, timeout_s: float = 60.0) -> None:
        self.timeout_s = timeout_s
        self.inputs = Inputs()

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return attempt(fresh(row), lambda: self.inputs.use(row, self._read), {"length_s": 0.0, "note": ""})

    def _read(self, row: Row) -> Row:
        facts = scan(row["uri"], timeout_s=self.timeout_s)
        return {"length_s": float(facts.length_s), "note": facts.shortfall}


class FolderEncoder:
    """Ray actor: encode a decoded row with the student of a folder and compare it with the folder's anchors.

    Gives ``logits`` (float32 ``[A, 5]`` as bytes; the video is the second of each pair) instead of the pixels.
    """

    def __init__(self, student: str, anchors: np.ndarray) -> None:
        """Args: ``student``: the folder; ``anchors``: features ``[A, D]``, lowest quality first."""
        import torch

        torch.set_num_threads(1)  # one order of every sum: the same file gets the same score on every machine
        self.comparer = Comparer(student, anchors)
        self.comparer.student.eval()

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        logits = np.zeros(0, np.float32)
        if row["status"] == "ok":
            sample = unpack(row)
            key, luma = sample.key.copy(), sample.luma.copy()  # torch warns of arrays that cannot be written
            try:
                features = self.comparer.student.encode(key, luma, sample.fps, sample.views)
                logits = self.comparer.against_anchors(np.asarray(features, np.float32)[None])[0]
            except (ValueError, RuntimeError) as problem:
                row = failed(row, "decode", f"the student cannot encode it: {problem}")
        return {**without_sample(row), "logits": np.asarray(logits, np.float32).tobytes()}
