import asyncio
import json

import pytest

from pipeline.serve.guard import HEADERS, Guard


async def inner(scope, receive, send):
    """Says that it was reached, and reads the body."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": message["body"]})


def asked(guard, path="/api/about", **headers):
    """Status, headers, body, and whether the body of the request was read."""
    sent, read = [], []

    async def receive():
        read.append(1)
        return {"type": "http.request", "body": b"reached"}

    async def send(message):
        sent.append(message)

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(guard({"type": "http", "path": path, "headers": pairs}, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], bool(read)


@pytest.mark.parametrize("path", ["/", "/health", "/api/about"])
def test_every_answer_carries_the_headers_that_keep_the_page_to_itself(path):
    for status, hosts in ((200, ()), (421, ("other",))):
        found, headers, _, _ = asked(Guard(inner, hosts), path, host="here")
        assert found == status
        assert {name: headers[name.encode()].decode() for name in HEADERS} == HEADERS


def test_no_script_and_no_style_may_come_from_elsewhere_or_stand_in_the_page():
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("host", ["127.0.0.1:8321", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8321"])
def test_the_names_of_this_machine_are_answered(host):
    guard = Guard(inner, ("127.0.0.1", "localhost", "::1"))
    assert asked(guard, host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "", "[::2]", "127.0.0.2:8321"]
)
def test_another_name_that_leads_here_is_refused_before_the_body_is_read(host):
    status, _, body, read = asked(Guard(inner, ("127.0.0.1", "localhost", "::1")), host=host)
    assert (status, json.loads(body)["error"]["kind"], read) == (421, "host", False)


@pytest.mark.parametrize("given", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic right"},
                                   {"authorization": "Bearer"}, {"authorization": "Bearer right "[:-2]}])  # fmt: skip
def test_without_the_token_nothing_private_is_answered_and_no_body_read(given):
    status, headers, body, read = asked(Guard(inner, (), "right"), host="h", **given)
    assert (status, json.loads(body)["error"]["kind"], read) == (401, "token", False)
    assert headers[b"www-authenticate"] == b"Bearer"


@pytest.mark.parametrize("given", ["Bearer right", "bearer  right"])
def test_with_the_token_it_is_and_the_page_and_health_need_none(given):
    guard = Guard(inner, (), "right")
    assert asked(guard, host="h", authorization=given)[0] == 200
    assert asked(guard, "/", host="h")[0] == asked(guard, "/health", host="h")[0] == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_a_page_of_somebody_else_cannot_make_this_service_work(site, status):
    assert asked(Guard(inner), host="h", sec_fetch_site=site)[0] == status


@pytest.mark.parametrize("begun", [False, True])
def test_a_request_that_the_end_of_the_service_interrupts_gets_an_answer_and_raises_nothing(begun):
    """The server cancels what has not ended within its grace."""
    sent = []

    async def slow(_scope, _receive, send):
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async def stop():
        task = asyncio.create_task(Guard(slow)({"type": "http", "path": "/", "headers": []}, None, send))
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(stop())
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [
        200 if begun else 503
    ]
    assert begun or json.loads(sent[1]["body"])["error"]["kind"] == "stopped"
