"""Choose videos so that the histograms of their indicators match a target (CVPR 2026, section 3.2 and appendix A.2).

Vonikakis et al., "A probabilistic approach to people-centric photo selection and sequencing", IEEE Transactions on
Multimedia 2017: every indicator is quantised into bins, x_i says whether video i is kept, and

    min sum_{m,h} z_{m,h}   subject to   |sum_i B_{m,h,i} x_i - ceil(p_{m,h} N)| <= z_{m,h},   sum_i x_i = N

with target shares p and N videos to keep. (The published code adds a decorrelation term; its weight is 0 here, since
the paper speaks of matching alone.) Videos of equal bins are interchangeable, so that the integer programme counts how
many of each cell are kept. It is solved as it stands for small pools. For large ones a sequence of linear relaxations,
one for each seeded random chunk of the pool, matches in each chunk what is still missing of the target; its multipliers
say which videos are close calls, and these are decided again, a few of them as integers. The multipliers also give a
bound that no choice of videos can pass. HiGHS solves both kinds of programme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bins = NDArray[np.uint8]

CHUNK = 50_000  # videos of one linear programme: seconds of work, and rare bins still have members in every chunk
EXACT = 100  # videos of an integer programme that is solved as a whole; the time grows fast from here
_NODES_WHOLE = 2_000  # of the branch and bound: a count, not a time, so that the same pool gives the same choice
_NODES = 200  # the same, for the few videos that a relaxed choice is repaired with
_REFINEMENTS = 2  # linear programmes over close calls at most
_REPAIRS, _REPAIRED = (
    12,
    60,
)  # integer programmes at most, over so many close calls each: more take minutes and gain little
_PATIENCE_S = 300.0  # of an integer programme; none of the sizes above comes near it
_EQUAL = 1e-9  # difference of worth that is none
_CLOSE = 0.005  # share above the bound at which a relaxed choice is good enough
_TAILS = (0.005, 0.995)  # quantiles that equal bins span: one odd video must not empty all the bins but one


class ShapingError(ValueError):
    """A target and a pool that do not fit together; the message says what and where."""


@dataclass(frozen=True)
class Target:
    """Histograms to match.

    Attributes:
        names: The indicators, M of them.
        edges: Ascending bin edges ``[M, H + 1]``; the first and the last bin are open to their sides.
        shares: Wanted share of each bin ``[M, H]``, rows adding up to 1.
    """

    names: tuple[str, ...]
    edges: Floats
    shares: Floats

    def __post_init__(self) -> None:
        if self.edges.ndim != 2 or self.shares.shape != (len(self.names), self.edges.shape[1] - 1):
            raise ShapingError(
                f"{len(self.names)} indicators, edges {self.edges.shape} and shares {self.shares.shape} differ"
            )
        for name, edges, shares in zip(self.names, self.edges, self.shares, strict=True):
            if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
                raise ShapingError(f"the bin edges of {name} do not rise: {edges.tolist()}")
            if not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-6:
                raise ShapingError(f"the shares of {name} add up to {shares.sum():g}, not to 1")


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        chosen: Ascending indices of the kept videos.
        distance: Sum over all bins of |videos - wanted videos|.
        bound: No choice of as many videos of this pool has a smaller distance.
        exact: Proven: the bound leaves no room for a smaller distance, which is a whole number.
    """

    chosen: NDArray[np.intp]
    distance: float
    bound: float
    exact: bool


def equal_bins(values: Floats, bins: int) -> Floats:
    """Edges ``[M, bins + 1]`` of equal bins between the 0.5 % and 99.5 % quantiles of every column of ``values [N, M]``."""
    low, high = np.quantile(values, _TAILS, axis=0)
    high = np.where(high > low, high, low + 1.0)  # an indicator that is the same for all
    return np.asarray(np.linspace(low, high, bins + 1).T)


def bin_numbers(values: Floats, edges: Floats) -> Bins:
    """Bin of every value, uint8 ``[N, M]``; values beyond the edges count to the first or the last bin.

    Raises:
        ShapingError: A value is not finite, or there are more than 255 bins.
    """
    if edges.shape[1] > 256:
        raise ShapingError(f"{edges.shape[1] - 1} bins are too many; use at most 255")
    if not np.isfinite(values).all():
        raise ShapingError("an indicator is not finite; leave out videos that could not be measured")
    numbers = [
        np.searchsorted(inner[1:-1], column, side="right") for inner, column in zip(edges, values.T, strict=True)
    ]
    return np.stack(numbers, axis=1).astype(np.uint8)


def histogram(numbers: Bins, bins: int) -> Counts:
    """Videos in each bin, ``[M, bins]``."""
    return np.stack([np.bincount(column, minlength=bins) for column in numbers.T])


def goal_counts(shares: Floats, keep: int) -> Counts:
    """Wanted videos of each bin, ``ceil(p N)`` as in the published code."""
    return np.ceil(shares * keep - 1e-9).astype(np.int64)


def distance(counts: NDArray[np.integer], goal: NDArray[np.number]) -> float:
    """Sum over all bins of |videos - wanted videos|."""
    return float(np.abs(counts - goal).sum())


