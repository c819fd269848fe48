#!/usr/bin/env bash
# Ray: what the workers computed is in no account: of 30 CPU seconds in an actor "time" shows none
#
# Expected: A local Ray is a tree of child processes, and all of them have ended after ray.shutdown(). So getrusage of the
#   children, which `time python program.py` prints, holds their CPU seconds.
# Happens: The raylet ignores SIGCHLD. Linux then waits for its children by itself, and adds their CPU seconds to nobody's. What
#   is printed are the raylet, the GCS and the driver. Whoever compares two versions of a program by `time`, by
#   /usr/bin/time or by resource.getrusage compares without the work; wall time and /proc of the living workers hold.
# Versions: ray 2.58.0; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   Ray 2.58.0
#   a grandchild burns 30 CPU seconds: 30.0 in the account of the children
#   an actor burns them: 6.9, where one that burns none leaves 6.4; its parent ignores SIGCHLD: True
#   expected: 30 more in both
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib ray==2.58.0
export PYTHONPATH="$work/lib" RAY_USAGE_STATS_ENABLED=0

"$python" - <<'PYTHON'
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import ray

BURNT_S = 30.0
BURN = f"import time\nwhile time.process_time() < {BURNT_S}: pass"


def children_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


before = children_s()
subprocess.run(["sh", "-c", '"$0" -c "$1"', sys.executable, BURN], check=True)  # a grandchild
plain = children_s() - before
print("Ray", ray.__version__)
print(f"a grandchild burns {BURNT_S:g} CPU seconds: {plain:.1f} in the account of the children")


@ray.remote
class Worker:
    def burn(self, seconds):
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass
        status = Path(f"/proc/{os.getppid()}/status").read_text()
        ignored = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn:"))
        return bool(ignored >> (signal.SIGCHLD - 1) & 1)


def with_ray(seconds):
    before = children_s()
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    ignores = ray.get(Worker.remote().burn.remote(seconds))
    ray.shutdown()
    time.sleep(5)
    return children_s() - before, ignores


with_ray(0.0)  # the first one compiles Ray's own files
idle, ignores = with_ray(0.0)
busy, _ = with_ray(BURNT_S)
print(f"an actor burns them: {busy:.1f}, where one that burns none leaves {idle:.1f}; its parent ignores SIGCHLD: {ignores}")
print(f"expected: {BURNT_S:g} more in both")
if plain < BURNT_S - 0.5:
    sys.exit("changed: a grandchild is not counted either")
if busy - idle > BURNT_S / 2:
    sys.exit("changed: the actor's seconds are counted")
print("still there")
PYTHON
