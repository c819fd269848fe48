"""Time and memory of the choice of a corpus, and its distance from the optimum.

    python benchmarks/shaping.py                                  # 3,000,000 x 9 simulated indicators, keep 200,000
    python benchmarks/shaping.py --pool 3000 --keep 300 --exact   # beside the integer programme over the whole pool

The simulated indicators are nine correlated mixtures with heavy tails. The targets are uniform, and a reference corpus with
a narrower, shifted distribution. `bound` is a lower bound on any choice (the dual of the relaxation), so the choice is at
most `above bound` away from the exact optimum.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.method import shaping

NAMES = tuple(f"indicator-{number}" for number in range(9))


def simulated(count: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Indicators `[count, 9]`: three common factors, independent noise, and a log-normal tail in every third column."""
    generator = np.random.default_rng(seed)
    weights = np.random.default_rng(9).normal(size=(3, len(NAMES)))
    values = 0.6 * generator.normal(size=(count, 3)) @ weights + generator.normal(size=(count, len(NAMES)))
    values = scale * values + shift
    values[:, ::3] = np.exp(values[:, ::3] / 2)
    return values


def report(kind: str, numbers: np.ndarray, goal: np.ndarray, keep: int, *, exact: bool) -> None:
    """Choose once and print a line."""
    bins = goal.shape[1]
    wall, cpu = time.perf_counter(), time.process_time()
    choice = shaping.choose(numbers, goal, keep, seed=0, exact_up_to=len(numbers) if exact else shaping.EXACT)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    random = np.random.default_rng(1).choice(len(numbers), keep, replace=False)
    at_random = shaping.distance(shaping.histogram(numbers[random], bins), goal)
    above = (choice.distance - choice.bound) / choice.bound if choice.bound >= 1 else float("nan")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{kind:9} pool {len(numbers):,} keep {keep:,} {'exact  ' if exact else 'relaxed'} distance {choice.distance:,.0f} "
        f"bound {choice.bound:,.1f} above bound {above:.2%} (at random {at_random:,.0f}; "
        f"out of place {choice.distance / (2 * keep * len(NAMES)):.3%} of the videos) "
        f"wall {wall:.1f} s, CPU {cpu:.1f} s, peak memory {memory:.2f} GiB",
        flush=True,
    )


def main() -> None:
    """Run both targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=int, default=3_000_000)
    parser.add_argument("--keep", type=int, default=200_000)
    parser.add_argument("--bins", type=int, default=10)
    parser.add_argument("--exact", action="store_true", help="solve the integer programme over the whole pool as well")
    options = parser.parse_args()
    values = simulated(options.pool, 0)
    targets = {
        "uniform": shaping.uniform(NAMES, values, options.bins),
        "reference": shaping.reference(NAMES, simulated(30_000, 7, shift=0.3, scale=0.7), options.bins),
    }
    for kind, target in targets.items():
        numbers = shaping.bin_numbers(values, target.edges)
        goal = shaping.goal_counts(target.shares, options.keep)
        for exact in (False, True) if options.exact else (False,):
            report(kind, numbers, goal, options.keep, exact=exact)


if __name__ == "__main__":
    main()
