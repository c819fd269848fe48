"""Small charts as inline SVG, for a report without scripts or network access.

`Markup.format` escapes all text, so the name of a teacher or file is never interpreted as markup.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

SERIES_COLOURS = ("#0f766e", "#b45309", "#4338ca", "#be123c", "#0369a1", "#4d7c0f", "#7e22ce", "#57534e")
_GRID = "#e5e7eb"
_TEXT_WIDTH = 7.0  # pixels of one character at the chart's size of 12, on the wide side


@dataclass(frozen=True)
class Series:
    """A line of a chart: its name and its points `(x, y)`, ascending in x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Bar:
    """A bar of a chart; `value` is None where the figure is not defined."""

    label: str
    value: float | None
    colour: str


def line_chart(series: Sequence[Series], x_title: str, y_title: str, *, width: int = 560, height: int = 280) -> Markup:
    """Draw lines over common axes, with a legend on the right. Points that are not finite are left out."""
    lines = [Series(one.name, [p for p in one.points if all(map(math.isfinite, p))]) for one in series]
    lines = [one for one in lines if one.points]
    if not lines:
        return Markup("")
    x_ticks = ticks([p[0] for one in lines for p in one.points])
    y_ticks = ticks([p[1] for one in lines for p in one.points])
    legend = 24 + _TEXT_WIDTH * max(len(one.name) for one in lines)
    left, right, top, bottom = 56.0, width - legend, 12.0, height - 44.0
    x_scale = _scale(x_ticks[0], x_ticks[-1], left, right)
    y_scale = _scale(y_ticks[0], y_ticks[-1], bottom, top)
    parts = [_y_axis(y_ticks, y_scale, left, right), _x_axis(x_ticks, x_scale, top, bottom)]
    parts.append(_text((left + right) / 2, height - 8.0, x_title, "middle"))
    rotated = Markup('<text transform="translate(14 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>')
    parts.append(rotated.format((top + bottom) / 2, y_title))
    for index, one in enumerate(lines):
        colour = SERIES_COLOURS[index % len(SERIES_COLOURS)]
        path = " ".join(f"{x_scale(x):.1f},{y_scale(y):.1f}" for x, y in one.points)
        line = Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="1.8"/>')
        parts.append(line.format(path, colour))
        key = Markup('<line x1="{0:.1f}" x2="{1:.1f}" y1="{2:.1f}" y2="{2:.1f}" stroke="{3}" stroke-width="3"/>')
        y = top + 8 + 18 * index
        parts.append(key.format(right + 8, right + 22, y, colour))
        parts.append(_text(right + 27, y + 4, one.name))
    return _svg(width, height, parts, f"{y_title} over {x_title}")


def bar_chart(bars: Sequence[Bar], title: str, *, width: int = 560) -> Markup:
    """Draw horizontal bars from zero, the value at the end of each; the axis covers [0, 1], or [-1, 1] for negative values."""
    if not bars:
        return Markup("")
    values = [bar.value for bar in bars if bar.value is not None]
    low = -1.0 if min(values, default=0.0) < -0.05 else 0.0
    left = 16 + _TEXT_WIDTH * max(len(bar.label) for bar in bars)
    height = 22 * len(bars) + 30
    scale = _scale(low, 1.0, left, width - 52.0)
    marks = [low + (1 - low) * k / 4 for k in range(5)]
    parts = [_x_axis(marks, scale, 4.0, height - 22.0)]
    for index, bar in enumerate(bars):
        y = 22.0 * index + 6
        parts.append(_text(left - 8, y + 12, bar.label, "end"))
        if bar.value is None:
            parts.append(_text(scale(0.0) + 6, y + 12, "not defined"))
            continue
        ends = sorted((scale(0.0), scale(bar.value)))
        box = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="15" rx="2" fill="{}"/>')
        parts.append(box.format(ends[0], y, max(ends[1] - ends[0], 1.0), bar.colour))
        parts.append(_text(ends[1] + 5, y + 12, f"{bar.value:.3f}"))
    return _svg(width, height, parts, title)


