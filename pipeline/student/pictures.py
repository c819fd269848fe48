"""Curves as pictures: a strip that shows the score over time, and a contact sheet of the worst moments. Pillow only."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import PurePath

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.console import UserError, visible
from pipeline.student.seconds import Curve, Second, Stretch
from pipeline.student.tables import printable

MOST_FILES = 50  # in one picture
MOMENTS = 5  # of a file on the contact sheet, before its best one
_WIDTH, _HEIGHT = 1000, 230  # of one strip, pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 14, 34, 28
_INK, _FAINT, _PAPER = "#1b1f24", "#d5d9de", "#ffffff"
_LINE, _BAND, _BAD, _LOST = "#0b57a4", "#cfe1f5", "#f7d4cf", "#8a929b"
_CELL, _CAPTION = (250, 170), 78  # of a picture on the contact sheet, and the lines below it
_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


def clock(seconds: float) -> str:
    """A time as players show it."""
    whole = int(seconds)
    hours = f"{whole // 3600}:{whole // 60 % 60:02d}" if whole >= 3600 else f"{whole // 60}"
    return f"{hours}:{whole % 60:02d}"


def strip(curves: Sequence[Curve]) -> bytes:
    """PNG: score and 68 % interval of each file over time, its worst stretches, and the seconds that failed.

    Raises:
        UserError: Too many files for one picture.
    """
    _check(curves, "--strip")
    picture = Image.new("RGB", (_WIDTH, _HEIGHT * max(len(curves), 1)), _PAPER)
    draw = ImageDraw.Draw(picture)
    for number, curve in enumerate(curves):
        _strip(draw, curve, number * _HEIGHT)
    return _png(picture)


def contact_sheet(curves: Sequence[Curve]) -> bytes:
    """PNG: a row for each file with pictures of its worst moments, and of its best one to compare them with.

    Raises:
        UserError: Too many files for one picture, or none of them has a picture.
    """
    _check(curves, "--frames")
    rows = [(curve, moments(curve)) for curve in curves]
    rows = [(curve, found) for curve, found in rows if found]
    if not rows:
        raise UserError("--frames: no second of any file could be judged, so there is nothing to show")
    tall = _TOP + _CELL[1] + _CAPTION
    picture = Image.new("RGB", (_CELL[0] * (MOMENTS + 1), tall * len(rows)), _PAPER)
    draw = ImageDraw.Draw(picture)
    for number, (curve, found) in enumerate(rows):
        top = number * tall
        stands = "" if curve.worst else "; no stretch stands out, these are its lowest seconds"
        draw.text((8, top + 8), f"{_name(curve)}   median {curve.median:.1f}{stands}", _INK, _font(15))
        for place, (second, mark) in enumerate(found):
            _moment(picture, draw, second, mark, (place * _CELL[0], top + _TOP))
    return _png(picture)


def moments(curve: Curve) -> list[tuple[Second, str]]:
    """The seconds that the contact sheet shows of a file, each with its mark.

    The lowest second of each stretch, then the lowest of the others, in all `MOMENTS`; then the best one, if it is another.
    """
    shown = [second for second in curve.seconds if second.score is not None and second.picture]
    by_score = sorted(shown, key=lambda second: (_score(second), second.start_s))
    at = {second.start_s: second for second in shown}
    first = [(at[one.lowest_s], f"worst stretch {k}") for k, one in enumerate(curve.worst, 1) if one.lowest_s in at]
    rest = [(second, "low") for second in by_score if all(second is not other for other, _ in first)]
    best = by_score[-1:]
    worst = [(second, mark) for second, mark in [*first, *rest][:MOMENTS] if second not in best or len(shown) == 1]
    return worst + ([(best[0], "best")] if len(shown) > 1 else [])


def _score(second: Second) -> float:
    assert second.score is not None, "only seconds with a score are shown"
    return second.score


def _check(curves: Sequence[Curve], option: str) -> None:
    if len(curves) > MOST_FILES:
        raise UserError(f"{option}: one picture shows {MOST_FILES} files at most, not {len(curves)}; name fewer files")


def _moment(
    picture: Image.Image, draw: ImageDraw.ImageDraw, second: Second, mark: str, corner: tuple[int, int]
) -> None:
    left, top = corner
    with Image.open(io.BytesIO(second.picture), formats=("JPEG",)) as small:
        small.thumbnail((_CELL[0] - 8, _CELL[1] - 6))
        picture.paste(small, (left + (_CELL[0] - small.width) // 2, top + (_CELL[1] - small.height) // 2))
    colour = "#a02717" if mark != "best" else "#1a6b35"
    text = f"{clock(second.start_s)}   {_score(second):.1f}   {mark}"
    draw.text((left + 8, top + _CELL[1]), text, colour, _font(13))
    for line, part in enumerate(textwrap.wrap(second.reason, 40)[:3]):
        draw.text((left + 8, top + _CELL[1] + 18 + 16 * line), part, _INK, _font(12))


def _strip(draw: ImageDraw.ImageDraw, curve: Curve, top: int) -> None:
    title = f"{_name(curve)}   "
    if not curve.seconds or curve.median is None:
        draw.text((_LEFT, top + 10), f"{title}{visible(curve.error or 'nothing was judged')}"[:140], _INK, _font(14))
        return
    draw.text((_LEFT, top + 8), f"{title}median {curve.median:.1f}, 68 % interval, {curve.coverage}", _INK, _font(14))
    good = [second for second in curve.seconds if second.score is not None]
    bottom, ceiling = _limits([(second.low, second.high) for second in good])
    end = max(curve.seconds[-1].end_s, 1.0)
    inner = (_WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM)

    def x(seconds: float) -> float:
        return _LEFT + inner[0] * seconds / end

    def y(score: float) -> float:
        return top + _TOP + inner[1] * (ceiling - score) / (ceiling - bottom)

    _backdrop(
        draw, curve.worst, [second for second in curve.seconds if second.score is None], x, (y(ceiling), y(bottom))
    )
    _axes(draw, x, y, end, (bottom, ceiling))
    for run in _runs(curve.seconds):
        edges = [(edge, second) for second in run for edge in (second.start_s, max(second.end_s, second.start_s + 0.1))]
        upper = [(x(edge), y(second.high or 0.0)) for edge, second in edges]
        lower = [(x(edge), y(second.low or 0.0)) for edge, second in reversed(edges)]
        draw.polygon(upper + lower, fill=_BAND)
    for run in _runs(curve.seconds):
        edges = [(edge, second) for second in run for edge in (second.start_s, max(second.end_s, second.start_s + 0.1))]
        draw.line([(x(edge), y(_score(second))) for edge, second in edges], _LINE, 2)
    for rank, one in enumerate(curve.worst, 1):
        draw.text((x((one.start_s + one.end_s) / 2), y(ceiling) + 2), str(rank), "#a02717", _font(13), anchor="ma")


def _backdrop(
    draw: ImageDraw.ImageDraw,
    worst: Sequence[Stretch],
    lost: Sequence[Second],
    x: Callable[[float], float],
    heights: tuple[float, float],
) -> None:
    for one in worst:
        draw.rectangle((x(one.start_s), heights[0], x(one.end_s), heights[1]), fill=_BAD)
    for second in lost:
        draw.rectangle((x(second.start_s), heights[0], x(second.end_s), heights[1]), fill=_LOST)


def _axes(
    draw: ImageDraw.ImageDraw,
    x: Callable[[float], float],
    y: Callable[[float], float],
    end: float,
    limits: tuple[float, float],
) -> None:
    bottom, ceiling = limits
    step = 10 if ceiling - bottom <= 60 else 20
    for score in range(int(bottom), int(ceiling) + 1, step):
        draw.line([(x(0), y(score)), (x(end), y(score))], _FAINT)
        draw.text((_LEFT - 6, y(score)), str(score), _INK, _font(12), anchor="rm")
    tick = next((some for some in _TICKS_S if end / some <= 12), _TICKS_S[-1])
    for at in np.arange(0, end + 1e-9, tick):
        draw.text((x(at), y(bottom) + 6), clock(at), _INK, _font(12), anchor="ma")


def _limits(intervals: Sequence[tuple[float | None, float | None]]) -> tuple[float, float]:
    ends = [end for both in intervals for end in both if end is not None]
    bottom, ceiling = 10 * np.floor(min(ends) / 10), 10 * np.ceil(max(ends) / 10)
    return float(bottom), float(max(ceiling, bottom + 10))


def _runs(seconds: Sequence[Second]) -> list[list[Second]]:
    """Seconds with a score, cut where one failed; seconds that were spread over a long file stay joined."""
    runs: list[list[Second]] = [[]]
    for second in seconds:
        if second.score is None:
            runs.append([])
        else:
            runs[-1].append(second)
    return [run for run in runs if run]


def _name(curve: Curve) -> str:
    name = visible(printable(PurePath(curve.video).name))
    return name if len(name) <= 60 else f"{name[:40]}...{name[-17:]}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    return data.getvalue()
