"""The table of the nine video indicators by which the corpus is balanced (CVPR 2026, appendix A.2).

They are computed once per second of the window, from the first frame of the second and the native frame after it. Their
mean over the seconds, or the maximum for SI and TI (ITU-T P.910), is the number of the video. A new
indicator is one row here and one function `measure(instant) -> float` in any importable module.

Importing this package loads no OpenCV: a `Meter` imports the functions that it calls.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from actors.indicators.instant import Instant

__all__ = ["INDICATORS", "Indicator", "Meter"]


@dataclass(frozen=True)
class Indicator:
    """One indicator.

    Attributes:
        name: Key in `INDICATORS` and column of `indicators.parquet`.
        function: `module:function`; the function takes an `actors.indicators.instant.Instant`.
        reduce: How the values of all seconds are combined: `mean` or `max`.
        unit: Unit of the value.
        formula: In one line; Y is luma, 0 to 255.
        source: Where it was published.
    """

    name: str
    function: str
    reduce: Literal["mean", "max"]
    unit: str
    formula: str
    source: str


_HERE = "actors.indicators"
_ROWS = (
    # The paper prints internal over external steps, so blocks lower the value; its source defines it in the same way.
    Indicator(
        "blockiness", f"{_HERE}.artefacts:blockiness", "mean", "ratio, 1 = no 8x8 grid, lower = blocks",
        "mean |step| inside 8x8 blocks / mean |step| across their borders", "Romaniak et al. 2012",
    ),
    Indicator(
        "blur", f"{_HERE}.cpbd:cpbd", "mean", "probability, 0 = blurred, 1 = sharp",
        "share of edges whose probability of visible blur is at most 63 %", "CPBD, Narvekar & Karam 2011",
    ),
    Indicator("contrast", f"{_HERE}.picture:contrast", "mean", "grey levels", "std(Y)", "Peli 1990"),
    Indicator(
        "noise", f"{_HERE}.artefacts:noise", "mean", "grey levels", "sqrt(pi/2) / 6 * mean |Y * L|, L = [1 -2 1]' [1 -2 1]",
        "Immerkaer 1996; the paper gives none",
    ),
    Indicator(
        "flicker", f"{_HERE}.motion:flicker", "mean", "share of macroblocks",
        "share of 16x16 blocks whose mean moves by more than 10 levels to the next frame", "Pandel 2008",
    ),
    Indicator(
        "colourfulness", f"{_HERE}.picture:colourfulness", "mean", "grey levels",
        "sqrt(var rg + var yb) + 0.3 sqrt(mean rg^2 + mean yb^2), rg = R-G, yb = (R+G)/2-B", "Hasler & Suesstrunk 2003",
    ),
    Indicator(
        "luminance", f"{_HERE}.picture:luminance", "mean", "grey levels", "mean (R+G+B) / 3", "CVPR 2026, appendix A.2"
    ),
    Indicator("si", f"{_HERE}.picture:si", "max", "grey levels", "max_t std(Sobel(Y_t))", "ITU-T P.910"),
    Indicator("ti", f"{_HERE}.motion:ti", "max", "grey levels", "max_t std(Y_t+1 - Y_t), adjacent native frames", "ITU-T P.910"),
)  # fmt: skip
INDICATORS: dict[str, Indicator] = {row.name: row for row in _ROWS}


class Meter:
    """Measures the instants of one video, one at a time, and returns its indicators; keeps a few numbers, never a frame."""

    def __init__(self) -> None:
        self._functions = [_load(row.function) for row in INDICATORS.values()]
        self._values: list[list[float]] = []

    def add(self, frame: NDArray[np.uint8], following: NDArray[np.uint8]) -> None:
        """Measure one second.

        Args:
            frame: uint8 RGB `[H, W, 3]`, the first frame of the second.
            following: The native frame after it, or the same frame for a still.
        """
        from actors.indicators.instant import Instant

        instant = Instant(frame, following)
        self._values.append([function(instant) for function in self._functions])

    def clear(self) -> None:
        """Delete all values, before another video or a second attempt."""
        self._values.clear()

    def result(self) -> NDArray[np.float64]:
        """The indicators of the video, float64 `[9]` in the order of `INDICATORS`; NaN if no instant was added."""
        if not self._values:
            return np.full(len(INDICATORS), np.nan)
        table = np.array(self._values)
        means, largest = table.mean(axis=0), table.max(axis=0)
        return np.asarray(np.where([row.reduce == "max" for row in INDICATORS.values()], largest, means), np.float64)


def _load(path: str) -> Callable[[Instant], float]:
    module, _, name = path.partition(":")
    return cast("Callable[[Instant], float]", getattr(importlib.import_module(module), name))