def histogram_chart(
    edges: Sequence[float],
    filled: Mapping[str, Sequence[float]],
    outlined: Mapping[str, Sequence[float]],
    title: str,
    *,
    width: int = 280,
) -> Markup:
    """Draw shares over the bins of one axis: `filled` histograms as bars side by side, `outlined` ones as steps.

    Args:
        edges: Ascending edges of the bins, one more than there are bins.
        filled: Colour -> share of each bin.
        outlined: Colour -> share of each bin.
        title: What the axis measures.
    """
    height, left, right, top, bottom = 170, 40.0, width - 8.0, 8.0, 126.0
    marks = ticks([0.0, *(share for shares in (*filled.values(), *outlined.values()) for share in shares)], 4)
    x_scale, y_scale = _scale(edges[0], edges[-1], left, right), _scale(0.0, marks[-1], bottom, top)
    parts = [_y_axis(marks, y_scale, left, right)]
    ends = zip((edges[0], edges[-1]), ("start", "end"), strict=True)  # a label centred on an end would be cut off
    parts += [_text(x_scale(edge), bottom + 15, f"{edge:,.3g}", anchor) for edge, anchor in ends]
    parts.append(_text((left + right) / 2, height - 8.0, title, "middle"))
    for index, (colour, shares) in enumerate(filled.items()):
        for start, end, share in zip(edges, edges[1:], shares, strict=False):
            step = (x_scale(end) - x_scale(start)) * 0.9 / len(filled)
            box = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"/>')
            parts.append(
                box.format(x_scale(start) + index * step, y_scale(share), step, bottom - y_scale(share), colour)
            )
    for colour, shares in outlined.items():
        corners = [
            (edge, share) for start, end, share in zip(edges, edges[1:], shares, strict=False) for edge in (start, end)
        ]
        path = " ".join(f"{x_scale(x):.1f},{y_scale(y):.1f}" for x, y in corners)
        parts.append(Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="1.8"/>').format(path, colour))
    return _svg(width, height, parts, title)


def stacked_chart(
    rows: Mapping[str, Mapping[str, int]], colours: Mapping[str, str], title: str, *, width: int = 560
) -> Markup:
    """Draw each row as one bar of shares: `rows[name][part]` counts, in the order and the colours of `colours`."""
    if not rows:
        return Markup("")
    left = 16 + _TEXT_WIDTH * max(map(len, rows))
    right = width - 64.0
    parts = []
    for index, (name, counts) in enumerate(rows.items()):
        y = 24.0 * index + 4
        total = sum(counts.values())
        parts.append(_text(left - 8, y + 13, name, "end"))
        x = left
        for part, colour in colours.items():
            count = counts.get(part, 0)
            step = (right - left) * count / total if total else 0.0
            box = Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="17" fill="{}"><title>{}: {}</title></rect>'
            )
            parts.append(box.format(x, y, step, colour, part, count))
            x += step
        parts.append(_text(right + 6, y + 13, f"{total:,}"))
    return _svg(width, 24 * len(rows) + 8, parts, title)


def matrix_chart(names: Sequence[str], values: Sequence[Sequence[float | None]], title: str) -> Markup:
    """Draw a square matrix of correlations, blue for agreement and red for contradiction, the figure in each cell."""
    if not names:
        return Markup("")
    cell = 54
    left = 16 + _TEXT_WIDTH * max(map(len, names))
    parts = []
    for row, name in enumerate(names):
        parts.append(_text(left - 8, cell * row + 24 + 32, name, "end"))
        parts.append(_text(left + cell * (row + 0.5), 16.0, name if len(name) <= 7 else f"{name[:6]}…", "middle"))
        for column, value in enumerate(values[row]):
            box = Markup('<rect x="{:.1f}" y="{}" width="{}" height="{}" fill="{}"/>')
            parts.append(box.format(left + cell * column, cell * row + 24, cell - 2, cell - 2, _heat(value)))
            text = "-" if value is None else f"{value:.2f}"
            style = "middle" if value is None or abs(value) < 0.6 else "middle light"
            parts.append(_text(left + cell * (column + 0.5) - 1, cell * row + 24 + 31, text, style))
    side = cell * len(names)
    return _svg(int(left) + side, 24 + side, parts, title)


def standalone(chart: Markup) -> str:
    """A chart as a complete SVG file, on white."""
    start = '<svg xmlns="http://www.w3.org/2000/svg" style="background:#fff;font:12px sans-serif" '
    return str(chart).replace("<svg ", start, 1)


def ticks(values: Sequence[float], count: int = 5) -> list[float]:
    """Return about `count` round numbers that cover all values."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


@dataclass(frozen=True)
class _Scale:
    low: float
    factor: float
    start: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) * self.factor


def _scale(low: float, high: float, start: float, end: float) -> _Scale:
    return _Scale(low, (end - start) / (high - low), start)


def _heat(value: float | None) -> str:
    if value is None:
        return "#f3f4f6"
    strong = (15, 118, 110) if value >= 0 else (190, 18, 60)
    share = min(abs(value), 1.0)
    mixed = (round(255 + (channel - 255) * share) for channel in strong)
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _text(x: float, y: float, text: str, style: str = "start") -> Markup:
    anchor, _, kind = style.partition(" ")
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(x, y, anchor, kind, text)


def _x_axis(marks: Sequence[float], scale: _Scale, top: float, bottom: float) -> Markup:
    line = Markup('<line x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}" stroke="{3}"/>')
    lines = [line.format(scale(mark), top, bottom, _GRID) for mark in marks]
    return Markup("").join([*lines, *(_text(scale(mark), bottom + 15, f"{mark:,.6g}", "middle") for mark in marks)])


def _y_axis(marks: Sequence[float], scale: _Scale, left: float, right: float) -> Markup:
    line = Markup('<line x1="{1:.1f}" x2="{2:.1f}" y1="{0:.1f}" y2="{0:.1f}" stroke="{3}"/>')
    lines = [line.format(scale(mark), left, right, _GRID) for mark in marks]
    return Markup("").join([*lines, *(_text(left - 6, scale(mark) + 4, f"{mark:,.6g}", "end") for mark in marks)])


def _svg(width: int, height: int, parts: Sequence[Markup], title: str) -> Markup:
    frame = Markup('<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">{3}</svg>')
    return frame.format(width, height, title, Markup("").join(parts))
