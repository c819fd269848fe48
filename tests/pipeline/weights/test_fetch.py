import hashlib
import os
import pickle
import threading

import pytest

from pipeline.console import UserError
from pipeline.weights import fetch as fetching
from pipeline.weights.fetch import RECORD, check, fetch, parts, read_record
from pipeline.weights.table import Weights

DATA = bytes(range(256)) * 9000  # 2.3 MB


def weights(**more):
    base = {"title": "A network", "for": "a teacher", "licence": "MIT", "revision": "release 1", "place": "net.pth"}
    return Weights.model_validate({**base, **more})


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def came():
    return []


@pytest.fixture
def get(tmp_path, came):
    """Fetch into a folder."""

    def getter(row, mirror=None):
        return fetch("net", row, tmp_path, lambda count, name: came.append((count, name)), mirror)

    return getter


def test_a_file_comes_with_progress_and_its_digest_is_kept(shop, get, came, tmp_path):
    shop.files["/net.pth"] = DATA
    row = weights(url=f"{shop.address}/net.pth")
    (line,) = get(row)
    assert (tmp_path / "net.pth").read_bytes() == DATA
    assert sum(count for count, _ in came) == len(DATA)
    assert digest(DATA) in line
    assert "no digest is published" in line
    assert read_record(tmp_path)["net.pth"] == {
        "sha256": digest(DATA),
        "size": len(DATA),
        "revision": "release 1",
        "published": False,
    }
    assert check(row, tmp_path) == (True, "1 file(s) as fetched")
    before = len(shop.asked)
    assert get(row) == ["net.pth: there already"]
    assert len(shop.asked) == before, "nothing is asked again"


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(shop, get, tmp_path):
    shop.files["/net.pth"], shop.breaks = DATA, [1_000_000, 600_000]
    get(weights(url=f"{shop.address}/net.pth", sha256=digest(DATA), size=len(DATA)))
    assert (tmp_path / "net.pth").read_bytes() == DATA
    starts = [int(asked[6:-1] or 0) if asked else 0 for _, asked in shop.asked]
    assert starts == sorted(starts)
    assert starts[0] == 0 < starts[1] <= 1_000_000 < starts[2] <= 1_600_000
    assert not list(tmp_path.glob("*.part"))


