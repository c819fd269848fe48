#!/usr/bin/env bash
# Ray Data: with five pools on four GPUs the slowest pool works on one GPU, and another GPU stays idle to the end
#
# Expected: a pool of actors with one GPU each, which may have two and whose queue is always full, takes the fourth GPU, which
#   nobody uses: the five pools need 1 + 1 + 1/2 + 1/4 + 1/4 = 3 GPUs for one actor each.
# Happens: it keeps one actor. There are two reasons, and it takes both remedies.
#   1. What is free is divided by the number of operators before a pool may grow ("exceeded resource limits" in its own
#      words, at debug level): of one free GPU each pool may take a fifth, and a part of an actor is none.
#   2. Actors are spread over the nodes, so those with a part of a GPU begin on different GPUs: no whole one is left, and
#      without the first reason the new actor waits for ever.
#   `op_resource_reservation_enabled = False` lifts the first, and with it the limit on what may lie in the object store;
#   `scheduling_strategy="DEFAULT"` in the arguments of the map lifts the second.
# Versions: ray[data] 2.58.0; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   ray 2.58.0
#   actors of the slowest pool, which may have 2, on 4 GPUs of which one actor of each pool needs 3:
#     as Ray Data does it: 1
#     scheduling_strategy=DEFAULT: 1
#     no reservation: 1
#     both: 2
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib "ray[data]==2.58.0"
export PYTHONPATH="$work/lib"

cat >chain.py <<'PYTHON'
import sys
import time

import ray
from ray.cluster_utils import Cluster

reservation, strategy = sys.argv[1] == "reserved", sys.argv[2]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "num_gpus": 2})
cluster.add_node(num_cpus=4, num_gpus=2)
ray.init(cluster.address, logging_level="ERROR", log_to_driver=False)
context = ray.data.DataContext.get_current()
context.op_resource_reservation_enabled = reservation
context.enable_progress_bars = False


class Work:
    def __init__(self, name, seconds):
        self.name, self.seconds = name, seconds
        self.actor = ray.get_runtime_context().get_actor_id()

    def __call__(self, row):
        time.sleep(self.seconds)
        return {**row, self.name: self.actor}


rows = ray.data.range(400, override_num_blocks=100)
for name, seconds, gpus in (("slowest", 0.12, 1), ("slow", 0.02, 1), ("a", 0.01, 0.5), ("b", 0.01, 0.25), ("c", 0.01, 0.25)):
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=2)
    rows = rows.map(
        Work, fn_constructor_args=(name, seconds), compute=pool, num_cpus=0.5, num_gpus=gpus, scheduling_strategy=strategy
    )
done = rows.to_pandas()
print(len(done), done["slowest"].nunique())
PYTHON

actors() { # actors RESERVATION STRATEGY: how many actors of the slowest pool did something
    timeout 300 "$python" chain.py "$1" "$2" 2>/dev/null | tail -1 | cut -d' ' -f2
}

"$python" -c 'import ray; print("ray", ray.__version__)'
as_it_is="$(actors reserved SPREAD)"
packed="$(actors reserved DEFAULT)"
unreserved="$(actors free SPREAD)"
both="$(actors free DEFAULT)"
echo "actors of the slowest pool, which may have 2, on 4 GPUs of which one actor of each pool needs 3:"
echo "  as Ray Data does it: $as_it_is"
echo "  scheduling_strategy=DEFAULT: $packed"
echo "  no reservation: $unreserved"
echo "  both: $both"
if [[ "$as_it_is $packed $unreserved $both" != "1 1 1 2" ]]; then
    echo "changed: 1, 1, 1 and 2 actors were seen"
    exit 1
fi
echo "still there"
