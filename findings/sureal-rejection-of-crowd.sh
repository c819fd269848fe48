#!/usr/bin/env bash
# SUREAL: its BT.500 screening rejects most raters who vote at random if each session is a file, and none in one file of all
#
# Expected: a matrix of votes may have gaps (SUREAL averages over the votes that there are), and a rater is screened by the
#   share of outliers among their own votes.
# Happens: it divides the outliers of a rater by the number of all clips, seen or not, and compares that with 5 %. Who saw less
#   than 5 % of the clips cannot be rejected whatever they voted; who saw a tenth needs outliers in more than half of their
#   votes. Ten sessions with their own clips and raters: each for itself loses most of its random raters, in one matrix of
#   the same votes all of them stay, and the MOS gets worse. A study with a crowd is always such a matrix.
# Versions: sureal 0.9.0, numpy 2.4.6, scipy 1.17.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   sureal 0.9.0, numpy 2.4.6, scipy 1.17.1
#   study 0: of 30 random raters 18 rejected session by session, 0 in one matrix; mean error of the MOS 0.141, 0.173
#   study 1: of 30 random raters 17 rejected session by session, 0 in one matrix; mean error of the MOS 0.141, 0.178
#   expected: the same raters rejected both times, because no vote and no clip has changed
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib \
    sureal==0.9.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 matplotlib==3.11.2
export PYTHONPATH="$work/lib"

OMP_NUM_THREADS=1 "$python" -W ignore - <<'PYTHON'
import contextlib
import importlib.metadata
import io
import sys
from types import SimpleNamespace

import numpy as np
from sureal.dataset_reader import RawDatasetReader
from sureal.subjective_model import SubjrejMosModel

print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("sureal", "numpy", "scipy")))
CLIPS, RATERS, CARELESS, SESSIONS = 400, 24, 3, 10


def screened(votes):
    """The result of SUREAL for ``votes`` [clip, rater], NaN where there is none."""
    clips = [
        {"content_id": 0, "asset_id": clip, "path": str(clip), "os": {f"{rater:03d}": float(vote) for rater, vote in enumerate(row) if vote == vote}}
        for clip, row in enumerate(votes)
    ]
    dataset = SimpleNamespace(dataset_name="votes", ref_videos=[{"content_id": 0, "content_name": "c", "path": "r"}], dis_videos=clips)
    with contextlib.redirect_stdout(io.StringIO()):
        return SubjrejMosModel(RawDatasetReader(dataset)).run_modeling()


def session(draw, quality):
    """Votes of 24 raters, the first three of whom vote at random."""
    votes = quality[:, None] + draw.normal(0, 0.3, RATERS) + draw.normal(0, 0.6, (len(quality), RATERS))
    votes[:, :CARELESS] = draw.integers(1, 6, (len(quality), CARELESS))
    return np.clip(np.round(votes), 1, 5)


found = {}
for seed in range(2):
    draw = np.random.default_rng(seed)
    quality = draw.uniform(1.5, 4.5, CLIPS)
    parts = [session(draw, part) for part in np.split(quality, SESSIONS)]
    whole = np.full((CLIPS, RATERS * SESSIONS), np.nan)
    for k, part in enumerate(parts):
        whole[k * len(part) : (k + 1) * len(part), k * RATERS : (k + 1) * RATERS] = part
    apart = [screened(part) for part in parts]
    together = screened(whole)
    alone = sum(sum(result["observer_rejected"][:CARELESS]) for result in apart)
    joint = sum(together["observer_rejected"][k * RATERS + c] for k in range(SESSIONS) for c in range(CARELESS))
    error = [np.abs(np.array(mos) - quality).mean() for mos in (sum((r["quality_scores"] for r in apart), []), together["quality_scores"])]
    found[seed] = alone, joint
    print(
        f"study {seed}: of {CARELESS * SESSIONS} random raters {alone} rejected session by session, {joint} in one matrix;"
        f" mean error of the MOS {error[0]:.3f}, {error[1]:.3f}"
    )
print("expected: the same raters rejected both times, because no vote and no clip has changed")
if any(joint or alone < 10 for alone, joint in found.values()):
    sys.exit("changed: gaps make less of a difference")
print("still there")
PYTHON
