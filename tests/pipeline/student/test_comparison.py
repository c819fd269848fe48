import numpy as np
import pytest

from actors.compare import Comparer
from cluster.in_process import InProcess
from pipeline.student.comparison import anchor_logits, pair_logits
from pipeline.student.folder import Anchors, write_anchors
from trainers.batches import Features

IDS = [f"v{k}" for k in range(7)]


class Few(Features):
    """Features that are compared three at a time."""

    at_once = 3


class Echo:
    """A student whose logits are the features that it was given: the video's, and those of the other side."""

    def __init__(self, student, anchors):
        self.anchors = anchors

    def against_anchors(self, features):
        logits = np.zeros((len(features), len(self.anchors), 5), np.float32)
        logits[:, :, 0], logits[:, :, 1] = features[:, :1], self.anchors[:, 0]
        return logits

    def pairs(self, first, second):
        return np.hstack([first, second, np.zeros((len(first), 3), np.float32)])


class Recorder(InProcess):
    """An engine whose student is `Echo`; it keeps the sizes of the calls, and the GPUs of each actor."""

    def __init__(self):
        self.sizes, self.gpus = [], []

    def calls(self, kind, arguments, method, work, gpus=0.0):
        assert kind is Comparer
        self.sizes.append([len(item[0]) for item in work])
        self.gpus.append(gpus)
        return super().calls(Echo, arguments, method, work)


@pytest.fixture
def run(tables, configured):
    tables.engine = Recorder()
    anchors = Anchors(np.arange(4, dtype=np.float32)[:, None], np.full((4, 4), 0.5), np.arange(4.0), tuple("abcd"), 5.0)
    write_anchors(tables.layout.student(1), anchors)
    return tables.run(configured("pools.compare.gpus=0.5"))


@pytest.fixture
def encoded():
    """Seven videos; the one feature of `vK` is 10 K."""
    return Few({name: k for k, name in enumerate(IDS)}, 10 * np.arange(7, dtype=np.float32)[:, None])


def test_chunks_come_back_in_the_order_of_the_ids(run, encoded):
    order = [IDS[k] for k in (6, 0, 3, 2, 5, 1, 4)]
    logits, anchors = anchor_logits(run, run.layout.student(1), encoded, order)
    assert run.engine.sizes == [[3, 3, 1]]
    assert run.engine.gpus == [0.5]
    assert anchors.ids == ("a", "b", "c", "d")
    assert logits.shape == (7, 4, 5)
    assert logits[:, 0, 0].tolist() == [60, 0, 30, 20, 50, 10, 40]
    assert logits[0, :, 1].tolist() == [0, 1, 2, 3], "the anchors of the student's own folder"


def test_both_videos_of_a_pair_stay_together_over_the_chunks(run, encoded):
    first, second = IDS[:5], IDS[:1:-1]
    logits = pair_logits(run, run.layout.student(1), encoded, first, second)
    assert run.engine.sizes == [[3, 2]]
    assert run.engine.gpus == [0.5]
    assert logits[:, :2].tolist() == [[0, 60], [10, 50], [20, 40], [30, 30], [40, 20]]


def test_without_videos_no_actor_is_asked(run, encoded):
    logits, anchors = anchor_logits(run, run.layout.student(1), encoded, [])
    assert logits.shape == (0, len(anchors.ids), 5)
    assert pair_logits(run, run.layout.student(1), encoded, [], []).shape == (0, 5)
    assert run.engine.sizes == []