def choose(
    numbers: Bins, goal: Counts, keep: int, seed: int = 0, exact_up_to: int = EXACT, chunk: int = CHUNK
) -> Choice:
    """Choose ``keep`` videos whose histograms are nearest to the goal.

    Args:
        numbers: Bins uint8 ``[N, M]`` of the pool (`bin_numbers`).
        goal: Wanted videos of each bin ``[M, H]`` (`wanted`).
        keep: Number of videos to choose.
        seed: Of the chunks, and of which videos of a cell are taken.
        exact_up_to: Largest pool for which the integer programme is solved as a whole.
        chunk: Videos of one linear programme above that.

    Raises:
        ShapingError: There are fewer videos than ``keep``.
    """
    if not 0 < keep <= len(numbers):
        raise ShapingError(f"{keep} videos cannot be chosen from {len(numbers)}")
    order = np.random.default_rng(seed).permutation(len(numbers))
    if len(numbers) <= exact_up_to:
        picks, bound, _ = _solve(numbers[order], goal.astype(np.float64), keep, nodes=_NODES_WHOLE)
        videos = order[picks]
    else:
        videos, bound = _relaxed(numbers, order, goal.astype(np.float64), keep, chunk)
    result = distance(histogram(numbers[videos], goal.shape[1]), goal)
    return Choice(np.sort(videos), result, max(bound, 0.0), result - bound < 1 - 1e-6)


