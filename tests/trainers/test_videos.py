import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainers import videos
from trainers.places import files_below
from trainers.videos import INDEX, VideoStore, VideoWriter, gather, packed_digest


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Three videos fill a file, and a token is a number."""
    monkeypatch.setattr(videos, "PACKED", 3)
    monkeypatch.setattr(videos, "tokens_of_length", lambda length: length)


def vector(number):
    return np.arange(number + 1, dtype=np.float32) / 7


def names(folder):
    return sorted(name.partition("-")[0] for name, _ in files_below(folder))


def written(folder, numbers):
    writer = VideoWriter(folder)
    for number in numbers:
        writer.write(f"v{number}", vector(number))


def test_videos_are_packed_as_they_come_and_listed_at_the_end(root):
    written(root, range(7))
    assert names(root) == ["pack", "pack", "v6.parquet"]
    gather(root, {f"v{number}" for number in range(7)})
    assert names(root) == ["index.parquet", "pack", "pack", "pack"]
    store = VideoStore(root)
    assert store.tokens.tolist() == list(range(1, 8))
    for number in (6, 0, 3):
        (got,) = store.take([f"v{number}"])
        assert np.array_equal(got, vector(number))


def test_the_digest_does_not_tell_who_packed_what(tmp_path):
    for folder, parts in (("a", [range(7)]), ("b", [[5, 1], [0, 2, 3, 6, 4]]), ("c", [range(7), [1, 2, 3, 4]])):
        for numbers in parts:
            written(tmp_path / folder, numbers)
        gather(tmp_path / folder, {f"v{number}" for number in range(7)})
    assert len({packed_digest(tmp_path / folder, check=True) for folder in "abc"}) == 1
    assert len(VideoStore(tmp_path / "c").row_of) == 7, "what was written twice is there once"


def test_a_round_without_copies_leaves_a_folder_that_is_read_beside_others(root):
    written(root / "pool", range(2))
    gather(root / "pool", {"v0", "v1"})
    (root / "copies").mkdir(parents=True)  # as a look begins; with ablation I or II no video follows
    gather(root / "copies", set())
    assert names(root / "copies") == ["index.parquet"]
    assert list(VideoStore(root).row_of) == ["v0", "v1"]
    assert packed_digest(root / "copies", check=True) == packed_digest(root / "copies", check=False)


def test_a_video_that_failed_later_is_left_out(tmp_path):
    written(tmp_path, range(5))
    gather(tmp_path, {"v0", "v4"})
    assert list(VideoStore(tmp_path).row_of) == ["v0", "v4"]
    gather(tmp_path / "none", set())
    with pytest.raises(ValueError, match="no video"):
        VideoStore(tmp_path / "none")


def test_a_folder_of_an_earlier_version_is_read_and_packed(tmp_path):
    for number in range(4):
        table = pa.table({"video_id": [f"v{number}"], "features": [vector(number)]})
        pq.write_table(table, tmp_path / f"v{number}.parquet", use_dictionary=False)
    before = VideoStore(tmp_path)
    assert np.array_equal(before.vector(2), vector(2))
    gather(tmp_path, {f"v{number}" for number in range(4)})
    assert names(tmp_path) == ["index.parquet", "pack", "pack"]
    assert np.array_equal(VideoStore(tmp_path).vector(2), vector(2))


def test_looks_lie_in_folders_of_their_own_below_one(tmp_path):
    written(tmp_path / "pool", range(2))
    gather(tmp_path / "pool", {"v0", "v1"})
    written(tmp_path / "distorted-1", [2])  # not gathered yet
    assert list(VideoStore(tmp_path).row_of) == ["v0", "v1", "v2"]
    written(tmp_path / "distorted-1", [1])
    with pytest.raises(ValueError, match="twice"):
        VideoStore(tmp_path)


def test_a_changed_number_and_a_file_that_is_gone_change_the_digest(tmp_path):
    written(tmp_path, range(3))
    gather(tmp_path, {"v0", "v1", "v2"})
    value = packed_digest(tmp_path, check=True)
    pack = next(path for path in tmp_path.iterdir() if path.name != INDEX)
    table = pq.read_table(pack)
    other = table.set_column(1, "features", pa.array([vector(0), vector(1) + 1, vector(2)], table.schema[1].type))
    pq.write_table(other, pack, row_group_size=1)
    changed = packed_digest(tmp_path, check=True)
    pack.unlink()
    assert len({value, changed, packed_digest(tmp_path, check=True)}) == 3
    assert packed_digest(tmp_path, check=False) == value
