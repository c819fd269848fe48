"""Choose videos so that the histograms of their indicators match a target (CVPR 2026, section 3.2 and appendix A.2).

Vonikakis et al., "A probabilistic approach to people-centric photo selection and sequencing", IEEE Transactions on
Multimedia 2017: every indicator is quantised into bins, x_i is 1 if video i is kept, and

    min sum_{m,h} z_{m,h}   subject to   |sum_i B_{m,h,i} x_i - ceil(p_{m,h} N)| <= z_{m,h},   sum_i x_i = N

with target shares p and N videos to keep. (The published code adds a decorrelation term; its weight is 0 here, since the
paper only mentions matching.) Videos with equal bins are interchangeable, so the integer programme counts how many videos
of each cell are kept. For small pools it is solved directly. For large pools there is one linear relaxation for each seeded
random chunk of the pool, which matches the part of the target that is still missing. Its multipliers show which videos are
close calls; these are decided again, a few of them as integers. The multipliers also give a lower bound on the distance of
any choice. HiGHS solves both kinds of programme.
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

CHUNK = 50_000  # videos of one linear programme: takes seconds, and rare bins still occur in every chunk
EXACT = 100  # largest pool that one integer programme solves; the time grows fast above it
_NODES_WHOLE = 2_000  # limit of branch and bound; a count, not a time, so that the same pool gives the same choice
_NODES = 200  # the same limit, for the few videos that repair a relaxed choice
_REFINEMENTS = 2  # most linear programmes over close calls
_REPAIRS = 12  # most integer programmes over close calls
_CLOSE_CALLS = 60  # videos of each of them; more take minutes and gain little
_PATIENCE_S = 300.0  # time limit of an integer programme; the sizes above stay far below it
_EQUAL = 1e-9  # differences of worth below this count as zero
_CLOSE = 0.005  # a relaxed choice is good enough if it is at most this share above the bound
_TAILS = (0.005, 0.995)  # quantiles that equal bins span, so that one outlier cannot push all other videos into one bin


class ShapingError(ValueError):
    """A target does not fit the pool; the message says what and where."""


@dataclass(frozen=True)
class Target:
    """Histograms to match.

    Attributes:
        names: The indicators, M of them.
        edges: Ascending bin edges `[M, H + 1]`; the first and the last bin have no outer limit.
        shares: Target share of each bin `[M, H]`; each row adds up to 1.
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
    """The chosen videos.

    Attributes:
        videos: Ascending indices of the chosen videos.
        distance: Sum over all bins of |videos - target videos|.
        bound: Lower bound on the distance of any choice of the same number of videos.
        exact: The choice is proven optimal: distances are whole numbers, and the bound allows no smaller one.
    """

    videos: NDArray[np.intp]
    distance: float
    bound: float
    exact: bool


def equal_bins(values: Floats, bins: int) -> Floats:
    """Edges `[M, bins + 1]` of equal bins between the 0.5 % and 99.5 % quantiles of every column of `values [N, M]`."""
    low, high = np.quantile(values, _TAILS, axis=0)
    high = np.where(high > low, high, low + 1.0)  # an indicator with one value for all videos
    return np.asarray(np.linspace(low, high, bins + 1).T)