def test_a_command_that_was_stopped_goes_on_where_it_stopped(shop, get, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_TRIES", 1)
    shop.files["/net.pth"], shop.breaks = DATA, [1_500_000]
    row = weights(url=f"{shop.address}/net.pth")
    with pytest.raises(UserError, match="goes on from there"):
        get(row)
    there = (tmp_path / "net.pth.part").stat().st_size
    get(row)
    assert shop.asked[-1] == ("/net.pth", f"bytes={there}-")
    assert (tmp_path / "net.pth").read_bytes() == DATA


def test_another_file_than_the_released_one_is_deleted(shop, get, tmp_path):
    shop.files["/net.pth"] = DATA
    with pytest.raises(UserError, match="not the released file") as caught:
        get(weights(url=f"{shop.address}/net.pth", sha256=digest(b"other")))
    assert digest(DATA) in str(caught.value)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    with pytest.raises(UserError, match="in place of 7"):
        get(weights(url=f"{shop.address}/net.pth", size=7))


def test_a_link_that_leads_nowhere_is_one_line(shop, get):
    with pytest.raises(UserError, match="answers 404"):
        get(weights(url=f"{shop.address}/none.pth"))


def test_the_hub_gives_files_sizes_and_digests_and_no_code(shop, get, tmp_path):
    files = {"config.json": b"{}", "model-1.safetensors": DATA, "run_me.py": b"import os", "sub/tokenizer.model": b"t"}
    shop.repository("author/net", files)
    row = weights(hub="author/net", revision="main", place="net")
    lines = get(row)
    assert {path.name for path in (tmp_path / "net").rglob("*") if path.is_file()} == {
        "config.json",
        "model-1.safetensors",
        "tokenizer.model",
    }
    assert all("as published" in line for line in lines)
    assert read_record(tmp_path)["net/config.json"]["revision"] == "c" * 40, "the commit, not the branch"
    assert check(row, tmp_path)[0]
    shop.files["model-1.safetensors"] = DATA[:-1] + b"x"
    (tmp_path / "net" / "model-1.safetensors").unlink()
    with pytest.raises(UserError, match="not the released file"):
        get(row)


@pytest.mark.parametrize("name", ["../out.json", "/etc/x.json", "a/../../b.json", "a\\b.json"])
def test_a_name_that_leads_out_of_the_folder_is_refused(shop, name):
    shop.repository("author/net", {name: b"x"})
    with pytest.raises(UserError, match="leads out of the folder"):
        parts(weights(hub="author/net", revision="main", place="net"))


def test_offline_nothing_is_asked(shop, get, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    shop.files["/net.pth"] = DATA
    for row in (weights(url=f"{shop.address}/net.pth"), weights(hub="author/net")):
        with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
            get(row)
    assert shop.asked == []


def test_a_mirror_is_asked_in_place_of_the_link(shop, get, tmp_path):
    shop.files["/mine/net.pth"] = DATA
    get(weights(url="https://example.org/far/away.pth?x=1"), f"{shop.address}/mine/")
    assert shop.asked[0][0] == "/mine/net.pth"
    with pytest.raises(UserError, match="by https"):
        get(weights(url="https://example.org/a.pth"), "http://example.org/mine")


def test_a_proxy_of_the_environment_is_used(shop, get, monkeypatch):
    from huggingface_hub import utils

    monkeypatch.setenv("HTTP_PROXY", shop.address)
    monkeypatch.setenv("http_proxy", shop.address)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    utils.close_session()
    shop.files["http://localhost:9/net.pth"] = DATA  # a proxy is asked for the whole address
    get(weights(url="http://localhost:9/net.pth"))
    assert shop.asked[0][0] == "http://localhost:9/net.pth"


def test_two_commands_at_once_fetch_once(shop, tmp_path):
    shop.files["/net.pth"] = DATA
    row = weights(url=f"{shop.address}/net.pth")
    threads = [threading.Thread(target=fetch, args=("net", row, tmp_path, lambda *_: None)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shop.asked) == 1


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["EVIL_FOLDER"],)


def test_nothing_in_a_file_is_executed(shop, get, tmp_path, monkeypatch):
    monkeypatch.setenv("EVIL_FOLDER", str(tmp_path / "owned"))
    shop.files["/net.pth"] = pickle.dumps(Evil())
    row = weights(url=f"{shop.address}/net.pth")
    get(row)
    assert check(row, tmp_path)[0], "the digest is what it was"
    assert not (tmp_path / "owned").exists()


def test_damage_and_loss_are_found(shop, get, tmp_path):
    shop.repository("author/net", {"config.json": b"{}", "a.safetensors": DATA})
    row = weights(hub="author/net", revision="main", place="net")
    assert check(row, tmp_path) == (False, f"missing: {tmp_path / 'net'}")
    get(row)
    (tmp_path / "net" / "a.safetensors").write_bytes(DATA[::-1])
    assert "damaged" in check(row, tmp_path)[1]
    (tmp_path / "net" / "a.safetensors").unlink()
    assert "fetched once" in check(row, tmp_path)[1]


@pytest.mark.parametrize("content", ['{"net/a.safetensors": 3}', "[]", '{"net/a.safetensors": {"size": 1}}', "{"])
def test_digests_that_were_lost_are_told_and_no_file_passes_for_somebody_elses(shop, get, tmp_path, content):
    shop.repository("author/net", {"config.json": b"{}", "a.safetensors": DATA})
    row = weights(hub="author/net", revision="main", place="net")
    get(row)
    (tmp_path / RECORD).write_text(content)
    for action in (lambda: check(row, tmp_path), lambda: get(row)):
        with pytest.raises(UserError, match=r"weights\.json is damaged: .* delete it, and fetch"):
            action()
    (tmp_path / RECORD).unlink()
    get(row)
    assert check(row, tmp_path) == (True, "2 file(s) as fetched")


def test_files_copied_by_hand_are_said_to_be_unknown_unless_a_digest_is_published(tmp_path):
    (tmp_path / "net.pth").write_bytes(DATA)
    ok, found = check(weights(url="https://example.org/net.pth"), tmp_path)
    assert ok
    assert "no digest is published" in found
    assert check(weights(url="https://example.org/net.pth", sha256=digest(DATA)), tmp_path)[0]
    assert not check(weights(url="https://example.org/net.pth", sha256=digest(b"x")), tmp_path)[0]


def test_the_token_of_the_hub_goes_to_no_other_server(shop, get, tmp_path, monkeypatch):
    seen = []
    from huggingface_hub import utils

    session = utils.get_session()
    stream = session.stream
    monkeypatch.setattr(
        session, "stream", lambda *words, **more: seen.append(more["headers"]) or stream(*words, **more)
    )
    shop.files["/net.pth"] = DATA
    get(weights(url=f"{shop.address}/net.pth"))
    assert "canary-token" not in str(seen)
