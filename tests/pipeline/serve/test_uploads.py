import asyncio

import pytest

from pipeline.serve import uploads as module
from pipeline.serve.limits import Limits, Refusal
from pipeline.serve.uploads import uploads


async def body(*chunks, pause=0.0):
    for chunk in chunks:
        await asyncio.sleep(pause)
        yield chunk


def received(folder, *chunks, name="a.mp4", pause=0.0):
    return asyncio.run(folder.receive(body(*chunks, pause=pause), name))


def test_a_body_is_a_file_until_it_is_discarded_and_its_folder_goes_at_the_end():
    with uploads(Limits()) as folder:
        upload = received(folder, b"ab", b"c")
        assert upload.path.read_bytes() == b"abc"
        assert upload.digest == "ba7816bf8f01cfea"  # of SHA-256's test vector
        folder.discard(upload)
        assert list(folder.folder.iterdir()) == []
    assert not folder.folder.exists()


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("Holiday.MP4", ".mp4"),
        ("../../etc/passwd", ""),
        ("a.mp4/../b", ""),
        ("x." + "y" * 300, ""),
        ("-i.mkv", ".mkv"),
        ("a\n\0.ts", ".ts"),
        ("", ""),
    ],
)
def test_no_name_decides_where_a_file_lies(name, suffix):
    with uploads(Limits()) as folder:
        upload = received(folder, b"x", name=name)
        assert upload.path.parent == folder.folder
        assert upload.path.suffix == suffix
        assert upload.path.stem.isalnum()
        assert upload.name
        assert upload.name.isprintable()
        assert len(upload.name) <= 200


def test_a_body_that_grows_beyond_the_limit_is_refused_and_leaves_no_file():
    with uploads(Limits(bytes=10)) as folder:
        assert received(folder, b"x" * 10).path.stat().st_size == 10
        before = list(folder.folder.iterdir())
        with pytest.raises(Refusal, match=r"too_large: .* the limit is"):
            received(folder, b"x" * 6, b"x" * 5)
        assert list(folder.folder.iterdir()) == before


def test_a_body_without_a_byte_or_with_a_long_pause_is_refused_and_leaves_no_file():
    with uploads(Limits(idle_s=0.05)) as folder:
        with pytest.raises(Refusal, match="empty"):
            received(folder)
        with pytest.raises(Refusal, match="timeout") as late:
            received(folder, b"x", pause=5)
        assert late.value.status == 408
        assert list(folder.folder.iterdir()) == []


def test_what_is_too_large_by_its_own_account_is_refused_before_its_body():
    with uploads(Limits(bytes=1000)) as folder:
        with pytest.raises(Refusal) as large:
            folder.enter({"content-length": "1001"})
        assert (large.value.status, large.value.kind) == (413, "too_large")
        for stated in ("1000", "²", "-5", "many"):  # what is no number is counted as it comes
            folder.enter({"content-length": stated})


def test_only_so_many_requests_are_open():
    with uploads(Limits(requests=2)) as folder:
        folder.enter({})
        folder.enter({})
        with pytest.raises(Refusal) as busy:
            folder.enter({})
        assert (busy.value.status, busy.value.retry_s) == (503, 5)
        folder.leave()
        folder.enter({})
        assert folder.open == 2


def test_a_disk_without_room_is_told_before_the_body(monkeypatch):
    with uploads(Limits()) as folder:
        used = module.shutil.disk_usage(folder.folder)
        monkeypatch.setattr(module.shutil, "disk_usage", lambda _: used._replace(free=300 << 20))
        folder.enter({"content-length": str(10 << 20)})
        with pytest.raises(Refusal) as full:
            folder.enter({"content-length": str(100 << 20)})
        assert (full.value.status, full.value.kind) == (507, "storage")
