import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest
from page_server import student_without_network

from actors.media.outcome import Failure
from actors.seconds import Answer as SecondAnswer
from actors.seconds import pack_answers
from cluster.pools import Pool
from pipeline.serve.jobs import Desk, Job, Pools
from pipeline.serve.limits import Limits
from pipeline.serve.uploads import Upload

LOGITS = np.linspace(-1, 1, 25, dtype=np.float32).reshape(5, 5)
HEADER, NETWORK, SECONDS = object(), object(), object()
POOLS = Pools(Pool(HEADER), Pool(NETWORK), Pool(SECONDS))


class Engine:
    """Answers each kind of row as told, and counts them."""

    def __init__(self, length=2.0, header=None, window=None, gate=None):
        self.length, self.header, self.window, self.gate = length, header or {}, window or {}, gate
        self.rows = []

    def stream(self, rows, pools, progress, **_):
        for row in rows:
            done = {**row, "status": "ok", "error_kind": "", "error": ""}
            self.rows.append(pools[-1].work)
            if pools[-1].work is HEADER:
                done |= {"length_s": self.length, "width": 64, "height": 48, "note": "", **self.header}
                if self.gate:
                    self.gate.wait(30)
            elif pools[-1].work is NETWORK:
                done |= {"logits": LOGITS.tobytes(), **self.window}
                if isinstance(self.window, Exception):
                    raise self.window
            else:
                done |= pack_answers([SecondAnswer(LOGITS, {}, b"jpeg")] * 2)
            progress(1)
            yield [done]


@pytest.fixture
def desk(tmp_path):
    desks, model = [], student_without_network(tmp_path)

    def make(engine, limits=None, at_once=1):
        desks.append(Desk(engine, model, POOLS, limits or Limits(), at_once))
        return desks[-1]

    yield make
    for one in desks:
        one.close()


def upload(name="a.mp4", digest="d"):
    return Upload(Path("/secret/place/0123.mp4"), name, digest)


def told(desk, *jobs, gone_after=None):
    """All events of each job; `gone_after` ends the client of the last one after so many of them."""

    async def listen(job, gone):
        events = []
        async for event in job.events(gone):
            events.append(event)
            if len(events) == gone_after and job is made[-1]:
                gone.set_result(None)
        return events

    async def run():
        made.extend(Job(one, True) for one in jobs)
        for job in made:
            desk.submit(job)
        return await asyncio.gather(*(listen(job, asyncio.get_running_loop().create_future()) for job in made))

    made = []
    return asyncio.run(run()), made


def test_a_job_tells_what_it_does_and_ends_with_its_answer(desk):
    ((*before, last),), _ = told(desk(Engine()), upload())
    assert [(event["state"], event.get("stage"), event.get("done")) for event in before] == [
        ("waiting", None, None),
        ("running", "reading the file", 0), ("running", "reading the file", 1),
        ("running", "scoring windows", 0), *(("running", "scoring windows", k) for k in (1, 2)),
        ("running", "judging pieces", 0), ("running", "judging pieces", 1),
    ]  # fmt: skip
    answer = last["answer"]
    assert (last["state"], answer.id, answer.kept, answer.score.video) == ("done", "d", False, "a.mp4")
    assert answer.curve.median == pytest.approx(answer.score.score)
    assert "/secret" not in answer.model_dump_json()


def test_the_same_bytes_are_answered_again_without_a_row_and_under_their_new_name(desk):
    engine = Engine()
    one = desk(engine)
    told(one, upload())
    rows = len(engine.rows)
    ((event,),), _ = told(one, upload("b.mp4"))
    assert (event["answer"].kept, event["answer"].score.video) == (True, "b.mp4")
    assert len(engine.rows) == rows


def test_a_video_that_is_too_long_is_refused_before_a_picture_is_scored(desk):
    engine = Engine(length=11.0)
    ((*_, last),), _ = told(desk(engine, Limits(seconds=10)), upload())
    assert (last["state"], last["refusal"].status, last["refusal"].kind) == ("failed", 413, "too_long")
    assert engine.rows == [HEADER]


def test_pictures_that_are_too_large_are_refused_before_one_is_scored(desk):
    engine = Engine()
    ((*_, last),), _ = told(desk(engine, Limits(pixels=64 * 48 - 1)), upload())
    assert (last["refusal"].status, last["refusal"].kind) == (413, "too_large")
    assert "64x48; the limit is 3071 pixels" in last["refusal"].message
    assert engine.rows == [HEADER]


@pytest.mark.parametrize(
    ("engine", "status", "kind"),
    [
        (
            Engine(header={"status": "failed", "error_kind": "no_video", "error": "/secret/place/0123.mp4 has none"}),
            422,
            "no_video",
        ),
        (
            Engine(window={"status": "failed", "error_kind": "too_large", "error": "/secret/place/0123.mp4 is large"}),
            413,
            "too_large",
        ),
        (Engine(window={"status": "failed", "error_kind": "crash", "error": "it died"}), 500, "crash"),
        (Engine(window=Failure("storage", "no space left in /secret")), 507, "storage"),
    ],
)
def test_a_file_without_a_score_says_why_under_its_own_name(desk, engine, status, kind):
    if isinstance(engine.window, Failure):
        engine.window, failure = {}, engine.window
        stream = engine.stream

        def failing(table, pools, progress, **more):
            if pools[-1].work is NETWORK:
                raise failure
            yield from stream(table, pools, progress, **more)

        engine.stream = failing
    ((*_, last),), _ = told(desk(engine), upload("mine.mp4"))
    refusal = last["refusal"]
    assert (refusal.status, refusal.kind) == (status, kind)
    assert "/secret" not in refusal.message


def test_an_error_of_the_program_ends_its_job_and_no_other_and_is_logged(desk, caplog):
    engine = Engine()
    one = desk(engine)
    stream = engine.stream

    def failing(*_given, **_more):
        raise ZeroDivisionError

    engine.stream = failing
    ((*_, last),), _ = told(one, upload())
    assert (last["refusal"].status, last["refusal"].message) == (500, "the service failed; its log says more")
    assert "ZeroDivisionError" in caplog.text
    engine.stream = stream
    ((*_, last),), _ = told(one, upload())
    assert last["state"] == "done"


def test_jobs_wait_in_their_order_and_hear_of_their_place(desk):
    gate = threading.Event()
    one = desk(Engine(gate=gate))
    threading.Timer(0.2, gate.set).start()
    found, _ = told(one, *(upload(digest=str(k)) for k in range(4)))
    places = [[event["before"] for event in events if event["state"] == "waiting"] for events in found]
    assert [some[-1] for some in places] == [0, 0, 0, 0]
    assert places[3] == sorted(places[3], reverse=True)
    assert places[3][0] >= 2
    assert all(events[-1]["state"] == "done" for events in found)
    assert one.load == {"waiting": 0, "running": 0}


def test_a_job_whose_client_has_gone_stops_at_its_next_row_and_keeps_no_answer(desk):
    engine = Engine(length=60.0)
    one = desk(engine)
    (events,), (job,) = told(one, upload(), gone_after=2)
    one.close()
    assert job.cancelled.is_set()
    assert all(event["state"] != "done" for event in events)
    assert SECONDS not in engine.rows[4:] or len(engine.rows) < 12
    assert one.answers.find("d") is None
