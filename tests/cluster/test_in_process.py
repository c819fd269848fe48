import pyarrow as pa
import pytest

from cluster import ClusterError
from cluster.in_process import InProcess
from cluster.pools import Pool

CLOSED = []  # what was added by the actors that were closed


class Twice:
    """Doubles a row's number."""

    def __init__(self, plus=0):
        self.plus = plus

    def __call__(self, row):
        return {**row, "number": 2 * row["number"] + self.plus}

    def close(self):
        CLOSED.append(self.plus)


class TableTwice(Twice):
    """The same for a table."""

    def __call__(self, table):  # type: ignore[override]
        return pa.Table.from_pylist([super(TableTwice, self).__call__(row) for row in table.to_pylist()])


TABLE = pa.Table.from_pylist([{"video_id": name, "number": number} for number, name in enumerate("cab")])


def test_rows_pass_all_pools_in_this_process_and_actors_are_closed():
    CLOSED.clear()
    progress = []
    pools = [Pool(Twice, {"plus": 1}), Pool(TableTwice, batch=4)]
    batches = list(InProcess().stream(TABLE, pools, progress.append))
    assert batches == [[{"video_id": name, "number": 4 * k + 2}] for k, name in enumerate("cab")]
    assert progress == [1, 1, 1]
    assert sorted(CLOSED) == [0, 1]


def test_an_empty_table_makes_no_actor():
    def never():
        raise AssertionError

    assert list(InProcess().stream(TABLE.slice(0, 0), [Pool(never)])) == []


class Adder:
    def __init__(self, start):
        self.start = start

    def add(self, first, second):
        return self.start + first + second


def test_calls_answer_in_the_order_of_the_work():
    assert InProcess().calls(Adder, (10,), "add", [(1, 2), (5, 6)]) == [13, 21]


def test_training_needs_ray():
    class Job:
        name = "round-1"

    with pytest.raises(ClusterError, match="round-1 needs Ray"):
        InProcess().train(Job())  # type: ignore[arg-type]
