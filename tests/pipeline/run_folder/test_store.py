import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.run_folder import store
from pipeline.run_folder.records import ENSEMBLE, FEATURES, SCORES, STUDENT_SCORES, Feature, TeacherScore
from trainers import places


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
    writer = store.ShardWriter(folder, SCORES)
    for rows in ([score("b", 1.0), score("a", 2.0)], [score("b", 3.0), score("b", 4.0, "other")]):
        writer.append(SCORES.table(rows))
    assert [path.name for path in store.shards(folder)] == ["shard-00000.parquet", "shard-00001.parquet"]
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
        with places.atomic_file(path) as stream:
            stream.write(b"half")
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        fail_half_way()
    assert store.read_json(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.json"]


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path):
    folder = tmp_path / "scores"
    store.ShardWriter(folder, SCORES).append(SCORES.table([score("a", 1.0)]))
    (folder / ".shard-00001.parquet.0a1b2c3d.tmp").write_bytes(b"half")
    (folder / ".mine.tmp").write_bytes(b"the user's own")
    assert store.read_shards(folder, SCORES).num_rows == 1
    assert store.sweep_temporary(tmp_path) == 1
    assert sorted(entry.name for entry in folder.iterdir()) == [".mine.tmp", "shard-00000.parquet"]


def test_json_refuses_what_is_no_number(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        store.write_json(tmp_path / "t.json", {"loss": float("nan")})
    assert not store.exists(tmp_path / "t.json")


def rows_of(folder):
    return [(row["video_id"], row["score"]) for row in store.read_shards(folder, SCORES).to_pylist()]


def test_shards_are_merged_as_they_come_and_nothing_is_lost(root):
    folder = root / "scores"
    writer = store.ShardWriter(folder, SCORES, merged=4)
    for number in range(10):
        writer.append(SCORES.table([score(f"v{number}", 1.0 * number), score("same", 1.0 * number)]))
        assert len(store.shards(folder)) <= 4 + number // 4
    assert rows_of(folder) == [("same", 9.0), *((f"v{number}", 1.0 * number) for number in range(10))]
    assert store.read_keys(folder, SCORES).num_rows == 5 + 5 + 2 * 2, "a merged shard holds each key once"


def parts_of(folder):
    return [store.read_table(path, SCORES).num_rows for path in store.shards(folder)]


def test_compacted_shards_depend_on_the_rows_only(root):
    rows = [score(f"v{number:02d}", 1.0 * number) for number in range(23)]
    for order, folder in ((rows, root / "a"), (rows[::-1], root / "b")):
        writer = store.ShardWriter(folder, SCORES, merged=3)
        for start in range(0, len(order), 2):
            writer.append(SCORES.table(order[start : start + 2]))
        store.compact(folder, SCORES, rows=10)
        assert parts_of(folder) == [10, 10, 3]
    assert [path.read_bytes() for path in store.shards(root / "a")] == [
        path.read_bytes() for path in store.shards(root / "b")
    ]
    store.compact(root / "a", SCORES, rows=10)
    assert parts_of(root / "a") == [10, 10, 3]
    store.compact(root / "none", SCORES)
    assert parts_of(root / "none") == [0]


class KilledError(Exception):
    """Stands for the death of the process."""


def test_whenever_compacting_is_killed_every_row_is_there_and_the_end_is_the_same(tmp_path, monkeypatch):
    rows = [score(f"v{number:02d}", 1.0 * number) for number in range(12)]

    def filled(folder):
        writer = store.ShardWriter(folder, SCORES, merged=100)
        for number in range(12):
            writer.append(SCORES.table([rows[(5 * number) % 12]]))
        return folder

    store.compact(filled(tmp_path / "whole"), SCORES, rows=5)
    expected = [path.read_bytes() for path in store.shards(tmp_path / "whole")]
    moments = 0
    for last in itertools.count():
        folder = filled(tmp_path / f"killed-{last}")
        counted = itertools.count()
        with monkeypatch.context() as patched:

            def dying(call, counted=counted, last=last):
                def wrapped(*arguments, **named):
                    if next(counted) == last:
                        raise KilledError
                    return call(*arguments, **named)

                return wrapped

            patched.setattr(store, "write_table", dying(store.write_table))
            patched.setattr(Path, "replace", dying(Path.replace))
            patched.setattr(Path, "unlink", dying(Path.unlink))
            try:
                store.compact(folder, SCORES, rows=5)
            except KilledError:
                moments += 1
            else:
                break
        assert rows_of(folder) == [(f"v{number:02d}", 1.0 * number) for number in range(12)]
        store.compact(folder, SCORES, rows=5)
        assert [path.read_bytes() for path in store.shards(folder)] == expected
    assert moments > 10
