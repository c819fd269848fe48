import http.client
import json
import socket
import threading
import time

import jsonschema
import pytest
from page_server import NDJSON, page_server

from pipeline.console import Console
from pipeline.serve.answers import Answer
from pipeline.serve.limits import Limits
from pipeline.student.scoring import open_model, score_files


@pytest.fixture(scope="module")
def model(trained):
    return open_model(str(trained))


@pytest.fixture(scope="module")
def service(model):
    with page_server(model, Limits(bytes=4 << 20, seconds=5, pixels=176 * 144)) as one:
        yield one


def left(service):
    """Files of uploads, once the requests of this test have ended."""
    end = time.monotonic() + 60
    while service.uploads.open and time.monotonic() < end:
        time.sleep(0.02)
    return [path.name for path in service.folder.iterdir() if not path.name.startswith("example-")]


def test_a_score_is_that_of_the_command_and_the_upload_is_gone(service, model, clip):
    status, _, facts = service.ask("POST", "/api/scores?name=my%20clip.mp4", clip.read_bytes())
    assert status == 200
    (known,) = score_files(model, [str(clip)], Console())
    for name in ("score", "low", "high", "std", "mean", "raw", "seconds", "seconds_seen", "kind"):
        assert facts["score"][name] == getattr(known, name)
    assert (facts["score"]["video"], facts["score"]["better"], facts["kept"]) == ("my clip.mp4", "higher", False)
    assert sum(second["length_s"] for second in facts["curve"]["seconds"]) == pytest.approx(known.seconds)
    assert left(service) == []
    again = service.ask("GET", f"/api/scores/{facts['id']}")[2]
    assert again["score"] == facts["score"]
    assert service.ask("GET", "/api/scores/0123456789abcdef")[0] == 404


def test_lines_of_progress_end_with_the_answer(service, clip):
    changed = clip.read_bytes() + b"\0\0\0\x09free!"
    status, headers, events = service.ask("POST", "/api/scores?per_second=false", changed, accept=NDJSON)
    assert (status, headers["content-type"]) == (200, NDJSON)
    assert events[0] == {"state": "waiting", "before": 0}
    stages = [(event["stage"], event["done"], event["total"]) for event in events if event["state"] == "running"]
    assert stages[-1][0] == "scoring windows"
    assert stages[-1][1] == stages[-1][2] > 1
    assert events[-1]["answer"]["curve"] is None
    assert left(service) == []


def test_hostile_and_broken_files_are_refused_with_their_kind_and_leave_nothing(service, broken_files):
    for name, path in broken_files.items():
        kind = name.partition(".")[0]
        status, _, facts = service.ask("POST", f"/api/scores?name={path.name}", path.read_bytes())
        assert (status, facts["error"]["kind"]) == (422, kind), name
        assert str(service.folder) not in facts["error"]["message"]
        if kind != "empty":
            event = service.ask("POST", f"/api/scores?name={path.name}", path.read_bytes(), accept=NDJSON)[2][-1]
            assert (event["state"], event["status"], event["error"]["kind"]) == ("failed", 422, kind)
    assert left(service) == []


def test_seconds_pixels_and_bytes_above_the_limits_are_refused(service, make, clip):
    long = make("long.mp4", "-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=6", "-c:v", "libx264")
    status, _, facts = service.ask("POST", "/api/scores?name=a", long.read_bytes())
    assert (status, facts["error"]["kind"]) == (413, "too_long")
    wide = make("wide.mp4", "-f", "lavfi", "-i", "color=size=178x144:rate=5:duration=1", "-c:v", "libx264")
    status, _, facts = service.ask("POST", "/api/scores?name=a", wide.read_bytes())
    assert (status, facts["error"]["kind"]) == (413, "too_large")
    status, _, facts = service.ask("POST", "/api/scores?name=a", bytes(5 << 20))
    assert (status, facts["error"]["kind"]) == (413, "too_large")
    assert left(service) == []


