#!/usr/bin/env bash
# KubeRay and Ray: the priority of a worker group is in the one's resource and in the other's scheduler, and is lost between them
#
# Expected: KubeRay's RayCluster takes `priority` for a worker group, and the second autoscaler of Ray fills the node type of the
#   higher priority first: spot machines before those on demand.
# Happens: what Ray makes of the RayCluster has no priority in it, so both groups have 0 and are alike; nothing is logged. The
#   same number written into Ray's own form of the configuration arrives.
# Versions: ray[default] 2.58.0; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   Ray 2.58.0
#   in the RayCluster: {'on-demand': 1, 'spot': 9}
#   for the scheduler: {'on-demand': 0, 'spot': 0}
#   the same numbers in Ray's own form: {'on-demand': 1, 'spot': 9}
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib 'ray[default]==2.58.0'
export PYTHONPATH="$work/lib"

"$python" - 2>/dev/null <<'PYTHON'
import sys

import ray
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig

print("Ray", ray.__version__)
GIVEN = {"on-demand": 1, "spot": 9}


def pod(gpus):
    limits = {"cpu": "8", "memory": "8Gi"} | ({"nvidia.com/gpu": gpus} if gpus else {})
    return {"spec": {"containers": [{"name": "ray", "image": "rayproject/ray", "resources": {"limits": limits}}]}}


def group(name):
    sizes = {"replicas": 0, "minReplicas": 0, "maxReplicas": 4}
    return {"groupName": name, **sizes, "priority": GIVEN[name], "rayStartParams": {}, "template": pod("1")}


cluster = {
    "metadata": {"name": "example", "namespace": "default"},
    "spec": {
        "rayVersion": "2.58.0",
        "enableInTreeAutoscaling": True,
        "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": pod("")},
        "workerGroupSpecs": [group(name) for name in GIVEN],
    },
}


def seen(configuration):
    types = AutoscalingConfig(configuration).get_node_type_configs()
    return {name: types[name].priority for name in GIVEN}


made = _derive_autoscaling_config_from_ray_cr(cluster)
lost = seen(made)
for name, priority in GIVEN.items():
    made["available_node_types"][name]["priority"] = priority
kept = seen(made)
print("in the RayCluster:", GIVEN)
print("for the scheduler:", lost)
print("the same numbers in Ray's own form:", kept)
if lost == GIVEN or kept != GIVEN:
    print("changed: the priority arrives, or Ray's own form does not take it any more")
    sys.exit(1)
print("still there")
PYTHON
