import numpy as np
import pytest

from trainers.levels import LEVELS, at_least, level_indices, level_names


def test_the_levels_go_from_worst_to_best():
    assert LEVELS == ("inferior", "worse", "similar", "better", "superior")


def test_words_and_indices_are_inverse():
    assert level_indices(LEVELS).tolist() == [0, 1, 2, 3, 4]
    assert level_names(level_indices(LEVELS)) == list(LEVELS)
    with pytest.raises(ValueError, match="unknown label 'bad'; the labels are inferior, worse"):
        level_indices(["better", "bad"])


def test_a_label_read_as_a_bound_accepts_what_lies_beyond_it():
    assert at_least(np.arange(5)).astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1],
        [0, 0, 0, 1, 1],
        [0, 0, 0, 0, 1],
    ]