def test_a_body_that_is_too_large_by_its_own_account_is_not_read(service):
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(
            b"POST /api/scores HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_goes_away_within_its_body_leaves_no_file(service, clip):
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        head = b"POST /api/scores HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n"
        client.sendall(head + clip.read_bytes()[:1000])
        while not service.uploads.open:
            time.sleep(0.01)
    assert left(service) == []


def test_a_client_that_goes_away_before_its_answer_ends_its_job(model, clip):
    class Held:
        """An engine whose first row waits for the test, and counts what comes after."""

        def __init__(self):
            self.gate, self.begun, self.rows = threading.Event(), threading.Event(), 0

        def stream(self, rows, _pools, progress, **_):
            for row in rows:
                self.rows += 1
                self.begun.set()
                self.gate.wait(60)
                progress(1)
                yield [{**row, "status": "ok", "length_s": 1.0, "width": 64, "height": 48, "note": ""}]

    engine = Held()
    with page_server(model, engine=engine) as service:
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        connection.request("POST", "/api/scores", clip.read_bytes())
        assert engine.begun.wait(60)
        assert len(list(service.folder.iterdir())) == 1
        connection.close()
        assert left(service) == []
        engine.gate.set()
        end = time.monotonic() + 60
        while service.desk.load["running"] and time.monotonic() < end:
            time.sleep(0.02)
        assert service.desk.load == {"waiting": 0, "running": 0}
    assert engine.rows == 1


def test_requests_beyond_the_limit_are_told_to_come_again(model, clip):
    class Stuck:
        def __init__(self):
            self.gate = threading.Event()

        def stream(self, rows, _pools, progress, **_):
            self.gate.wait(60)
            progress(1)
            yield [{**row, "status": "failed", "error_kind": "format", "error": "no"} for row in rows]

    engine = Stuck()
    with page_server(model, Limits(requests=2), engine=engine) as service:
        waiting = [
            threading.Thread(target=service.ask, args=("POST", "/api/scores", clip.read_bytes())) for _ in range(2)
        ]
        for thread in waiting:
            thread.start()
        while service.uploads.open < 2:
            time.sleep(0.01)
        status, headers, facts = service.ask("POST", "/api/scores", b"x")
        assert (status, headers["retry-after"], facts["error"]["kind"]) == (503, "5", "busy")
        engine.gate.set()
        for thread in waiting:
            thread.join()
        assert service.ask("POST", "/api/scores", b"x")[0] == 422


def test_with_a_token_nothing_is_scored_or_told_without_it(model, clip):
    with page_server(model, token="right") as service:
        for method, path, body in (("POST", "/api/scores", clip.read_bytes()), ("GET", "/api/about", None)):
            assert service.ask(method, path, body)[0] == 401
            assert service.ask(method, path, body, authorization="Bearer right")[0] == 200
        assert service.ask("GET", "/")[0] == service.ask("GET", "/health")[0] == 200
        assert service.ask("GET", "/", host="elsewhere.example")[0] == 421


def test_the_interface_describes_itself_as_it_is(service, clip):
    described = service.ask("GET", "/openapi.json")[2]
    assert described["openapi"].startswith("3.")
    post = described["paths"]["/api/scores"]["post"]
    assert post["requestBody"]["content"] == {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
    }
    assert set(post["responses"]) >= {"200", "401", "408", "413", "422", "503", "507"}
    schema = {"$ref": "#/components/schemas/Answer", "components": described["components"]}
    answer = service.ask("POST", "/api/scores?name=a.mp4", clip.read_bytes())[2]
    jsonschema.validate(json.loads(json.dumps(answer)), schema)
    assert Answer.model_validate(answer).score.video == "a.mp4"


def test_health_says_how_many_replicas_there_are(service):
    status, _, facts = service.ask("GET", "/health")
    assert (status, facts) == (200, {"status": "ok", "replicas": {"Scorer": 1}, "waiting": 0, "running": 0})


def test_a_path_out_of_the_page_leads_nowhere(service):
    for path in ("/../app.py", "/%2e%2e/app.py", "/page.css%00", "/__init__.py", "/api/examples/..%2Fclean"):
        assert service.ask("GET", path)[0] == 404, path


@pytest.mark.parametrize(
    ("method", "path", "status", "kind", "words"),
    [
        ("POST", "/api/scores?per_second=%3Cb%3Ebanana", 422, "request", "per_second: "),
        ("GET", "/api/scores", 405, "method", "takes POST"),
        ("DELETE", "/%3Cb%3Ebanana", 405, "method", "takes GET"),
        ("GET", "/api/%3Cb%3Ebanana", 404, "unknown", "nothing is here"),
        ("GET", "/%3Cb%3Ebanana", 404, "unknown", "nothing is here"),
    ],
)
def test_a_request_that_nothing_answers_has_the_form_of_every_error(service, method, path, status, kind, words):
    found, headers, facts = service.ask(method, path)
    assert (found, list(facts), list(facts["error"])) == (status, ["error"], ["kind", "message"])
    assert facts["error"]["kind"] == kind
    assert words in facts["error"]["message"]
    assert "banana" not in str(facts), "what a stranger sends is not repeated"
    assert ("allow" in headers) is (status == 405)


@pytest.mark.parametrize("path", ["/health", "/"])
def test_monitors_may_ask_without_a_body(service, path):
    status, headers, facts = service.ask("HEAD", path)
    assert status == 200
    assert int(headers["content-length"]) > 0
    assert not facts


def test_every_error_is_described_in_the_form_that_it_has(service):
    described = service.ask("GET", "/openapi.json")[2]
    assert "HTTPValidationError" not in described["components"]["schemas"]
    assert "head" not in described["paths"]["/health"]
