#!/usr/bin/env bash
# Ray Tune: ASHA never stops a trial whose metric is NaN, and for the median rule a single NaN stops the trials that are well
#
# Expected: a trial that diverged, or whose rank correlation is NaN because all its predictions are equal, counts as the
#   worst: the early stopping ends it first, and the other trials run as before. Ray Train ranks NaN as the worst checkpoint.
# Happens: ASHA asks whether the value is below the cut-off, which no NaN is, so the diverged trial runs to the end, where a
#   trial with the constant value 0.1 stops after one step. MedianStoppingRule takes the median of all running means, NaN among
#   them: one NaN in the first step of one trial makes that median NaN for good, and each trial that is compared with it
#   stops, the best one too. (The two that go on here report before there are enough samples to compare with.)
# Versions: ray[tune] 2.58.0; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   Ray 2.58.0
#   ASHA, seventh trial 0.1 at every step: it ran 1 of 16 steps
#   ASHA, seventh trial NaN at every step: it ran 16 of 16 steps
#   ASHA, seventh trial NaN at step 1, then 0.1: it ran 2 of 16 steps
#   median rule, first trial 0.1 at every step: the six others ran [16, 16, 16, 16, 16, 16]
#   median rule, first trial NaN at every step: the six others ran [16, 16, 1, 1, 1, 1]
#   median rule, first trial NaN at step 1, then 0.1: the six others ran [16, 16, 1, 1, 1, 1]
#   expected: the trial with NaN stopped by ASHA as early as the one with 0.1; the best of the six run to the end
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib "ray[tune]==2.58.0"
export PYTHONPATH="$work/lib"

"$python" -W ignore - <<'PYTHON'
import math
import sys

import ray
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule, TrialScheduler

print("Ray", ray.__version__)
STEPS = 16


class Nothing:
    """Stands for Tune's loop: no trial waits for a place."""

    @staticmethod
    def get_live_trials():
        return []


def run(scheduler, curves):
    """Steps that each trial ran; all train side by side and report in their order."""
    trials = [Trial("trainable", stub=True) for _ in curves]
    for trial in trials:
        scheduler.on_trial_add(None, trial)
    ran, live = [0] * len(curves), list(range(len(curves)))
    for step in range(1, STEPS + 1):
        for k in list(live):
            ran[k] = step
            report = {"training_iteration": step, "srcc": curves[k](step)}
            if scheduler.on_trial_result(Nothing, trials[k], report) == TrialScheduler.STOP:
                live.remove(k)
    return ran


def asha():
    return AsyncHyperBandScheduler(
        time_attr="training_iteration", metric="srcc", mode="max", max_t=STEPS, grace_period=1, reduction_factor=2
    )


def median():
    return MedianStoppingRule(time_attr="training_iteration", metric="srcc", mode="max", grace_period=1, min_samples_required=3)


# Six trials that learn; the last of them is the best at every step. And one more.
learning = [lambda step, k=k: 0.5 + 0.02 * k + 0.01 * step for k in (2, 0, 3, 1, 4, 5)]
others = {
    "0.1 at every step": lambda step: 0.1,
    "NaN at every step": lambda step: math.nan,
    "NaN at step 1, then 0.1": lambda step: math.nan if step == 1 else 0.1,
}
answers = {}
for name, other in others.items():
    answers["ASHA", name] = run(asha(), [*learning, other])[-1]
    print(f"ASHA, seventh trial {name}: it ran {answers['ASHA', name]} of {STEPS} steps")
for name, other in others.items():
    answers["median", name] = run(median(), [other, *learning])[1:]
    print(f"median rule, first trial {name}: the six others ran {answers['median', name]}")
print("expected: the trial with NaN stopped by ASHA as early as the one with 0.1; the best of the six run to the end")
if answers["ASHA", "0.1 at every step"] != 1 or answers["ASHA", "NaN at every step"] != STEPS:
    sys.exit("changed: ASHA stops the trial with NaN, or not the one with 0.1")
if answers["median", "0.1 at every step"][-1] != STEPS or answers["median", "NaN at step 1, then 0.1"][-1] == STEPS:
    sys.exit("changed: the median rule lets the best trial run")
print("still there")
PYTHON
