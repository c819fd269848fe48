from contextlib import contextmanager

import pyarrow as pa
import pytest

from cluster import ClusterError
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
        try:
            yield
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


class Twice:
    """Doubles a row's number."""

    def __call__(self, row):
        return {**row, "number": 2 * row["number"]}


TABLE = pa.Table.from_pylist([{"video_id": name, "number": number} for number, name in enumerate("cab")])


def test_collected_rows_come_in_the_order_of_their_ids():
    rows = collect(InProcess(), TABLE, [Pool(Twice)], lambda row: {**row, "finished": True})
    assert [(row["video_id"], row["number"]) for row in rows] == [("a", 2), ("b", 4), ("c", 0)]
    assert all(row["finished"] for row in rows)
