import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.run_folder import store
from pipeline.run_folder.records import ENSEMBLE, FEATURES, SCORES, STUDENT_SCORES, EnsembleScore, Feature, TeacherScore


def score(video, value, digest="d"):
    return TeacherScore(video, "niqe", digest, value, "ok" if value is not None else "failed")


def test_rows_survive_the_disk(tmp_path):
    rows = [Feature("b", (0.5, 1.0)), Feature("a", ())]
    store.write_table(tmp_path / "deep" / "t.parquet", FEATURES.table(rows), FEATURES)
    back = store.read_table(tmp_path / "deep" / "t.parquet", FEATURES)
    assert back.equals(FEATURES.table(rows[::-1]))


def test_an_empty_required_cell_is_refused(tmp_path):
    data = pa.table({"video_id": ["a"], "mean": pa.array([None], pa.float64()), "variance": [0.0], "n_teachers": [2]})
    with pytest.raises(store.StoreError, match="mean"):
        store.write_table(tmp_path / "t.parquet", data, ENSEMBLE)
    assert list(tmp_path.iterdir()) == []


def test_a_column_of_another_type_or_none_at_all_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"video_id": ["a"], "mean": ["high"], "variance": [0.0], "n_teachers": [2]}), path)
    with pytest.raises(store.StoreError, match="do not fit"):
        store.read_table(path, ENSEMBLE)
    pq.write_table(pa.table({"video_id": ["a"]}), path)
    with pytest.raises(store.StoreError, match="no column 'mean'"):
        store.read_table(path, ENSEMBLE)


def test_a_table_from_before_a_column_came_reads_as_empty_there(tmp_path):
    old = {"video_id": ["a"], "round": [1], "raw": [0.1], "std": [2.0], "score": [51.0]}
    pq.write_table(pa.table(old), tmp_path / "t.parquet")
    (row,) = store.read_table(tmp_path / "t.parquet", STUDENT_SCORES).to_pylist()
    assert row == {name: values[0] for name, values in old.items()} | {"mean": None, "low": None, "high": None}


def test_missing_and_damaged_files_are_named(tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(store.StoreError, match=r"t\.parquet: there is no such file"):
        store.read_table(path, ENSEMBLE)
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(store.StoreError, match="damaged"):
        store.read_table(path, ENSEMBLE)
    path.write_bytes(b"{")
    with pytest.raises(store.StoreError, match="damaged"):
        store.read_json(path)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(-5, 5)), max_size=12), st.data())
def test_the_order_of_different_rows_does_not_change_the_bytes(rows, data):
    unique = list(dict(rows).items())
    shuffled = data.draw(st.permutations(unique))
    first, second = (
        store.normalise(SCORES.table([score(video, value) for video, value in order]), SCORES)
        for order in (unique, shuffled)
    )
    assert first.equals(second)


def test_shards_are_numbered_and_the_later_row_wins(tmp_path):
    folder = tmp_path / "scores"
    assert store.read_shards(folder, SCORES).num_rows == 0
    names = [
        store.append_shard(folder, SCORES.table(rows), SCORES).name
        for rows in ([score("b", 1.0), score("a", 2.0)], [score("b", 3.0), score("b", 4.0, "other")])
    ]
    assert names == ["shard-00000.parquet", "shard-00001.parquet"]
    rows = store.read_shards(folder, SCORES).to_pylist()
    assert [(row["video_id"], row["digest"], row["score"]) for row in rows] == [
        ("a", "d", 2.0),
        ("b", "d", 3.0),
        ("b", "other", 4.0),
    ]


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "t.json"
    store.write_json(path, {"a": 1})

    def fail_half_way():
        with store.atomic_file(path) as stream:
            stream.write(b"half")
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        fail_half_way()
    assert store.read_json(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.json"]


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path):
    folder = tmp_path / "scores"
    store.append_shard(folder, SCORES.table([score("a", 1.0)]), SCORES)
    (folder / ".shard-00001.parquet.0a1b2c3d.tmp").write_bytes(b"half")
    (folder / ".mine.tmp").write_bytes(b"the user's own")
    assert store.read_shards(folder, SCORES).num_rows == 1
    assert store.sweep_temporary(tmp_path) == 1
    assert sorted(entry.name for entry in folder.iterdir()) == [".mine.tmp", "shard-00000.parquet"]


def test_json_refuses_what_is_no_number(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        store.write_json(tmp_path / "t.json", {"loss": float("nan")})
    assert not store.exists(tmp_path / "t.json")


def test_object_stores_go_through_arrow(tmp_path, monkeypatch):
    local = pyarrow.fs.SubTreeFileSystem(str(tmp_path), pyarrow.fs.LocalFileSystem())
    monkeypatch.setattr(store, "_remote", lambda uri: (local, uri.removeprefix("s3://")))
    (tmp_path / "bucket").mkdir()
    path = "s3://bucket/t.parquet"
    assert not store.exists(path)
    rows = [EnsembleScore("a", 1.0, 0.5, 3)]
    store.write_table(path, ENSEMBLE.table(rows), ENSEMBLE)
    assert store.exists(path)
    assert store.read_table(path, ENSEMBLE).equals(ENSEMBLE.table(rows))
    with pytest.raises(store.StoreError, match="no such file"):
        store.read_bytes("s3://bucket/other")
