import argparse
import socket
import sys

import pytest

from pipeline.commands.serve import arguments, door
from pipeline.console import UserError


def chosen(*words):
    parser = argparse.ArgumentParser()
    arguments(parser)
    return parser.parse_args(["student", *words])


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("W2S_TOKEN", raising=False)


def test_the_page_is_on_loopback_and_asks_for_nothing_unless_it_is_told_to():
    place = door(chosen())
    assert (place.host, place.port, place.token) == ("127.0.0.1", 8321, "")
    assert place.names == ("127.0.0.1", "localhost", "::1")
    assert place.url(80) == "http://127.0.0.1:80/"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_an_address_that_others_can_reach_needs_a_token(host):
    with pytest.raises(UserError, match=f"--host {host}: others can reach this address; add --token"):
        door(chosen("--host", host))
    place = door(chosen("--host", host, "--token"))
    assert len(place.token) >= 32
    assert place.names == (() if host in ("0.0.0.0", "::") else (host,))
    assert place.url(1).endswith(f":1/#token={place.token}")


def test_every_new_token_is_another_one_and_the_environment_gives_a_fixed_one(monkeypatch):
    assert door(chosen("--token")).token != door(chosen("--token")).token
    monkeypatch.setenv("W2S_TOKEN", "mine")
    assert door(chosen()).token == "mine"
    assert door(chosen("--host", "::1")).url(5) == "http://[::1]:5/#token=mine"


def test_packages_that_are_missing_are_named_with_the_remedy(call, trained, monkeypatch):
    for name in ("pipeline.serve.service", "pipeline.serve.app"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.setattr("pipeline.commands.serve.open_model", lambda _folder: pytest.fail("it went on without them"))
    found = call("serve", trained)
    assert found.code == 3
    assert found.err.startswith(
        "error: serve needs packages that are not installed (fastapi): pip install -e '.[serve]'"
    )


def test_a_port_in_use_and_a_student_that_is_not_there_are_told_before_ray_starts(call, trained, monkeypatch):
    monkeypatch.setattr("cluster.session.connect", None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = call("serve", trained, "--port", port)
        assert found.code == 2
        assert f"--port {port}: " in found.err
        assert "choose another port" in found.err
    assert call("serve", "/absent").err.startswith("error: /absent: there is no such folder")


@pytest.mark.parametrize("words", [("--max-mib", "0"), ("--replicas", "-1"), ("--max-seconds", "x")])
def test_a_limit_that_is_no_number_above_zero_is_refused(call, trained, words):
    assert call("serve", trained, *words).code == 2
