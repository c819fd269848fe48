import numpy as np
import pytest

from pipeline.console import UserError
from pipeline.corpus.rating_scale import on_points, split_range


def test_a_range_is_named_behind_the_file():
    assert split_range("a/mos.csv", "key") == ("a/mos.csv", None)
    assert split_range("a/mos.csv?range=1..5", "key") == ("a/mos.csv", (1.0, 5.0))
    assert split_range("mos.csv?range=-0.5..1", "key") == ("mos.csv", (-0.5, 1.0))


@pytest.mark.parametrize("text", ["", "5", "5..1", "1..1", "1..x", "0..inf"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(UserError, match="is no range of scores; write the lowest and the highest"):
        split_range(f"mos.csv?range={text}", "teachers.mos")


def test_scores_become_points():
    np.testing.assert_allclose(on_points([1, 3, np.nan, 5], "abcd", (1, 5), "key"), [0, 50, np.nan, 100])
    np.testing.assert_array_equal(on_points([0.1, 99.9], "ab", None, "key"), [0.1, 99.9])
    np.testing.assert_array_equal(on_points([3.3, 4.7], "ab", (0, 100), "key"), [3.3, 4.7])


@pytest.mark.parametrize(
    ("values", "span", "words"),
    [
        ([50, 101], None, r"1 of 2 scores lie outside 0\.\.100, the first is 101 of b"),
        ([3, 6], (1, 5), r"1 of 2 scores lie outside 1\.\.5, the first is 6 of b"),
        ([1.2, 4.6], None, r"all scores lie in 1\.2\.\.4\.6.*range=0\.\.100 if they are points"),
    ],
)
def test_scores_that_do_not_fit_their_range_are_refused(values, span, words):
    with pytest.raises(UserError, match=words):
        on_points(values, "ab", span, "key")