def _relaxed(
    numbers: Bins, order: NDArray[np.intp], goal: Floats, keep: int, chunk: int
) -> tuple[NDArray[np.intp], float]:
    """Chosen videos and a lower bound: chunk by chunk, then again among close calls, and the closest as whole numbers."""
    chosen, multipliers = _by_chunks(numbers, order, goal, keep, chunk)
    best, bound = distance(histogram(numbers[chosen], goal.shape[1]), goal), 0.0
    for attempt in range(_REFINEMENTS + _REPAIRS):
        if attempt <= _REFINEMENTS:  # the last programme was a relaxation, so that its multipliers are new
            worth = _worth(numbers, multipliers)
            margin = worth - np.partition(worth, len(worth) - keep)[len(worth) - keep]
            bound = max(bound, _bound(worth, multipliers, goal, keep))
        if best <= bound * (1 + _CLOSE):
            break
        inside = np.zeros(len(numbers), bool)
        inside[chosen] = True
        if attempt < _REFINEMENTS:
            inside = _decided(order, keep, inside, margin)
            again, multipliers = _again(numbers, order, goal, keep, inside, margin, slice(0, chunk // 2))
        else:
            start = (attempt - _REFINEMENTS) * (_REPAIRED // 2)
            part = slice(start, start + _REPAIRED // 2)
            again, _ = _again(numbers, order, goal, keep, inside, margin, part, nodes=_NODES)
        now = distance(histogram(numbers[again], goal.shape[1]), goal)
        if now < best:
            chosen, best = again, now
    return chosen, bound


def _decided(order: NDArray[np.intp], keep: int, inside: NDArray[np.bool_], margin: Floats) -> NDArray[np.bool_]:
    """The ``keep`` videos of the largest margin; of those at the threshold the ones that were chosen before come first."""
    equal = order[np.abs(margin[order]) < _EQUAL]
    equal = equal[np.argsort(~inside[equal], kind="stable")]
    inside_now = margin >= _EQUAL
    inside_now[equal[: keep - int(inside_now.sum())]] = True
    return np.asarray(inside_now)


def _again(
    numbers: Bins,
    order: NDArray[np.intp],
    goal: Floats,
    keep: int,
    inside: NDArray[np.bool_],
    margin: Floats,
    part: slice,
    nodes: int | None = None,
) -> tuple[NDArray[np.intp], Floats]:
    """Decide again about the closest calls, all other videos as ``inside`` says.

    ``part`` says which of the chosen and which of the others, each in the order of their margins.
    """
    sides = [order[side] for side in (inside[order], ~inside[order])]
    free = np.concatenate([side[np.argsort(np.abs(margin[side]), kind="stable")[part]] for side in sides])
    settled = inside.copy()
    settled[free] = False
    clear = np.flatnonzero(settled)
    missing = goal - histogram(numbers[clear], goal.shape[1])
    picks, _, multipliers = _solve(numbers[free], missing, keep - len(clear), nodes)
    return np.concatenate([clear, free[picks]]), multipliers


def _by_chunks(
    numbers: Bins, order: NDArray[np.intp], goal: Floats, keep: int, chunk: int
) -> tuple[NDArray[np.intp], Floats]:
    """Chosen videos and mean multipliers, from one linear programme for each chunk of about ``chunk`` videos.

    Each chunk gets its share of what the chunks before it have left to do, so that their rounding is made up for.
    """
    edges = np.linspace(0, len(numbers), max(1, round(len(numbers) / chunk)) + 1).astype(int)
    chosen: list[NDArray[np.intp]] = []
    counts, multipliers = np.zeros(goal.shape), np.zeros(goal.shape)
    total = 0
    for start, end in pairwise(edges):
        members = order[start:end]
        quota = round((keep - total) * (end - start) / (len(numbers) - start))
        part = (goal - counts) * (quota / max(keep - total, 1))
        picks, _, slopes = _solve(numbers[members], part, quota)
        chosen.append(members[picks])
        counts += histogram(numbers[members[picks]], goal.shape[1])
        multipliers += slopes * ((end - start) / len(numbers))
        total += quota
    return np.concatenate(chosen), np.clip(multipliers, -1, 1)


def _worth(numbers: Bins, multipliers: Floats) -> Floats:
    """What each video adds to the match at given multipliers, ``[N]``."""
    worth = np.zeros(len(numbers))
    for column, table in zip(numbers.T, multipliers, strict=True):
        worth += table[column]
    return worth


def _bound(worth: Floats, multipliers: Floats, goal: Floats, keep: int) -> float:
    """Lagrange's lower bound on the distance of any choice: the relaxation's dual function."""
    best = np.partition(worth, len(worth) - keep)[len(worth) - keep :]
    return float((multipliers * goal).sum() - best.sum())


def _solve(numbers: Bins, goal: Floats, keep: int, nodes: int | None = None) -> tuple[NDArray[np.intp], float, Floats]:
    """Chosen positions, a lower bound and the multipliers ``[M, H]`` of one programme.

    With ``nodes`` it is the integer programme, whose multipliers are zeros; without, its relaxation, rounded.
    """
    cells, members, sizes = _cells(numbers)
    metrics, bins = goal.shape
    count, slack = len(cells), metrics * bins
    rows = (cells + bins * np.arange(metrics)).ravel()
    starts = np.arange(0, rows.size + 1, metrics)
    inside = sparse.csc_matrix((np.ones(rows.size), rows, starts), shape=(slack, count))
    over = sparse.identity(slack, format="csc")
    matrix = sparse.vstack(
        [
            sparse.hstack([inside, -over, over]),  # videos - too many + too few = wanted
            sparse.hstack([sparse.csc_matrix(np.ones((1, count))), sparse.csc_matrix((1, 2 * slack))]),
        ],
        format="csc",
    )
    right = np.append(goal.ravel(), keep)
    cost = np.concatenate([np.zeros(count), np.ones(2 * slack)])
    upper = np.concatenate([sizes, np.full(2 * slack, np.inf)])
    if nodes is not None:
        solution = milp(
            cost, integrality=np.arange(cost.size) < count, bounds=Bounds(0, upper),
            constraints=LinearConstraint(matrix, right, right), options={"node_limit": nodes, "time_limit": _PATIENCE_S},
        )  # fmt: skip
        if solution.x is None:
            raise ShapingError(f"HiGHS found no choice: {solution.message}")
        bound, slopes = float(solution.mip_dual_bound), np.zeros(goal.shape)
    else:
        solution = linprog(
            cost, A_eq=matrix, b_eq=right, bounds=np.stack([np.zeros(cost.size), upper], axis=1), method="highs-ipm"
        )
        if solution.x is None:
            raise ShapingError(f"HiGHS found no choice: {solution.message}")
        bound, slopes = float(solution.fun), solution.eqlin.marginals[:slack].reshape(goal.shape)
    counts = _rounded(solution.x[:count], sizes, keep)
    first = np.cumsum(sizes) - sizes
    if not counts.any():
        return members[:0], bound, slopes
    parts = [members[at : at + number] for at, number in zip(first[counts > 0], counts[counts > 0], strict=True)]
    return np.concatenate(parts), bound, slopes


def _cells(numbers: Bins) -> tuple[NDArray[np.int64], NDArray[np.intp], Counts]:
    """Distinct rows of bins, the positions of their videos (cell after cell, in order), and how many each has."""
    order = np.lexsort(numbers.T)
    ordered = numbers[order]
    new = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    sizes = np.diff(np.append(np.flatnonzero(new), len(numbers)))
    return ordered[new].astype(np.int64), order, sizes


def _rounded(shares: Floats, sizes: Counts, keep: int) -> Counts:
    """Whole numbers that add up to ``keep``: rounded down, then the largest remainders up."""
    whole = np.minimum(np.floor(shares + 1e-6).astype(np.int64), sizes)
    rest = np.where(whole < sizes, shares - whole, -np.inf)
    missing = keep - int(whole.sum())
    up = np.argsort(-rest, kind="stable")[: max(missing, 0)]
    whole[up] += 1
    return whole


def uniform(names: Sequence[str], values: Floats, bins: int) -> Target:
    """A target with the same share in each of ``bins`` equal bins over the range of the pool's ``values [N, M]``."""
    return Target(tuple(names), equal_bins(values, bins), np.full((len(names), bins), 1 / bins))


def reference(names: Sequence[str], values: Floats, bins: int) -> Target:
    """The histograms of a reference corpus with indicators ``values [N, M]``, in equal bins over its own range."""
    edges = equal_bins(values, bins)
    return Target(tuple(names), edges, histogram(bin_numbers(values, edges), bins) / len(values))
