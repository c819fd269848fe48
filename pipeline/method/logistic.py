"""The monotone four-parameter logistic from scores to a target, for calibration and for measures of agreement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import leastsq
from scipy.special import expit
from scipy.stats import spearmanr

Floats = NDArray[np.float64]

# Ranges of the target that a level of the curve may lie away. Farther out the curve is an exponential, one of a ridge of
# nearly equal fits: which of them is reached hangs on last bits, and so on the processor (seen: 518 and a step).
_FARTHEST = 200.0
_CONVERGED = (1, 2, 3, 4)  # answers of MINPACK
MIN_LOGISTIC_POINTS = 8  # four parameters through fewer points follow the noise, not the trend


class CalibrationError(ValueError):
    """The scores cannot be put on a common scale; the message names the scores and the remedy."""


@dataclass(frozen=True)
class Logistic:
    """A monotone map from a teacher's raw scores to the target scale; call it with an array of any shape.

    Attributes:
        kind: "logistic" or "linear".
        parameters: Logistic: (b1, b2, b3, b4) of b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|)). Linear: (slope, intercept).
        rmse: Error of the mapped scores, in target units.
        srcc: SRCC of the mapped scores with the target.
        contradicts: The data run against the stated direction; the map keeps the stated direction.
        reason: Why the logistic was not used, for a linear map.
    """

    kind: Literal["logistic", "linear"]
    parameters: tuple[float, ...]
    rmse: float
    srcc: float
    contradicts: bool = False
    reason: str = ""

    def __call__(self, x: ArrayLike) -> Floats:
        """Return mapped scores with the shape of x; NaN stays NaN."""
        return _evaluate(self.kind, self.parameters, np.asarray(x, dtype=np.float64))


def fit_logistic(x: ArrayLike, y: ArrayLike, increasing: bool | None = None) -> Logistic:
    """Fit the four-parameter logistic from raw scores to a target.

    Start values: b1 = max(y), b2 = min(y) (swapped for a falling curve), b3 = mean(x), b4 = std(x). The usual b4 = 0.5
    fails for raw scores that vary by a few hundredths.

    Args:
        x: Raw scores `[V]`.
        y: Target `[V]`; pairs with a non-finite value are ignored.
        increasing: The direction; None takes it from the data.

    Returns:
        The logistic, or a robust line in the stated direction if the logistic fails: too few points, no convergence, a
        step or flat line that ties scores, wrong direction, or a worse fit than a line.

    Raises:
        CalibrationError: x or y has no spread, or there are fewer than two usable pairs.
    """
    x_all, y_all = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x_all.ndim != 1 or x_all.shape != y_all.shape:
        raise CalibrationError(f"scores {x_all.shape} and target {y_all.shape} must be two vectors of equal length")
    usable = np.isfinite(x_all) & np.isfinite(y_all)
    x_fit, y_fit = x_all[usable], y_all[usable]
    if x_fit.size < 2:
        raise CalibrationError(f"only {x_fit.size} videos have both a score and a target value; at least 2 are needed")
    if is_constant(x_fit):
        raise CalibrationError("the scores are the same for every video that has a target value")
    if is_constant(y_fit):
        raise CalibrationError("the target is the same for every scored video, so there is nothing to fit to")
    rho = float(spearmanr(x_fit, y_fit).statistic)
    rising = rho >= 0 if increasing is None else increasing
    contradicts = (rho if rising else -rho) < 0
    line = _robust_line(x_fit, y_fit, rising)
    curve, reason = (None, "the data run against the stated direction") if contradicts else _curve(x_fit, y_fit, rising)
    return _map(x_fit, y_fit, line, curve, contradicts, reason)


def fit_least_squares(x: Floats, y: Floats) -> Logistic:
    """Fit the rising map of least squares, by which measures of agreement judge the very scores that it is fitted to.

    Unlike `fit_logistic` it keeps a curve with a level far outside the target, one on which the search has not quite
    ended, and a step: all are what least squares say of these scores, and nothing is carried to others.

    Args:
        x: Scores `[N]`, finite and not all the same.
        y: Labels `[N]`, likewise.

    Returns:
        The logistic, or the least-squares line (flat where the best one would fall) if there is no curve: too few
        points, scores that run against the labels, or a worse fit than the line.
    """
    slope = max(float(np.mean((x - x.mean()) * (y - y.mean())) / np.mean((x - x.mean()) ** 2)), 0.0)
    line = (slope, float(y.mean()) - slope * float(x.mean()))
    contradicts = float(spearmanr(x, y).statistic) < 0
    curve, reason = (None, "the scores run against the labels") if contradicts else _rising_curve(x, y)
    return _map(x, y, line, curve, contradicts, reason)


def _map(
    x: Floats, y: Floats, line: tuple[float, float], curve: tuple[float, ...] | None, contradicts: bool, reason: str
) -> Logistic:
    """The curve, or where there is none or the line is nearer, the line; `reason` says why there is no curve."""
    if curve is not None and _rmse("logistic", curve, x, y) > _rmse("linear", line, x, y):
        curve, reason = None, "the logistic fits worse than a line"
    kind: Literal["logistic", "linear"] = "linear" if curve is None else "logistic"
    parameters = line if curve is None else curve
    mapped = _evaluate(kind, parameters, x)
    srcc = float("nan") if is_constant(mapped) else float(spearmanr(mapped, y).statistic)
    return Logistic(kind, parameters, _rmse(kind, parameters, x, y), srcc, contradicts, reason)


def _rising_curve(x: Floats, y: Floats) -> tuple[tuple[float, ...] | None, str]:
    """Least-squares logistic whatever its levels, or None and the reason."""
    fit = _least_squares(x, y, rising=True)
    if isinstance(fit, str):
        return None, fit
    if not fit.rising or is_constant(_evaluate("logistic", fit.curve, x)):
        return None, "the fitted curve does not rise with the scores"
    return fit.curve, ""


def _evaluate(kind: str, parameters: tuple[float, ...], x: Floats) -> Floats:
    if kind == "linear":
        slope, intercept = parameters
        return np.asarray(intercept + slope * x, dtype=np.float64)
    b1, b2, b3, b4 = parameters
    return np.asarray(b2 + (b1 - b2) * expit((x - b3) / abs(b4)), dtype=np.float64)


def _rmse(kind: str, parameters: tuple[float, ...], x: Floats, y: Floats) -> float:
    return float(np.sqrt(np.mean((_evaluate(kind, parameters, x) - y) ** 2)))


def is_constant(values: Floats) -> bool:
    """Whether values (at least one) differ by no more than rounding."""
    return bool(constant_along(values, None))


def constant_along(values: Floats, axis: int | None) -> NDArray[np.bool_]:
    """`is_constant` of every vector along an axis; None takes all values as one vector."""
    return np.asarray(np.ptp(values, axis=axis) <= 1e-9 * np.maximum(np.abs(values).max(axis=axis), 1e-300))


def _robust_line(x: Floats, y: Floats, rising: bool) -> tuple[float, float]:
    """Line that matches medians and interquartile ranges, so outliers do not tilt it; the direction is not estimated."""
    low_x, middle_x, high_x = (float(v) for v in np.percentile(x, (25, 50, 75)))
    low_y, middle_y, high_y = (float(v) for v in np.percentile(y, (25, 50, 75)))
    spread_x, spread_y = high_x - low_x, high_y - low_y
    if spread_x <= 1e-9 * float(np.ptp(x)) or spread_y <= 1e-9 * float(np.ptp(y)):
        spread_x, spread_y = float(x.std()), float(y.std())
    slope = spread_y / spread_x if rising else -spread_y / spread_x
    return slope, middle_y - slope * middle_x


def _curve(x: Floats, y: Floats, rising: bool) -> tuple[tuple[float, ...] | None, str]:
    """Least-squares logistic that can carry scores to other videos, or None and the reason."""
    fit = _least_squares(x, y, rising)
    if isinstance(fit, str):
        return None, fit
    if not fit.converged:
        return None, "the fit did not converge"
    if fit.rising != rising:
        return None, "the fitted curve runs against the stated direction"
    if fit.farthest > _FARTHEST:
        return None, "the data have no second level: the fitted curve runs away to one far beyond the target"
    mapped = np.round(_evaluate("logistic", fit.curve, x) / float(np.ptp(y)), 9)
    if np.unique(mapped).size < max(2, np.unique(x).size / 2):
        return None, "the fitted curve is flat or a step and ties most scores"
    return fit.curve, ""


@dataclass(frozen=True)
class _Fit:
    """A least-squares logistic.

    Attributes:
        curve: Its four parameters.
        rising: Its direction; None if a parameter is not finite.
        farthest: How far its farther level lies from the lowest target value, in ranges of the target.
        converged: Whether the search ended; if not, the curve is the best one that it met.
    """

    curve: tuple[float, ...]
    rising: bool | None
    farthest: float
    converged: bool


def _least_squares(x: Floats, y: Floats, rising: bool) -> _Fit | str:
    """Fit the logistic in standardised units, from a start in the given direction; a text says why there is none."""
    if x.size < MIN_LOGISTIC_POINTS:
        return f"{x.size} points are fewer than the {MIN_LOGISTIC_POINTS} that a logistic needs"
    centre, scale, floor, height = float(x.mean()), float(x.std()), float(y.min()), float(np.ptp(y))
    z, target = (x - centre) / scale, (y - floor) / height

    def errors(guess: Floats) -> Floats:
        b1, b2, b3, b4 = guess
        return _evaluate("logistic", (b1, b2, b3, max(abs(b4), 1e-12)), z) - target

    start = (1.0, 0.0, 0.0, 1.0) if rising else (0.0, 1.0, 0.0, 1.0)
    with np.errstate(over="ignore"):  # of the covariance, which is not used
        solution, *_, state = leastsq(errors, start, maxfev=4000, full_output=True)
    top, bottom, middle, width = (float(v) for v in solution)
    curve = (floor + height * top, floor + height * bottom, centre + scale * middle, scale * max(abs(width), 1e-12))
    direction = top > bottom if np.all(np.isfinite(curve)) else None
    return _Fit(curve, direction, max(abs(top), abs(bottom)), state in _CONVERGED)
