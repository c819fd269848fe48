"""Scores that people gave on any scale, on the scale of this program: 0 (worst) to 100 (best)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pipeline.console import UserError

BEST = 100.0
_RANGE = "?range="
_SMALL = 10.0  # scales of opinions end at 1, 5, 7, 9 or 10; a whole table of points below this would be one of ruins


def split_range(name: str, what: str) -> tuple[str, tuple[float, float] | None]:
    """A table's file and the range of its scores: "mos.csv?range=1..5" gives "mos.csv" and (1, 5).

    Args:
        name: As the user wrote it; without "?range=" there is no range.
        what: The option or key, for messages.

    Raises:
        UserError: What follows "?range=" is not LOW..HIGH with LOW below HIGH.
    """
    file, mark, text = name.rpartition(_RANGE)
    if not mark:
        return name, None
    try:
        low, high = (float(end) for end in text.split("..", 1))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(
            f"{what} {name}: {text!r} is no range of scores; write the lowest and the highest: {_RANGE}1..5"
        )
    return file, (low, high)


def on_points(values: Sequence[float], names: Sequence[str], span: tuple[float, float] | None, what: str) -> np.ndarray:
    """Scores from 0 to 100.

    Args:
        values: Scores as they stand in the table `[N]`, higher is better; NaN where there is none.
        names: Their videos, for messages.
        span: Lowest and highest score that raters could give; None: they are from 0 to 100 already.
        what: The option or key with the table, for messages.

    Returns:
        float64 `[N]`, NaN as in `values`.

    Raises:
        UserError: A score lies outside its range, or no range is named and none of the scores is above 10, so that they
            are hardly points of 100.
    """
    scores = np.asarray(values, np.float64)
    finite = np.isfinite(scores)
    low, high = span or (0.0, BEST)
    outside = np.flatnonzero(finite & ((scores < low) | (scores > high)))
    if outside.size:
        first = int(outside[0])
        raise UserError(
            f"{what}: {outside.size} of {int(finite.sum())} scores lie outside {low:g}..{high:g}, the first is "
            f"{scores[first]:g} of {names[first]}; name the range that raters could use, higher is better: FILE{_RANGE}LOW..HIGH"
        )
    if span is None and finite.any() and scores[finite].max() <= _SMALL:
        least, most = scores[finite].min(), scores[finite].max()
        raise UserError(
            f"{what}: all scores lie in {least:g}..{most:g}, and points from 0 to 100 are needed; name the range that raters "
            f"could use, such as FILE{_RANGE}1..5, or FILE{_RANGE}0..100 if they are points"
        )
    return scores if span in (None, (0.0, BEST)) else (scores - low) * (BEST / (high - low))
