import itertools
import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.charts import Bar, Series, bar_chart, line_chart, matrix_chart, stacked_chart, ticks

SVG = "{http://www.w3.org/2000/svg}"


def parsed(markup):
    return ET.fromstring(str(markup).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def texts(root):
    return [element.text or "" for element in root.iter(f"{SVG}text")]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_ticks_are_round_numbers_that_cover_all_values(values):
    marks = ticks(values)
    span = marks[-1] - marks[0]
    assert marks[0] <= min(values) + 1e-9 * span
    assert marks[-1] >= max(values) - 1e-9 * span
    assert 2 <= len(marks) <= 8
    steps = {round((second - first) / span, 9) for first, second in itertools.pairwise(marks)}
    assert len(steps) == 1


def test_a_line_lies_inside_its_axes():
    root = parsed(line_chart([Series("a", [(0, 1), (1, math.nan), (2, 5)]), Series("empty", [])], "step", "loss"))
    (line,) = root.iter(f"{SVG}polyline")
    points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    assert len(points) == 2
    assert all(56 <= x <= 560 and 12 <= y <= 236 for x, y in points)
    assert points[0][1] > points[1][1]
    assert {"a", "step", "loss"} <= set(texts(root))
    assert "empty" not in texts(root)


def test_bars_grow_with_their_values_and_start_at_zero():
    bars = [Bar("good", 0.8, "#111"), Bar("bad", -0.4, "#222"), Bar("none", None, "#333")]
    root = parsed(bar_chart(bars, "SRCC"))
    good, bad = ({key: float(box.attrib[key]) for key in ("x", "width")} for box in root.iter(f"{SVG}rect"))
    assert good["x"] == pytest.approx(bad["x"] + bad["width"], abs=0.2)
    assert good["width"] == pytest.approx(2 * bad["width"], rel=0.02)
    assert {"0.800", "-0.400", "not defined"} <= set(texts(root))


def test_the_parts_of_a_stack_add_up():
    colours = {"worse": "#111", "better": "#222"}
    root = parsed(stacked_chart({"ensemble": {"better": 3, "worse": 1}, "gmad": {}}, colours, "labels"))
    widths = [float(box.attrib["width"]) for box in root.iter(f"{SVG}rect")]
    assert widths[1] == pytest.approx(3 * widths[0], rel=0.01)
    assert widths[2:] == [0, 0]
    assert {"4", "0"} <= set(texts(root))


def test_a_matrix_shows_every_figure():
    root = parsed(matrix_chart(["one", "another-long-name"], [[1.0, -0.25], [-0.25, None]], "SRCC"))
    assert texts(root).count("-0.25") == 2
    assert {"1.00", "-"} <= set(texts(root))
    fills = [box.attrib["fill"] for box in root.iter(f"{SVG}rect")]
    assert all(re.fullmatch(r"#[0-9a-f]{6}", fill) for fill in fills)
    assert fills[0] != fills[1]


def test_nothing_to_show_is_no_chart():
    assert (
        line_chart([], "x", "y") == bar_chart([], "t") == stacked_chart({}, {}, "t") == matrix_chart([], [], "t") == ""
    )


def test_names_are_escaped():
    hostile = '<mark>"&'
    for chart in (
        line_chart([Series(hostile, [(0, 1), (1, 2)])], hostile, hostile),
        bar_chart([Bar(hostile, 0.5, hostile)], hostile),
        stacked_chart({hostile: {hostile: 1}}, {hostile: "#111"}, hostile),
        matrix_chart([hostile], [[1.0]], hostile),
    ):
        assert "<mark" not in chart
        assert parsed(chart) is not None
