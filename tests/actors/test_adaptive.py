"""A window is compared with what the chooser names, and answers in the other order are turned."""

import json

import numpy as np
import pytest

from actors.adaptive import AdaptiveEncoder
from actors.media.rows import pack
from actors.media.views import Sample

ANCHORS = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], np.float32)


class Student:
    """Answers with the two videos that it was shown."""

    def __init__(self):
        self.shown = []

    def encode(self, key, _luma, _fps, _views):
        return np.full(2, key.mean(), np.float32)

    def compare_all(self, first, second):
        self.shown.append((first[:, 0].tolist(), second[:, 0].tolist()))
        return np.stack(
            [first[:, 0], np.zeros(len(first)), np.zeros(len(first)), np.zeros(len(first)), second[:, 0]], axis=1
        )


class Encoder:
    def __init__(self):
        self.student = Student()
        self.comparer = self


class Script:
    """A chooser with a fixed list, which notes what it was told."""

    def __init__(self, *steps):
        self.steps, self.told = list(steps), []

    def next(self, asked, logits):
        self.told.append((list(asked), logits.copy()))
        return self.steps.pop(0) if self.steps else []


def sample_row(**more):
    sample = Sample(np.full((1, 2, 4, 4, 3), 9, np.uint8), np.zeros((1, 4, 4), np.uint8), 0.0)
    return {"video_id": "v", "status": "ok", "error_kind": "", "error": "", **pack(sample), **more}


def test_answers_judge_the_window_whichever_was_shown_first():
    script, encoder = Script([(0, False), (2, False)], [(2, True)]), Encoder()
    row = AdaptiveEncoder(script, ANCHORS, encoder)(sample_row())
    assert json.loads(row["asked"]) == [[0, False], [2, False], [2, True]]
    logits = np.frombuffer(row["logits"], np.float32).reshape(-1, 5)
    assert logits[:, [0, 4]].tolist() == [[1.0, 9.0], [3.0, 9.0], [3.0, 9.0]], "the anchor, then the window"
    assert encoder.student.shown == [([1.0, 3.0], [9.0, 9.0]), ([9.0], [3.0])]
    assert [len(asked) for asked, _ in script.told] == [0, 2, 3]
    assert script.told[1][1].shape == (2, 5)
    assert "key" not in row


def test_both_orders_may_be_asked_for_at_once():
    row = AdaptiveEncoder(Script([(1, True), (0, False)]), ANCHORS, Encoder())(sample_row())
    logits = np.frombuffer(row["logits"], np.float32).reshape(-1, 5)
    assert logits[:, 0].tolist() == [2.0, 1.0]


@pytest.mark.parametrize("broken", [ValueError("too small"), RuntimeError("no memory")])
def test_a_window_that_cannot_be_encoded_has_failed(broken, monkeypatch):
    def refuses(*_given):
        raise broken

    monkeypatch.setattr(Student, "encode", refuses)
    row = AdaptiveEncoder(Script([(0, False)]), ANCHORS, Encoder())(sample_row())
    assert (row["status"], row["asked"], row["logits"]) == ("failed", "[]", b"")
    assert str(broken) in row["error"]


def test_a_row_that_has_failed_before_stays_failed():
    row = AdaptiveEncoder(Script(), ANCHORS, Encoder())(sample_row(status="failed", error="x"))
    assert (row["status"], row["error"], row["asked"]) == ("failed", "x", "[]")
