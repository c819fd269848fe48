import os
import time

import pytest

from pipeline.run_folder import digests
from pipeline.run_folder.digests import Digests, digest
from pipeline.run_folder.layout import RunLayout
from trainers import videos
from trainers.places import files_below, write_whole
from trainers.videos import VideoWriter, gather


def settle(folder):
    """Wait until the clock of the disk has ticked."""
    while not all(facts.settled for _, facts in files_below(folder)):
        time.sleep(0.01)


@pytest.fixture
def reads(monkeypatch):
    """Names of the files whose contents were read."""
    names, blocks = [], digests.blocks

    def counted(where):
        names.append(where.name)
        return blocks(where)

    monkeypatch.setattr(digests, "blocks", counted)
    return names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("trainers.places._TICK_S", 0.05)
    (tmp_path / "data" / "inner").mkdir(parents=True)
    (tmp_path / "data" / "a").write_bytes(b"aaaa")
    (tmp_path / "data" / "inner" / "b").write_bytes(b"bbbb")
    return tmp_path / "data"


def test_what_did_not_change_is_not_read_again_even_by_the_next_command(folder, reads):
    layout = RunLayout(folder.parent)
    settle(folder)
    known = Digests(layout)
    value = known.of(folder)
    assert reads == ["a", "b"]
    assert known.of(folder) == value == digest(folder)
    known.save()
    del reads[:]
    assert Digests(layout).of(folder) == value
    assert reads == []
    layout.digests.unlink()
    assert Digests(layout).of(folder) == value
    assert reads == ["a", "b"], "without the file everything is read again"


@pytest.mark.parametrize("change", ["edit", "edit with the old time", "truncate", "add", "remove", "swap"])
def test_every_change_is_found(folder, change):
    settle(folder)
    known = Digests(RunLayout(folder.parent))
    before = known.of(folder)
    times = (folder / "a").stat()
    if change.startswith("edit"):
        (folder / "a").write_bytes(b"aaab")
        if "old" in change:
            os.utime(folder / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "truncate":
        os.truncate(folder / "a", 3)
    elif change == "add":
        (folder / "c").touch()
    elif change == "remove":
        (folder / "a").unlink()
    else:
        (folder / "a").replace(folder / "c")
    assert known.of(folder) != before


def test_what_was_written_just_now_is_read_again_since_the_clock_may_not_have_ticked(folder, reads, monkeypatch):
    monkeypatch.setattr("trainers.places._TICK_S", 3600.0)
    known = Digests(RunLayout(folder.parent))
    assert known.of(folder) == known.of(folder)
    assert reads == ["a", "b", "a", "b"]


def test_a_folder_has_one_digest_on_a_disk_and_in_a_bucket(folder, s3, reads):
    layout = RunLayout.at(f"{s3.bucket}/run")
    for name in ("a", "inner/b"):
        write_whole(layout.root / "data" / name, (folder / name).read_bytes())
    known = Digests(layout)
    assert known.of(layout.root / "data") == digest(folder)
    known.save()
    del reads[:]
    assert Digests(layout).of(layout.root / "data") == known.of(layout.root / "data")
    assert reads == []
    write_whole(layout.root / "data" / "a", b"aaab")
    assert Digests(layout).of(layout.root / "data") != digest(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"data": 3}', '{"data": {"state": 1}}'])
def test_a_damaged_memory_is_no_memory(folder, text):
    layout = RunLayout(folder.parent)
    layout.manifests.mkdir()
    layout.digests.write_text(text)
    assert Digests(layout).of(folder) == digest(folder)


def test_packed_videos_are_believed_when_they_are_written_and_read_when_their_files_changed(tmp_path, monkeypatch):
    read = []
    call = videos.read_video
    monkeypatch.setattr(videos, "read_video", lambda where: read.append(where) or call(where))
    layout = RunLayout.at(tmp_path)
    features = layout.features_of("pool")
    writer = VideoWriter(features)
    for name in "abc":
        writer.write(name, [1.0, ord(name)])
    gather(features, set("abc"))
    del read[:]
    known = Digests(layout)
    value = known.of(features, written=True)
    assert known.of(features) == value
    assert read == []
    assert digest(features) == value
    assert len(read) == 3
    pack = next(path for path in features.iterdir() if path.name.startswith("pack-"))
    pack.write_bytes(pack.read_bytes()[:-40])
    assert known.of(features) != value
