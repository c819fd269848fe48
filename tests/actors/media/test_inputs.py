"""From a uri to a local file: objects of a bucket, names that are no UTF-8, and what may not be read."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.distortions.table import PRISTINE
from actors.folder import HeaderReader
from actors.media import inputs
from actors.media.downloads import Keep
from actors.media.inputs import Inputs
from actors.media.outcome import Failure
from actors.media.rows import format_recipe, unpack
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.probe import Probe
from actors.sample import Decode, Sampler, Synthesise

SPEC = SampleSpec(key_frames=1, motion_frames=4)


def row_of(uri, *recipe):
    row = {"video_id": "v", "uri": uri, "start_s": 0.0, "duration_s": 0.0, "still": False}
    return row | {"recipe": format_recipe(list(recipe))}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder that temporary files go to."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.parametrize("place", ["s3://corpus/", "gs://anonymous@corpus/", "bytes"])
def test_every_pool_that_opens_a_file_takes_such_a_uri(bucket, clip, tmp_path, temporary, place):
    if place != "bytes":
        bucket.objects = {"deep/a b.mp4": clip.read_bytes()}
        uri = f"{place}deep/a b.mp4"
    else:
        odd = tmp_path / "odd-\udcff\n.mp4"
        shutil.copy(clip, odd)
        uri = inputs.from_path(str(odd))
    plain, given = Probe(10**6)(row_of(str(clip))), Probe(10**6)(row_of(uri))
    assert {**given, "uri": ""} == {**plain, "uri": ""}
    assert given["uri"] == uri
    assert HeaderReader()(row_of(uri))["length_s"] == pytest.approx(1.2, abs=0.02)
    decode = Decode(SPEC)
    shown = decode(row_of(uri))
    assert (shown["status"], shown["uri"]) == ("ok", uri)
    assert (unpack(shown).key == unpack(decode(row_of(str(clip)))).key).all()
    make = Synthesise(EncodeOptions())
    copy = make(row_of(uri, (PRISTINE, 0, 0), ("h264", 2, 0)))
    assert (copy["status"], copy["uri"]) == ("ok", uri)
    assert decode(copy)["status"] == "ok"
    decode.decoder.close()
    make.close()


def test_neighbours_share_one_download_and_the_copy_goes_with_the_next_object(bucket, temporary):
    bucket.objects = {"a.mp4": b"first", "b": b"second"}
    source = Inputs()
    path = Path(source.path("s3://corpus/a.mp4"))
    assert (path.read_bytes(), path.suffix) == (b"first", ".mp4")
    assert source.path("s3://corpus/a.mp4") == str(path)
    assert len([line for line in bucket.requests if line.startswith("GET")]) == 1
    assert Path(source.path("s3://corpus/b")).read_bytes() == b"second"
    assert not path.exists()
    del source
    assert list(temporary.iterdir()) == []


def gets(bucket):
    """Downloads so far, of objects that pyarrow reads in one request."""
    return sum(line.startswith("GET") and "prefix=" not in line for line in bucket.requests)


def test_every_look_of_a_run_shares_one_download(bucket, clip, tmp_path):
    bucket.objects = {"a.mp4": clip.read_bytes()}
    row, keep = row_of("s3://corpus/a.mp4", (PRISTINE, 0, 0)), Keep(str(tmp_path / "downloads"), 10**9)
    assert Probe(10**6, downloads=keep)(row)["status"] == "ok"
    sampler = Sampler(SPEC, EncodeOptions(), downloads=keep)
    assert [sampler(one)["status"] for one in (row, {**row, "recipe": ""})] == ["ok", "ok"]
    sampler.close()
    assert gets(bucket) == 1
    bucket.objects["a.mp4"] = clip.read_bytes() + b"more"
    assert Probe(10**6, downloads=keep)(row)["bytes"] == len(bucket.objects["a.mp4"]), "a changed object is another"
    assert gets(bucket) == 2


def test_what_was_used_longest_ago_makes_room_and_stays_for_its_user(bucket, tmp_path):
    bucket.objects = {name: name.encode() * 100 for name in "abcd"} | {"wide": b"w" * 400}
    keep = Keep(str(tmp_path), 250)
    first, second = Inputs(keep), Inputs(keep)

    def read(source, name):
        path = Path(source.path(f"s3://corpus/{name}"))
        assert path.read_bytes() == bucket.objects[name]
        return path

    held = read(first, "b")
    read(second, "a")
    read(second, "c")  # of 250 bytes two objects fit
    assert held.read_bytes() == b"b" * 100, "its user keeps it"
    read(second, "a")
    assert gets(bucket) == 3
    read(second, "b")
    read(second, "wide")  # kept by nobody
    read(second, "b")
    assert gets(bucket) == 5
    assert sum(path.stat().st_size for path in tmp_path.glob("*/objects/*")) == 200
    del first, second
    assert not list(tmp_path.glob(f"*/{inputs._PREFIX}*"))


def test_workers_that_want_one_object_at_once_download_it_once(bucket, tmp_path):
    bucket.objects = {"a": b"x" * 1000}
    keep = Keep(str(tmp_path), 10**6)
    with ThreadPoolExecutor(8) as workers:
        sources = [Inputs(keep) for _ in range(8)]
        paths = list(workers.map(lambda source: source.path("s3://corpus/a"), sources))
    assert len({*paths}) == 8
    assert all(Path(path).read_bytes() == b"x" * 1000 for path in paths)
    assert gets(bucket) == 1


def test_a_download_that_fails_is_not_kept(bucket, tmp_path):
    bucket.objects = {"a": b"x" * 1000}
    keep = Keep(str(tmp_path), 10**6)
    with pytest.raises(Failure, match="timeout"):
        Inputs(keep, timeout_s=0).path("s3://corpus/a")
    assert not list(tmp_path.glob("*/objects/*"))
    assert Path(Inputs(keep).path("s3://corpus/a")).read_bytes() == b"x" * 1000


def test_failures_of_a_bucket_are_rows_that_name_the_object(bucket, temporary):
    bucket.objects = {"text.mp4": b"this is a letter\n" * 40, "long.mp4": b"x" * 2000}
    probe = Probe(10**6)
    cases = {"missing": "none.mp4", "format": "text.mp4", "too_large": "long.mp4", "refused": "../x.mp4"}
    for kind, key in cases.items():
        probe.inputs = Inputs(max_bytes=1000)
        row = probe(row_of(f"s3://corpus/{key}"))
        assert (row["status"], row["error_kind"]) == ("failed", kind)
        assert row["error"].startswith(f"s3://corpus/{key}") or kind == "missing"
        assert str(temporary) not in row["error"]
    bucket.denied = True
    row = probe(row_of("s3://corpus/text.mp4"))
    assert row["error_kind"] == "missing"
    assert "ACCESS_DENIED" in row["error"]
    assert "AKIACANARY" not in row["error"]


def test_a_busy_service_is_asked_again(bucket):
    bucket.objects = {"a.mp4": b"x"}
    bucket.busy = 2
    assert Path(Inputs().path("s3://corpus/a.mp4")).read_bytes() == b"x"


def test_a_slow_download_ends_at_its_limit(bucket):
    bucket.objects = {"a.mp4": b"x" * 1000}
    with pytest.raises(Failure, match=r"timeout: s3://corpus/a\.mp4 was not read within 0 s"):
        Inputs(timeout_s=0).path("s3://corpus/a.mp4")


def test_a_full_disk_is_said_as_such(bucket):
    bucket.objects = {"a.mp4": b"x" * 1000}
    with pytest.raises(Failure, match=r"no space left in .*; free some"):
        Inputs()._download("s3://corpus/a.mp4", Path("/dev/full"))


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9/a.mp4", "s3://k:canary@b/a", "gs://b/a?secret=canary", "gs://canary@b/a", "a\0b"]
)
def test_what_may_not_be_read_is_refused_at_the_last_door_too(uri):
    with pytest.raises(Failure) as caught:
        Inputs().path(uri)
    assert caught.value.kind == "refused"
    assert "canary" not in str(caught.value)


def test_a_uri_leads_back_to_its_path():
    for path in ("/a b/%20.mp4", "/line\n", "/ü.mp4", "/\udcff%41.mp4"):
        assert inputs.to_path(inputs.from_path(path)) == path
        inputs.from_path(path).encode()
    assert os.fsencode(inputs.to_path("file:///a%FFb")) == b"/a\xffb"
