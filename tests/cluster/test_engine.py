from contextlib import contextmanager
from types import SimpleNamespace

import pyarrow as pa
import pytest

from cluster import ClusterError
from cluster.capacity import Capacity
from cluster.ceiling import SETTINGS, Ceiling
from cluster.engine import RayEngine, collect
from cluster.in_process import InProcess
from cluster.pools import Pool


class Session:
    """Counts how often it is opened and closed; refuses where it is told to."""

    def __init__(self, error=None):
        self.error = error
        self.events = []

    @contextmanager
    def __call__(self):
        if self.error is not None:
            raise self.error
        self.events.append("open")
        most = Ceiling(cpus=4, gpus=2, spare_cpus=4, nodes=2, source=SETTINGS)
        try:
            yield SimpleNamespace(capacity=Capacity(most, print))
        finally:
            self.events.append("close")


def test_a_cluster_is_joined_once_and_left_at_the_end():
    session = Session()
    with RayEngine(session) as engine:
        assert session.events == [], "a finished run needs no cluster"
        engine.start()
        engine.start()
        assert session.events == ["open"]
    assert session.events == ["open", "close"]


def test_an_engine_that_never_started_has_nothing_to_leave():
    session = Session()
    with RayEngine(session):
        pass
    assert session.events == []


def test_a_cluster_that_cannot_be_joined_is_the_failure_of_the_first_call():
    with pytest.raises(ClusterError, match="nobody there"), RayEngine(Session(ClusterError("nobody there"))) as engine:
        engine.start()


def test_a_step_that_the_cluster_can_never_hold_is_refused_before_any_work():
    with RayEngine(Session()) as engine:
        engine.start({"score": [{"GPU": 0.5}] * 4, "train-1": [{"CPU": 1.0}] * 4})
        with pytest.raises(
            ClusterError, match=r"step train-1 needs 3 GPUs at the same time.* never more than 2 \(run\.max"
        ):
            engine.start({"score": [{"GPU": 0.5}] * 4, "train-1": [{"CPU": 1.0, "GPU": 1.0}] * 3})


class Twice:
    """Doubles a row's number."""

    def __call__(self, row):
        return {**row, "number": 2 * row["number"]}


TABLE = pa.Table.from_pylist([{"video_id": name, "number": number} for number, name in enumerate("cab")])


def test_collected_rows_come_in_the_order_of_their_ids():
    rows = collect(InProcess(), TABLE, [Pool(Twice)], lambda row: {**row, "finished": True})
    assert [(row["video_id"], row["number"]) for row in rows] == [("a", 2), ("b", 4), ("c", 0)]
    assert all(row["finished"] for row in rows)
