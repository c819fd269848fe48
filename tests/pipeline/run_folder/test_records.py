import dataclasses

import pytest

from pipeline.run_folder import records
from pipeline.run_folder.records import ENSEMBLE, PAIRS, Table

TABLES = [value for value in vars(records).values() if isinstance(value, Table)]


def test_the_columns_of_pairs_are_those_that_users_rely_on():
    assert PAIRS.schema.names == [
        *("pair_id", "first", "second", "origin", "label", "delta", "sigma", "teacher", "distortion"),
        *("level_first", "level_second", "round"),
    ]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_keys_are_columns_without_empty_cells(table):
    assert table.key
    for name in table.key:
        assert not table.schema.field(name).nullable
    assert table.schema.names == [field.name for field in dataclasses.fields(table.row)]


def test_dictionaries_with_other_columns_are_refused():
    with pytest.raises(ValueError, match=r"columns differ.*extra"):
        ENSEMBLE.table([{"video_id": "a", "mean": 1.0, "variance": 0.0, "n_teachers": 2, "extra": 1}])
