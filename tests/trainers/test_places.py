import pickle
import socket
from pathlib import Path

import pytest
from s3_server import SECRET

from trainers import bucket, places
from trainers.bucket import BucketError, BucketPath
from trainers.places import files_below, nearby, on_disk, place, publish, remove


def names_below(where):
    return sorted(name for name, _ in files_below(where))


def test_the_text_of_a_place_decides_where_it_is(tmp_path):
    assert place(str(tmp_path)) == tmp_path
    assert place("s3://b/a/run/") == BucketPath("s3://b/a/run")
    assert place("gs://b/a") / "x.json" == BucketPath("gs://b/a/x.json")
    assert pickle.loads(pickle.dumps(place("gs://b/a"))) == place("gs://b/a")


def test_files_and_folders_are_there_alike_on_a_disk_and_in_a_bucket(root):
    assert not (root / "a").exists()
    places.write_whole(root / "a" / "one.txt", b"1")
    places.write_whole(root / "a" / "b" / "two.json", b"22")
    assert [(root / "a").is_dir(), (root / "a").is_file(), (root / "a" / "one.txt").is_file()] == [True, False, True]
    assert sorted(path.name for path in (root / "a").iterdir()) == ["b", "one.txt"]
    assert [path.name for path in (root / "a").glob("*.txt")] == ["one.txt"]
    assert names_below(root / "a") == ["b/two.json", "one.txt"]
    assert names_below(root / "a" / "one.txt") == [""]
    assert (root / "a" / "b" / "two.json").stat().st_size == 2
    (root / "a" / "one.txt").replace(root / "a" / "three.txt")
    assert (root / "a" / "three.txt").read_text(encoding="ascii") == "1"
    assert b"".join(places.blocks(root / "a" / "b" / "two.json", size=1)) == b"22"
    with (root / "a" / "b" / "two.json").open("rb") as stream:
        stream.seek(-1, 2)
        assert stream.read() == b"2"
    remove(root / "a")
    remove(root / "a")
    assert not (root / "a").exists()


def test_what_is_not_there_is_missed_alike(root):
    for ask in (Path.read_bytes, Path.stat, Path.unlink):
        with pytest.raises(FileNotFoundError):
            getattr(root / "none", ask.__name__)()
    with pytest.raises(FileNotFoundError):
        list(files_below(root / "none"))
    (root / "none").unlink(missing_ok=True)


def test_a_folder_is_published_whole_and_read_back_from_a_disk(root, tmp_path):
    for text in ("old", "new"):
        fresh = tmp_path / "fresh"
        (fresh / "inner").mkdir(parents=True)
        (fresh / "inner" / text).write_text(text)
        publish(fresh, root / "student")
        assert not fresh.exists()
    with on_disk(root / "student") as folder:
        assert names_below(folder) == ["inner/new"]
        assert (folder / "inner" / "new").read_text() == "new"


def test_of_two_that_write_on_condition_one_succeeds(s3):
    lock = place(f"{s3.bucket}/lock")
    version = lock.create(b"first")
    with pytest.raises(FileExistsError):
        lock.create(b"second")
    later = lock.replace_version(b"third", version)
    with pytest.raises(FileExistsError):
        lock.replace_version(b"fourth", version)
    assert lock.read_version() == (b"third", later)


def test_every_third_answer_of_a_busy_service_is_asked_for_again(s3):
    s3.busy_every = 3
    where = place(f"{s3.bucket}/run")
    for number in range(6):
        (where / f"{number}.txt").write_bytes(b"x" * number)
    assert names_below(where) == [f"{number}.txt" for number in range(6)]
    assert [(where / f"{number}.txt").read_bytes() for number in range(6)] == [b"x" * number for number in range(6)]


@pytest.fixture
def hasty(monkeypatch):
    """Buckets that are met for the first time give up soon."""
    monkeypatch.setattr(bucket, "RETRIES", 1)
    bucket._store.cache_clear()
    yield
    bucket._store.cache_clear()


def test_a_service_that_stays_busy_ends_in_one_line_without_a_secret(s3, hasty):
    s3.busy_every = 1
    for ask in (BucketPath.read_bytes, BucketPath.is_dir, BucketPath.stat, lambda path: path.write_bytes(b"x")):
        with pytest.raises(BucketError) as caught:
            ask(place(f"{s3.bucket}/x"))
        said = str(caught.value)
        assert "503" in said
        assert "tried again" in said
        assert len(said.splitlines()) == 1
        assert not {SECRET, "AKIACANARY", "Authorization", "Credential"} & set(said.replace("/", " ").split())


def test_a_service_that_is_not_there_and_a_bucket_that_is_not_there_are_named(s3, hasty, monkeypatch):
    with pytest.raises(BucketError, match="s3://no-such-bucket-here/x: there is no such bucket"):
        place("s3://no-such-bucket-here/x").write_bytes(b"x")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    bucket._store.cache_clear()
    with pytest.raises(BucketError, match=r"s3://some/x: the bucket cannot be used \(error sending request.*endpoint"):
        place("s3://some/x").read_bytes()


def test_an_environment_without_credentials_on_a_machine_without_a_role_is_said(hasty, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(BucketError, match=r"s3://some/x: .* \(no credentials: the environment has none"):
            place("s3://some/x").read_bytes()


def test_a_place_below_the_working_directory_is_shown_as_its_user_writes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert nearby(tmp_path / "runs" / "a") == "runs/a"
    assert nearby(tmp_path.parent / "b") == str(tmp_path.parent / "b")
    assert nearby(place("s3://bucket/runs/a")) == "s3://bucket/runs/a"
