"""Coverage of the 68 % intervals by simulation, and the CPU time of 200,000 scores with their intervals.

    python benchmarks/intervals.py [--draws 200000]

Qualities of five anchors are drawn from their posterior given a preference matrix (exactly, by rejection), the quality of a
test video from its prior, and its comparison with each anchor is a vote: whether the difference of qualities plus standard
normal noise is positive. *Soft* votes are Phi of that sum divided by the softness, as a student gives probabilities instead
of votes. A line counts the videos whose reported score lies in one region of the scale. *Laplace* is the mode plus and minus
a normal interval of the curvature there.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # CPU time of one core

import numpy as np
from scipy.special import log_ndtr, ndtr
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.method.posterior import MASS, AnchorPosterior
from pipeline.method.scale import ANCHORS, score_tests, with_tests
from pipeline.method.thurstone import curvature, solve_map

REGIONS = ("below all anchors", "anchors 1-2", "anchors 2-3", "anchors 3-4", "anchors 4-5", "above all anchors")
# an early anchor matrix of the released code, P(row beats column)
PUBLISHED = {(1, 0): 0.974, (2, 0): 0.9997, (2, 1): 0.809, (3, 0): 0.99999, (3, 1): 0.9989, (3, 2): 0.950, (4, 0): 1.0,
             (4, 1): 0.99998, (4, 2): 0.9999, (4, 3): 0.9887}  # fmt: skip
RATIO = (ANCHORS + 1) / ANCHORS


def matrices() -> dict[str, np.ndarray]:
    """Anchors at equal distances, near to each other and far apart, and the published ones."""
    line = np.linspace(-1.2, 1.2, ANCHORS)
    published = np.full((ANCHORS, ANCHORS), 0.5)
    for place, wins in PUBLISHED.items():
        published[place], published[place[::-1]] = wins, 1 - wins
    near, far = (norm.cdf(np.subtract.outer(line, line) * factor) for factor in (0.5, 2.0))
    return {"near": near, "far": far, "published": published}


def anchor_draws(anchors: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Qualities `[count, A]` of anchors given their comparisons, by rejection from the prior, with sum 0."""
    first, second = np.triu_indices(len(anchors), 1)
    m = anchors[first, second]
    sure = np.clip(m, 1e-300, 1 - 1e-16)
    highest = (sure * np.log(sure) + (1 - sure) * np.log1p(-sure)).sum()  # where every Phi(d) is its M
    found: list[np.ndarray] = []
    while sum(map(len, found)) < count:
        b = rng.normal(size=(200_000, len(anchors)))
        b -= b.mean(axis=1, keepdims=True)
        d = b[:, first] - b[:, second]
        logs = (m * log_ndtr(d) + (1 - m) * log_ndtr(-d)).sum(axis=1)
        found.append(b[np.log(rng.uniform(size=len(b))) < logs - highest])
    return np.concatenate(found)[:count]


def laplace(anchors: np.ndarray, p: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the normal interval around the mode, `[N]` each."""
    half = norm.ppf((1 + MASS) / 2)
    deviation = np.empty(len(p))
    for k, matrix in enumerate(with_tests(anchors, p)):
        covariance = np.linalg.inv(curvature(matrix, solve_map(matrix)))
        deviation[k] = np.sqrt(covariance[-1, -1] - 1 / len(matrix))  # without the common shift
    return raw - half * deviation, raw + half * deviation


def simulate(name: str, anchors: np.ndarray, softness: float, draws: int) -> None:
    """Print one table."""
    rng = np.random.default_rng(0)
    b = anchor_draws(anchors, draws, rng)
    x = rng.normal(0, RATIO**-0.5, draws)
    heard = RATIO * x[:, None] - b + rng.normal(size=b.shape)
    p = ndtr(heard / softness) if softness else (heard > 0).astype(np.float64)
    kinds, kind = np.unique(p, axis=0, return_inverse=True)
    found, raw = AnchorPosterior(anchors)(kinds), score_tests(anchors, kinds)
    inside = ((found.low[kind] <= x) & (x <= found.high[kind]), None)
    if not softness:
        low, high = laplace(anchors, kinds, raw)
        inside = (inside[0], (low[kind] <= x) & (x <= high[kind]))
    region = np.searchsorted(solve_map(anchors), raw[kind])
    print(f"{name} anchors, softness {softness:g}")
    lines = [(text, region == k) for k, text in enumerate(REGIONS)]
    lines += [("beats no anchor", kind == 0), ("beats all anchors", kind == len(kinds) - 1)] if not softness else []
    for text, chosen in lines:
        if chosen.sum() >= 500:
            old = "" if inside[1] is None else f"  Laplace {100 * inside[1][chosen].mean():5.1f} %"
            print(f"  {text:<18} {chosen.sum():7d} videos  exact {100 * inside[0][chosen].mean():5.1f} %{old}")


def clock(videos: int = 200_000) -> None:
    """Print the CPU time of scores and intervals."""
    anchors = matrices()["published"]
    p = np.random.default_rng(0).uniform(size=(videos, ANCHORS))
    start = time.process_time()
    score_tests(anchors, p)
    middle = time.process_time()
    AnchorPosterior(anchors)(p)
    end = time.process_time()
    AnchorPosterior(anchors)(p[:1])
    print(f"{videos} videos, CPU seconds: scores {middle - start:.2f}, posterior {end - middle:.2f}", end="")
    print(f"; posterior of one video {time.process_time() - end:.3f}")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200_000)
    draws = parser.parse_args().draws
    clock()
    for name, anchors in matrices().items():
        simulate(name, anchors, 0.0, draws)
    for softness in (0.5, 1.0, 2.0):
        simulate("published", matrices()["published"], softness, min(draws, 50_000))


if __name__ == "__main__":
    main()
