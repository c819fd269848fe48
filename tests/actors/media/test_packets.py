"""The table of packets that FFmpeg prints."""

from __future__ import annotations

import numpy as np
import pytest

from actors.media import packets
from actors.media.packets import Packets

NONE = packets._NONE


def table(*rows):
    """Packets of dts, pts, length and flags in milliseconds."""
    fields = np.array(rows, np.int64)
    return Packets(fields[:, 0], fields[:, 1], fields[:, 2], fields[:, 3], 0.001)


def test_pictures_come_in_the_order_of_display_and_without_those_that_an_edit_list_hides():
    rows = table((0, 0, 40, 5), (40, 120, 40, 0), (80, 40, 40, 0), (120, 80, 40, 0))
    times, end_s = rows.moments()
    assert (times.tolist(), end_s) == ([0.04, 0.08, 0.12], 0.16)
    assert (rows.keys().tolist(), rows.leads, rows.is_timed) == ([0.0], False, True)


def test_decoding_times_stand_in_where_a_display_time_is_missing():
    rows = table((0, NONE, 40, 1), (40, 120, 40, 0), (80, 40, 40, 0))
    assert (rows.moments()[0].tolist(), rows.is_timed, rows.leads) == ([0.0, 0.04, 0.08], False, True)


def test_pictures_without_any_time_follow_each_other():
    rows = table((NONE, NONE, 40, 1), (NONE, NONE, 40, 0), (NONE, NONE, 40, 0))
    assert rows.moments()[0].tolist() == [0.0, 0.04, 0.08]


def test_a_picture_shown_before_the_key_frame_that_it_follows_leads():
    assert table((0, 80, 40, 1), (40, 0, 40, 0), (80, 40, 40, 0)).leads
    assert not table((0, 0, 40, 1), (40, 80, 40, 0), (80, 40, 40, 0)).leads


def test_a_last_picture_without_a_length_lasts_as_long_as_the_others():
    assert table((0, 0, 0, 1), (40, 40, 0, 0), (80, 80, 0, 0)).moments()[1] == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        (b"0, 1, 2, 3, 4, 0xff", [(1, 2, 3, 1)]),
        (b"0, 1, 2, 3, 4, 0xff, F=0x0", [(1, 2, 3, 0)]),
        (b"0, 1, 2, 3, 4, 0xff, F=0x5, S=1, New Extradata, 3, 0x1", [(1, 2, 3, 5)]),
        (b"0, 1, 2, 3, 4, 0xff, S=1, New Extradata, 3, 0x1", [(1, 2, 3, 1)]),
        (b"0, one, 2, 3, 4, 0xff", []),
        (b"0, 1", []),
    ],
)
def test_lines_of_packets_are_read(line, rows):
    table = packets._Table()
    table.add(b"#tb 0: 1/1000\n")
    table.add(line)
    (track,) = table.packets()
    read = list(zip(track.dts, track.pts, track.length, track.flags, strict=True))
    assert [tuple(map(int, row)) for row in read] == rows
    assert track.tick_s == 0.001
