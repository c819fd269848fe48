"""What a window shows, from the display times alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.media.timeline import SCREEN_FPS, Timeline


def line(times, end_s=None, fps=0.0, ticks=0.0):
    last = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 0.04)
    return Timeline(np.array(times), last if end_s is None else end_s, fps, ticks)


def steady(count=60, rate=25.0, start_s=0.0):
    return [start_s + n / rate for n in range(count)]


@pytest.mark.parametrize("start_s", [0.0, 1.4, -0.08, 3600.0])
def test_a_window_counts_from_the_first_picture(start_s):
    cut = line(steady(start_s=start_s), fps=25).cut(0.4, 0.8)
    assert cut is not None
    assert (cut.first, cut.end, cut.rate, cut.schedule) == (10, 30, 25, None)


@given(st.sampled_from([10.0, 24.0, 25.0, 30000 / 1001, 50.0, 60.0]), st.integers(0, 1500), st.integers(300, 2500))
def test_a_steady_film_shows_each_picture_that_begins_in_the_window(rate, start_ms, length_ms):
    times = np.round(steady(300, rate), 3)  # as Matroska rounds them
    cut = Timeline(times, float(times[-1]) + 1 / rate, rate, rate).cut(start_ms / 1000, length_ms / 1000)
    assert cut is not None
    begins = [n for n, time in enumerate(times) if start_ms - 1 <= round(time * 1000) < start_ms + length_ms - 1]
    assert cut.schedule is None
    assert abs(cut.first - begins[0]) <= 1
    assert abs(cut.count - len(begins)) <= 1
    assert cut.rate == rate


def test_a_window_beyond_the_pictures_shows_nothing():
    film = line(steady(), fps=25)
    assert film.cut(2.4, 1.0) is None
    assert film.cut(100.0, 0.0) is None


def test_a_window_that_reaches_beyond_them_ends_with_them():
    cut = line(steady(), fps=25).cut(2.0, 9.0)
    assert cut is not None
    assert (cut.first, cut.end, cut.count) == (50, 60, 10)


def test_a_short_window_of_a_slide_show_shows_the_slide_that_is_on_the_screen():
    cut = Timeline(np.array([0.0, 3.0]), 4.0, 30.0, 30.0).cut(2.0, 0.5)
    assert cut is not None
    assert set(cut.numbers()) == {0}


@given(st.lists(st.floats(0.02, 9.0), min_size=1, max_size=40), st.floats(0, 1), st.floats(0.1, 5))
@example([3.0], 0.5, 0.5)
def test_a_window_shows_what_is_on_the_screen_and_no_more_than_fits(gaps, at, length):
    times = np.append(0.0, np.cumsum(gaps))
    film = Timeline(times, float(times[-1]) + 1.0, 30.0, 30.0)
    start = at * film.length_s
    cut = film.cut(start, length)
    if cut is None:
        assert start >= film.length_s - 0.01
        return
    shown = cut.numbers()
    assert (np.diff(shown) >= 0).all()
    assert cut.count <= (min(length, film.length_s - start) + 1) * max(cut.rate, SCREEN_FPS) + 1
    assert times[shown[0]] <= start + length
    if cut.schedule is not None:
        instants = cut.anchor_s + np.arange(cut.count) / cut.rate
        assert (times[shown] <= instants + 0.51 / cut.rate).all(), "no picture comes earlier than half a step"
        following = np.append(times, np.inf)[shown + 1]
        assert (following >= instants - 0.51 / cut.rate).all(), "and none stays when the next one is due"


@pytest.mark.parametrize(
    ("times", "end_s", "fps", "ticks", "spacing", "rate"),
    [
        (steady(), None, 25.0, 25.0, "constant", 25.0),
        (steady(), None, 25.0, 50.0, "constant", 25.0),
        (steady(60, 15.0), None, 30.0, 30.0, "constant", 15.0),
        ([*steady(30, 30.0), 301.0], 301.03, 0.11, 30000 / 1001, "held", 30000 / 1001),
        ([0.0, 5.0, 11.0, 19.0, 27.0], 32.0, 0.22, 1000.0, "held", 60.0),
        ([0.0, 6.0, 12.0], 18.0, 0.17, 0.17, "held", 60.0),
        ([0.0, 0.04, 0.08, 0.2, 0.24, 0.4], 0.44, 14.0, 25.0, "held", 25.0),
        ([0.0], 0.04, 25.0, 25.0, "single", 25.0),
    ],
)
def test_spacing_and_rate_come_from_the_times(times, end_s, fps, ticks, spacing, rate):
    film = line(times, end_s, fps, ticks)
    assert film.spacing == spacing
    assert film.rate == pytest.approx(rate, rel=1e-3)


def test_held_pictures_are_sampled_no_faster_than_asked():
    cut = line([*steady(30, 60.0), 5.0], 6.0, 5.0, 60.0).cut(0.0, 2.0, 24.0)
    assert cut is not None
    assert (cut.rate, cut.count) == (24.0, 48)
