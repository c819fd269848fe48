#!/usr/bin/env bash
# Ray Data: after one dataset, what you ask of the autoscaler with request_resources is withdrawn behind your back
#
# Expected: `ray.autoscaler.sdk.request_resources` holds until its caller replaces it; its documentation says so. A job keeps
#   nodes, or asks for the GPUs of its next step, between two datasets.
# Happens: the first execution of Ray Data starts an actor for the whole cluster that writes the sum of what the datasets want over
#   the same request every few seconds, and goes on after the last dataset. Three GPUs that were asked for when nothing ran any
#   more are an empty list after 20 s at most, if the machine is not busy. Nothing is logged. Without a dataset the same request stays.
# Versions: ray[data] 2.58.0; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   Ray 2.58.0
#   asked: [{'GPU': 1}, {'GPU': 1}, {'GPU': 1}]
#   without any dataset it stays for 60 s: True
#   a dataset of two rows has ended; asked: [{'GPU': 1}, {'GPU': 1}, {'GPU': 1}]
#   with nothing running it stays for 180 s: False []
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib 'ray[data]==2.58.0'
export PYTHONPATH="$work/lib"

"$python" - 2>/dev/null <<'PYTHON'
import json
import sys
import time

import ray
from ray._private.ray_constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
from ray.autoscaler.sdk import request_resources
from ray.experimental.internal_kv import _internal_kv_get

print("Ray", ray.__version__)
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
WANTED = [{"GPU": 1}] * 3


def request():
    """What the autoscaler is asked for now."""
    return json.loads(_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL))


def stays(seconds):
    """Whether the request is the same for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if request() != WANTED:
            return False
        time.sleep(0.5)
    return True


request_resources(bundles=WANTED)
print("asked:", request())
alone = stays(60)
print("without any dataset it stays for 60 s:", alone)
ray.data.range(2).map(lambda row: row).materialize()
request_resources(bundles=WANTED)
print("a dataset of two rows has ended; asked:", request())
after = stays(180)
print("with nothing running it stays for 180 s:", after, request())
if not alone or after:
    print("changed: the request stays, or does not last by itself")
    sys.exit(1)
print("still there")
PYTHON
