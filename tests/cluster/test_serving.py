import threading

import pyarrow as pa
import pytest

pytest.importorskip("ray.serve")

from ray.exceptions import ActorDiedError, RayTaskError

from actors.media.outcome import Failure
from cluster import ClusterError
from cluster.pools import Pool
from cluster.serving import MOST_TRIES, ServeEngine, Service, serving
from cluster.session import SessionSettings, connect


class First:
    """Stands for the class of an actor."""


class Second:
    """Another one."""


class Handle:
    """Serve's handle, by hand: answers are functions of the row, and deaths are planned by its number."""

    def __init__(self, work, deaths=None):
        self.work, self.deaths, self.sent, self.cancelled = work, dict(deaths or {}), [], []

    def remote(self, row):
        self.sent.append(row)
        return Response(self, row)


class Response:
    def __init__(self, handle, row):
        self.handle, self.row = handle, row

    def result(self):
        row = self.row.result() if isinstance(self.row, Response) else self.row
        if self.handle.deaths.get(row["n"], 0):
            self.handle.deaths[row["n"]] -= 1
            raise ActorDiedError
        return self.handle.work(row)

    def cancel(self):
        self.handle.cancelled.append(self.row)


def table(count):
    return pa.Table.from_pylist([{"video_id": f"v{k}", "n": k, "uri": f"{k}.mp4"} for k in range(count)])


def engine(at_once=2, **deaths):
    first = Handle(lambda row: {**row, "status": "ok", "twice": 2 * row["n"]}, deaths.get("first"))
    second = Handle(lambda row: {**row, "more": row["twice"] + 1}, deaths.get("second"))
    return ServeEngine({First: first, Second: second}, {}, at_once), first, second


def rows(one, count, pools=(First, Second), progress=lambda _: None):
    return [row for batch in one.stream(table(count), [Pool(work) for work in pools], progress) for row in batch]


def test_rows_pass_the_actors_in_the_order_of_the_pools_and_come_back_in_their_own():
    one, first, _ = engine()
    done = []
    assert [row["more"] for row in rows(one, 5, progress=done.append)] == [1, 3, 5, 7, 9]
    assert done == [1] * 5
    assert [row["twice"] for row in rows(one, 3, [First])] == [0, 2, 4]
    assert len(first.sent) == 8


def test_a_row_whose_replica_dies_goes_to_another_one_through_the_whole_chain():
    one, first, second = engine(first={1: 2}, second={2: MOST_TRIES - 1})
    assert [row["more"] for row in rows(one, 4)] == [1, 3, 5, 7]
    assert len(first.sent) == len(second.sent) == 4 + 2 + MOST_TRIES - 1


def test_a_row_that_sees_every_replica_die_has_crashed_and_the_others_have_not():
    one, *_ = engine(first={1: 99})
    found = rows(one, 3)
    assert [row["status"] for row in found] == ["ok", "failed", "ok"]
    assert found[1]["error_kind"] == "crash"
    assert "1.mp4" in found[1]["error"]


def test_an_error_of_the_work_is_raised_at_once():
    def fail(_row):
        raise RayTaskError("work", "ValueError: broken", ValueError("broken"))

    first = Handle(fail)
    with pytest.raises(RayTaskError, match="broken"):
        rows(ServeEngine({First: first}, {}, 2), 3, [First])
    assert len(first.sent) == 2


def test_a_full_disk_of_a_worker_stops_the_stream():
    full = Handle(lambda row: {**row, "status": "failed", "error_kind": "storage", "error": "no space left"})
    with pytest.raises(Failure, match="no space left"):
        rows(ServeEngine({First: full}, {}, 2), 3, [First])


def test_no_more_rows_are_under_way_than_allowed_and_what_is_left_is_given_back():
    one, first, _ = engine(at_once=3)
    stream = one.stream(table(9), [Pool(First)])
    next(stream)
    assert len(first.sent) == 3, "those under way, while the caller looks at the first"
    stream.close()
    assert len(first.cancelled) == 2
    assert [one._room.acquire(blocking=False) for _ in range(4)] == [True, True, True, False]


def test_callers_that_share_the_room_all_finish():
    one, *_ = engine(at_once=2)
    found = []
    threads = [threading.Thread(target=lambda: found.append(len(rows(one, 20)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [20] * 8


def test_a_service_neither_trains_nor_calls():
    one, *_ = engine()
    with pytest.raises(ClusterError, match="a service only streams rows"):
        one.calls(First, (), "pairs", [])


class Doubler:
    """An actor that says with which rows it was called, and dies of row 13 once for each file that it can still remove."""

    def __call__(self, row):
        return self.rows([row])[0]

    def rows(self, some):
        import os
        from pathlib import Path

        for row in some:
            if row["lives"]:
                for life in Path(row["lives"]).iterdir():
                    life.unlink()
                    os._exit(9)
        return [{**row, "status": "ok", "together": len(some), "process": os.getpid()} for row in some]


class Single(Doubler):
    """Another kind."""


@pytest.mark.heavy
def test_replicas_of_ray_serve_share_rows_of_many_callers_and_outlive_their_deaths(tmp_path):
    (tmp_path / "life").touch()
    answers = {}

    def ask(one, name, kind, lives=""):
        plain = pa.Table.from_pylist([{"video_id": name, "uri": name, "lives": lives}])
        answers[name] = next(iter(one.stream(plain, [Pool(kind)])))[0]

    with connect("local", SessionSettings(cpus=2)) as session:
        services = [Service(Pool(Doubler), 1, batch=4), Service(Pool(Single), 2, here=True)]
        with serving(session, services, at_once=16) as one:
            assert one.running() == {"Doubler": 1, "Single": 2}
            threads = [threading.Thread(target=ask, args=(one, f"d{k}", Doubler)) for k in range(12)]
            threads += [threading.Thread(target=ask, args=(one, f"s{k}", Single)) for k in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert {row["status"] for row in answers.values()} == {"ok"}
            assert max(row["together"] for name, row in answers.items() if name[0] == "d") > 1
            assert {row["together"] for name, row in answers.items() if name[0] == "s"} == {1}
            ask(one, "killer", Doubler, str(tmp_path))
            assert answers["killer"]["status"] == "ok"
            assert answers["killer"]["process"] != answers["d0"]["process"]
