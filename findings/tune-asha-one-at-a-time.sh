#!/usr/bin/env bash
# Ray Tune: with one trial at a time ASHA stops all or none, by the order in which the values come
#
# Expected: with reduction_factor 2 about half of the trials go on past a rung, and the order of the values changes
#   little.
# Happens: the cut-off of a rung is a percentile of the earlier results only, without the new one. One trial at a
#   time, values that fall by 0.001 are all stopped at the first rung but the first, the same values rising all run to
#   the end, and a trial that is 0.001 behind at step 1 is stopped although it would end far ahead. Who has one GPU
#   tunes in favour of the first value.
# Versions: ray[tune] 2.58.0; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   Ray 2.58.0
#   crossing: steps of 16 that each trial ran: [16, 1]
#   falling: steps of 16 that each trial ran: [16, 1, 1, 1, 1, 1]
#   rising: steps of 16 that each trial ran: [16, 16, 16, 16, 16, 16]
#   expected: about half of each row stopped early, in either order; the second of crossing is ahead from step 2 on
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib ray[tune]==2.58.0
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import sys

import ray
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from ray.tune.experiment import Trial

print("Ray", ray.__version__)


def run(finals, reduction):
    """Train one trial after another; trial k is worth ``finals[k]`` at its end and a little less before."""
    asha = AsyncHyperBandScheduler(
        time_attr="training_iteration", metric="value", mode="max", max_t=16, grace_period=1, reduction_factor=reduction
    )
    lengths = []
    for slope, start in finals:
        trial = Trial("trainable", stub=True)
        asha.on_trial_add(None, trial)
        for step in range(1, 17):
            result = {"training_iteration": step, "value": start + slope * step}
            if asha.on_trial_result(None, trial, result) == TrialScheduler.STOP:
                break
        lengths.append(step)
    return lengths


# (gain per step, first value): the second trial starts lower by 0.001 and ends far above the first.
crossing = [(0.0, 0.500), (0.05, 0.449)]
falling = [(0.0, 0.5 - 0.001 * k) for k in range(6)]
rising = falling[::-1]
answers = {name: run(trials, 2) for name, trials in (("crossing", crossing), ("falling", falling), ("rising", rising))}
for name, lengths in answers.items():
    print(f"{name}: steps of 16 that each trial ran: {lengths}")
print("expected: about half of each row stopped early, in either order; the second of crossing is ahead from step 2 on")
if sum(answers["rising"]) - sum(answers["falling"]) < 40 and answers["crossing"][1] == 16:
    sys.exit("changed: the order of the values decides less")
print("still there")
PYTHON
