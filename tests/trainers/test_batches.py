import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.batches import PairSampler, read_features, read_pairs


@given(pairs=st.integers(1, 200), per_worker=st.integers(1, 20), workers=st.integers(1, 4), seed=st.integers(0, 5))
def test_every_pair_comes_once_per_epoch_and_the_parts_are_disjoint_and_equal(pairs, per_worker, workers, seed):
    samplers = [PairSampler(np.ones(pairs), per_worker * workers, workers, rank, seed) for rank in range(workers)]
    for epoch in range(2):
        seen = []
        for position in range(samplers[0].steps_per_epoch):
            parts = [s.batch(epoch * s.steps_per_epoch + position) for s in samplers]
            assert len({len(part.index) for part in parts}) == 1
            assert len({part.total_weight for part in parts}) == 1
            for part in parts:
                seen += part.index[part.weight > 0].tolist()
        assert sorted(seen) == list(range(pairs))


def test_epochs_differ_in_order_and_a_step_is_always_the_same():
    sampler = PairSampler(np.ones(50), 50, 1, 0, 3)
    assert (sampler.batch(0).index != sampler.batch(1).index).any()
    assert (sampler.batch(1).index == PairSampler(np.ones(50), 50, 1, 0, 3).batch(1).index).all()


def test_features_do_not_depend_on_the_order_of_the_shards(tmp_path, write_ordering):
    features = read_features(write_ordering(tmp_path)["features"])
    assert list(features.row_of) == sorted(features.row_of)
    assert features.matrix.dtype == np.float32
    assert features.matrix.shape[0] == 160


def test_origin_weights_scale_and_drop_pairs(tmp_path, write_ordering):
    paths = write_ordering(tmp_path)
    features = read_features(paths["features"])
    halved = read_pairs(paths["pairs"], features, {"synthetic": 0.5})
    assert len(halved) == 600
    assert halved.weight.mean() == pytest.approx(1, abs=1e-6)
    assert sorted({round(float(w / halved.weight.max()), 6) for w in halved.weight}) == [0.5, 1.0]
    assert len(read_pairs(paths["pairs"], features, {"synthetic": 0})) == 450


def test_a_pair_keeps_the_difference_by_which_it_was_labelled(tmp_path, write_ordering):
    paths = write_ordering(tmp_path)
    features, table = read_features(paths["features"]), pq.read_table(paths["pairs"])
    assert np.isnan(read_pairs(paths["pairs"], features).difference).all()
    delta = [None if k % 3 else float(k) for k in range(table.num_rows)]
    pq.write_table(table.append_column("delta", pa.array(delta, pa.float64())), tmp_path / "with.parquet")
    found = read_pairs(tmp_path / "with.parquet", features).difference
    assert found[:4].tolist()[::3] == [0.0, 3.0]
    assert np.isnan(found[1:3]).all()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", "good", "unknown label 'good'"),
        ("first", "nowhere", "a video without features, such as nowhere"),
    ],
)
def test_wrong_pairs_are_named(tmp_path, write_ordering, column, value, message):
    paths = write_ordering(tmp_path)
    table = pq.read_table(paths["pairs"])
    changed = [value, *table[column].to_pylist()[1:]]
    table = table.set_column(table.column_names.index(column), column, pa.array(changed))
    pq.write_table(table, tmp_path / "wrong.parquet")
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / "wrong.parquet", read_features(paths["features"]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", [1.0]), ("a", [2.0])], "twice"),
        ([("a", [1.0]), ("b", [2.0, 3.0])], "lengths"),
        ([("a", [float("nan")])], "video a are not finite"),
    ],
)
def test_wrong_features_are_named(tmp_path, rows, message):
    ids, vectors = zip(*rows, strict=True)
    pq.write_table(pa.table({"video_id": list(ids), "features": list(vectors)}), tmp_path / "features.parquet")
    with pytest.raises(ValueError, match=message):
        read_features(tmp_path)


def test_shards_may_have_dictionary_columns_or_plain_ones(tmp_path, write_ordering):
    paths = write_ordering(tmp_path)
    table, features = pq.read_table(paths["pairs"]), read_features(paths["features"])
    (tmp_path / "pairs").mkdir()
    pq.write_table(table.slice(0, 300), tmp_path / "pairs" / "0.parquet")
    coded = table.slice(300)
    for place, name in enumerate(coded.column_names):
        coded = coded.set_column(place, name, coded[name].dictionary_encode())
    pq.write_table(coded, tmp_path / "pairs" / "1.parquet")
    assert pa.types.is_dictionary(pq.read_table(tmp_path / "pairs" / "1.parquet")["label"].type)
    whole, joined = read_pairs(paths["pairs"], features), read_pairs(tmp_path / "pairs", features)
    for name in ("first", "second", "label", "weight", "synthetic"):
        assert np.array_equal(getattr(whole, name), getattr(joined, name))


def test_an_empty_feature_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="no Parquet file"):
        read_features(tmp_path)
