from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.corpus.windows import windows
from pipeline.settings.config import CorpusConfig

MILLISECOND = 0.001  # starts are rounded to it


def sampling(window_s, count=1):
    return CorpusConfig(window_s=window_s, windows_per_clip=count)


@pytest.mark.parametrize("duration", [0.0, 0.5, 2.0])
def test_a_file_of_no_more_than_a_window_is_taken_whole(duration):
    assert list(windows(duration, sampling(2.0, 3))) == [(0.0, 0.0)]


def test_window_zero_is_the_whole_file():
    assert list(windows(100.0, sampling(0.0, 3))) == [(0.0, 0.0)]


def test_windows_stand_evenly_with_equal_gaps():
    assert list(windows(10.0, sampling(2.0, 2))) == [(2.0, 2.0), (6.0, 2.0)]
    assert list(windows(5.0, sampling(2.0, 9))) == [(0.333, 2.0), (2.667, 2.0)]


@given(st.floats(0, 1e5), st.floats(0.1, 60), st.integers(1, 12))
@example(6.0, 2.0, 3)
@example(2.0000001, 2.0, 3)
def test_windows_lie_inside_the_file_and_do_not_overlap(duration, length, count):
    found = list(windows(duration, sampling(length, count)))
    if duration <= length:
        assert found == [(0.0, 0.0)]
        return
    assert 1 <= len(found) <= count
    assert len(found) == count or len(found) == int(duration // length), "no more than fit, and no fewer"
    assert {size for _, size in found} == {length}
    starts = [start for start, _ in found]
    assert starts[0] >= 0
    assert starts[-1] + length <= duration + MILLISECOND
    assert all(b - a >= length - MILLISECOND for a, b in pairwise(starts))
