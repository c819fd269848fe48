#!/usr/bin/env bash
# Crowd-Kit: BradleyTerry ends in its second iteration whatever n_iter and tol say; 900 close comparisons give no ranking
#
# Expected: The iteration ends at the maximum of the likelihood, or after n_iter steps: 1,000,000 steps and a tolerance of
#   1e-15 come nearer to it than two steps.
# Happens: The change since the step before is always found to be 0, because the old scores are the same array as the new ones,
#   and the second step is the last: a score is little more than wins, weighted by how often the opponents won. Where any clip
#   meets any other this costs less (Spearman .83 with the true order instead of .95). Where clips meet near neighbours, as in
#   designs that ask about pairs hard to tell apart, most win half of the time, and the ranking is nearly that of a coin (.11
#   instead of 1.00).
# Versions: crowd-kit 1.4.2, numpy 2.4.6, scipy 1.17.1, pandas 3.1.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   crowd-kit 1.4.2, numpy 2.4.6, scipy 1.17.1, pandas 3.1.1
#   any two clips, 981 comparisons: Spearman with the true order {'Crowd-Kit': 0.83, 'same as n_iter=2': True, 'maximum of
#       the likelihood': 0.95}
#   neighbours within 5 ranks, 899 comparisons: Spearman with the true order {'Crowd-Kit': 0.11, 'same as n_iter=2': True,
#       'maximum of the likelihood': 1.0}
#   expected: about the same Spearman for both, in both lines
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib --no-deps \
    crowd-kit==1.4.2 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 scikit-learn==1.9.1 nltk==3.10.4 attrs==26.1.0 tqdm==4.70.1 \
    python-dateutil==4.0.0 joblib==1.6.0 threadpoolctl==3.8.0 regex==2026.11.19 click==8.5.1 defusedxml==0.7.1 \
    packaging==26.4 narwhals==2.29.0
export PYTHONPATH="$work/lib"

OMP_NUM_THREADS=1 "$python" -W ignore - <<'PYTHON'
import importlib.metadata
import sys

import numpy as np
import pandas as pd
from crowdkit.aggregation import BradleyTerry
from scipy.optimize import minimize
from scipy.stats import spearmanr

print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("crowd-kit", "numpy", "scipy", "pandas")))
CLIPS = 100


def compared(draw, reach):
    """True qualities, and winners and losers of 1,000 comparisons of clips at most ``reach`` ranks apart."""
    quality = draw.permutation(CLIPS) * 0.2
    order = np.argsort(quality)
    first = draw.integers(0, CLIPS, 1000)
    second = np.clip(first + draw.integers(-reach, reach + 1, 1000), 0, CLIPS - 1)
    a, b = order[first[first != second]], order[second[first != second]]
    wins = draw.random(len(a)) < 1 / (1 + np.exp(quality[b] - quality[a]))
    return quality, np.where(wins, a, b), np.where(wins, b, a)


def likeliest(winner, loser):
    """The maximum of the likelihood, with a weak prior for those who never lose."""

    def cost(value):
        gap = value[winner] - value[loser]
        slope = -1 / (1 + np.exp(gap))
        return np.logaddexp(0, -gap).sum() + 5e-4 * value @ value, (
            np.bincount(winner, slope, CLIPS) - np.bincount(loser, slope, CLIPS) + 1e-3 * value
        )

    return minimize(cost, np.zeros(CLIPS), jac=True, method="L-BFGS-B", options={"maxiter": 5000, "maxfun": 50000}).x


found = {}
for name, reach in (("any two clips", CLIPS), ("neighbours within 5 ranks", 5)):
    quality, winner, loser = compared(np.random.default_rng(0), reach)
    votes = pd.DataFrame({"worker": "w", "left": winner, "right": loser, "label": winner})
    short = BradleyTerry(n_iter=2).fit_predict(votes).reindex(range(CLIPS))
    long = BradleyTerry(n_iter=1_000_000, tol=1e-15).fit_predict(votes).reindex(range(CLIPS))
    found[name] = {
        "Crowd-Kit": round(float(spearmanr(long, quality)[0]), 2),
        "same as n_iter=2": bool((short == long).all()),
        "maximum of the likelihood": round(float(spearmanr(likeliest(winner, loser), quality)[0]), 2),
    }
    print(f"{name}, {len(winner)} comparisons: Spearman with the true order", found[name])
print("expected: about the same Spearman for both, in both lines")
if not all(answer["same as n_iter=2"] for answer in found.values()):
    sys.exit("changed: more than two iterations")
near = found["neighbours within 5 ranks"]
if near["maximum of the likelihood"] - near["Crowd-Kit"] < 0.5:
    sys.exit("changed: the ranking is about as good")
print("still there")
PYTHON