def bin_numbers(values: Floats, edges: Floats) -> Bins:
    """Bin of every value, uint8 `[N, M]`; values outside the edges belong to the first or the last bin.

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
    """Videos in each bin, `[M, bins]`."""
    return np.stack([np.bincount(column, minlength=bins) for column in numbers.T])


def goal_counts(shares: Floats, keep: int) -> Counts:
    """Target number of videos of each bin, `ceil(p N)` as in the published code."""
    return np.ceil(shares * keep - 1e-9).astype(np.int64)


def distance(counts: NDArray[np.integer], goal: NDArray[np.number]) -> float:
    """Sum over all bins of |videos - target videos|."""
    return float(np.abs(counts - goal).sum())


def choose(
    numbers: Bins, goal: Counts, keep: int, seed: int = 0, exact_up_to: int = EXACT, chunk: int = CHUNK
) -> Choice:
    """Choose `keep` videos whose histograms are nearest to the goal.

    Args:
        numbers: Bins uint8 `[N, M]` of the pool (`bin_numbers`).
        goal: Target number of videos of each bin `[M, H]` (`goal_counts`).
        keep: Number of videos to choose.
        seed: Seed of the chunks, and of the choice of videos within a cell.
        exact_up_to: Largest pool for which one integer programme is solved.
        chunk: Videos of one linear programme for larger pools.

    Raises:
        ShapingError: There are fewer videos than `keep`.
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
    """Chosen videos and a lower bound: chunk by chunk, then again for close calls, the closest ones as integers."""
    choice, multipliers = _by_chunks(numbers, order, goal, keep, chunk)
    best, bound = distance(histogram(numbers[choice], goal.shape[1]), goal), 0.0
    for attempt in range(_REFINEMENTS + _REPAIRS):
        if attempt <= _REFINEMENTS:  # the last programme was a relaxation, so the multipliers are new
            worth = _worth(numbers, multipliers)
            margin = worth - np.partition(worth, len(worth) - keep)[len(worth) - keep]
            bound = max(bound, _bound(worth, multipliers, goal, keep))
        if best <= bound * (1 + _CLOSE):
            break
        inside = np.zeros(len(numbers), bool)
        inside[choice] = True
        if attempt < _REFINEMENTS:
            inside = _decided(order, keep, inside, margin)
            candidate, multipliers = _again(numbers, order, goal, keep, inside, margin, slice(0, chunk // 2))
        else:
            start = (attempt - _REFINEMENTS) * (_CLOSE_CALLS // 2)
            part = slice(start, start + _CLOSE_CALLS // 2)
            candidate, _ = _again(numbers, order, goal, keep, inside, margin, part, nodes=_NODES)
        now = distance(histogram(numbers[candidate], goal.shape[1]), goal)
        if now < best:
            choice, best = candidate, now
    return choice, bound


def _decided(order: NDArray[np.intp], keep: int, inside: NDArray[np.bool_], margin: Floats) -> NDArray[np.bool_]:
    """The `keep` videos with the largest margins; at the threshold, videos chosen before come first."""
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
    """Decide again about the closest calls; all other videos stay as in `inside`.

    Args:
        numbers: Bins `[N, M]`.
        order: Random order of the videos.
        goal: Target number of videos of each bin `[M, H]`.
        keep: Number of videos to choose.
        inside: Present choice `[N]`.
        margin: Distance of each video from the threshold `[N]`.
        part: Range of the chosen and of the other videos, each sorted by margin, that is decided again.
        nodes: See `_solve`.
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
    """Chosen videos and mean multipliers, from one linear programme for each chunk of about `chunk` videos.

    Each chunk gets its share of the target that is still missing, so it compensates the rounding of the chunks before.
    """
    edges = np.linspace(0, len(numbers), max(1, round(len(numbers) / chunk)) + 1).astype(int)
    parts: list[NDArray[np.intp]] = []
    counts, multipliers = np.zeros(goal.shape), np.zeros(goal.shape)
    total = 0
    for start, end in pairwise(edges):
        members = order[start:end]
        quota = round((keep - total) * (end - start) / (len(numbers) - start))
        part = (goal - counts) * (quota / max(keep - total, 1))
        picks, _, slopes = _solve(numbers[members], part, quota)
        parts.append(members[picks])
        counts += histogram(numbers[members[picks]], goal.shape[1])
        multipliers += slopes * ((end - start) / len(numbers))
        total += quota
    return np.concatenate(parts), np.clip(multipliers, -1, 1)


def _worth(numbers: Bins, multipliers: Floats) -> Floats:
    """Contribution of each video to the match at given multipliers, `[N]`."""
    worth = np.zeros(len(numbers))
    for column, table in zip(numbers.T, multipliers, strict=True):
        worth += table[column]
    return worth


def _bound(worth: Floats, multipliers: Floats, goal: Floats, keep: int) -> float:
    """Lagrange's lower bound on the distance of any choice: the relaxation's dual function."""
    best = np.partition(worth, len(worth) - keep)[len(worth) - keep :]
    return float((multipliers * goal).sum() - best.sum())


def _solve(numbers: Bins, goal: Floats, keep: int, nodes: int | None = None) -> tuple[NDArray[np.intp], float, Floats]:
    """Chosen positions, a lower bound and the multipliers `[M, H]` of one programme.

    With `nodes`, solves the integer programme (the multipliers are then 0); otherwise its relaxation, rounded.
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
            sparse.hstack([inside, -over, over]),  # videos - surplus + deficit = target
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
    """Whole numbers that add up to `keep`: rounded down, then the largest remainders up."""
    whole = np.minimum(np.floor(shares + 1e-6).astype(np.int64), sizes)
    rest = np.where(whole < sizes, shares - whole, -np.inf)
    missing = keep - int(whole.sum())
    up = np.argsort(-rest, kind="stable")[: max(missing, 0)]
    whole[up] += 1
    return whole


def uniform(names: Sequence[str], values: Floats, bins: int) -> Target:
    """A target with the same share in each of `bins` equal bins over the range of the pool's `values [N, M]`."""
    return Target(tuple(names), equal_bins(values, bins), np.full((len(names), bins), 1 / bins))


def reference(names: Sequence[str], values: Floats, bins: int) -> Target:
    """The histograms of a reference corpus with indicators `values [N, M]`, in equal bins over its own range."""
    edges = equal_bins(values, bins)
    return Target(tuple(names), edges, histogram(bin_numbers(values, edges), bins) / len(values))
