import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.console import UserError
from pipeline.student.pictures import MOMENTS, MOST_FILES, clock, contact_sheet, moments, strip
from pipeline.student.seconds import Curve, Second, Stretch


def jpeg(shade):
    data = io.BytesIO()
    Image.new("RGB", (64, 36), (shade, shade, shade)).save(data, "JPEG")
    return data.getvalue()


def second(start, score):
    if score is None:
        return Second(float(start), 1.0, "failed", error="decode: no frame")
    return Second(float(start), 1.0, "ok", score, score - 5, score + 5, 5.0, picture=jpeg(int(score)))


@pytest.fixture
def curve():
    """Ten seconds: low at 4, lost at 7."""
    scores = [70, 71, 70, 72, 40, 70, 71, None, 75, 70]
    low = Stretch(4.0, 5.0, 40.0, 40.0, 4.0, "held pictures -20.0")
    return Curve("/x/a.mp4", "ok", "video", 10.0, 9.0, 70.0, tuple(second(k, s) for k, s in enumerate(scores)), (low,))


def test_times_are_shown_as_players_do():
    assert [clock(seconds) for seconds in (0, 59.9, 61, 3600, 7325)] == ["0:00", "0:59", "1:01", "1:00:00", "2:02:05"]


def test_the_worst_moments_come_first_and_the_best_one_last(curve):
    found = [(one.start_s, mark) for one, mark in moments(curve)]
    assert found[0] == (4.0, "worst stretch 1")
    assert found[-1] == (8.0, "best")
    assert len(found) == MOMENTS + 1
    assert 7.0 not in dict(found), "a second without a score has nothing to show"


def colours(data):
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1, 3)
    return {tuple(colour) for colour in np.unique(pixels, axis=0).tolist()}


def test_a_strip_shows_curve_stretches_and_lost_seconds(curve):
    plain = replace(curve, worst=(), seconds=curve.seconds[:4])
    line, band, bad, lost = (11, 87, 164), (207, 225, 245), (247, 212, 207), (138, 146, 155)
    assert {line, band, bad, lost} <= colours(strip([curve]))
    shown = colours(strip([plain]))
    assert {line, band} <= shown
    assert not {bad, lost} & shown


def test_files_lie_below_each_other_and_a_failed_one_says_why(curve):
    gone = Curve("b.mp4", "failed", error="missing: no file")
    one, two = (Image.open(io.BytesIO(strip(some))).size for some in ([curve], [curve, gone]))
    assert two == (one[0], 2 * one[1])


def test_a_contact_sheet_needs_a_picture_and_leaves_failed_files_out(curve):
    sheet = Image.open(io.BytesIO(contact_sheet([curve, Curve("b.mp4", "failed", error="x")])))
    assert sheet.height < sheet.width
    with pytest.raises(UserError, match="nothing to show"):
        contact_sheet([Curve("b.mp4", "failed", error="x")])


def test_too_many_files_for_one_picture_are_refused(curve):
    with pytest.raises(UserError, match="name fewer files"):
        strip([curve] * (MOST_FILES + 1))
