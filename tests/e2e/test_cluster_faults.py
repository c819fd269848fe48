"""Actors and nodes that die while rows are scored, and an object store smaller than what passes: a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.heavy, pytest.mark.timeout(1800)]

PARTS = '''
import os
import time

class Decode:
    """Gives a row the size of a decoded window: 4 MB."""

    def __call__(self, row):
        number = int(row["video_id"])
        return {**row, "pixels": bytes([number % 251]) * 4_000_000, "status": "ok", "error_kind": "", "error": ""}

class Score:
    """Scores slowly, and writes its process id to a file."""

    def __init__(self, seconds, notes):
        self.seconds = seconds
        with open(notes, "a") as file:
            file.write(f"{os.getpid()}\\n")

    def __call__(self, row):
        time.sleep(self.seconds)
        score = float(row["pixels"][0]) + len(row["pixels"])
        return {**{name: row[name] for name in row if name != "pixels"}, "score": score}
'''

SCRIPT = """
import json, os, resource, signal, sys
from pathlib import Path
import pyarrow as pa
import ray
import parts
from patient import add_node, start_cluster
from cluster.pools import Pool
from cluster.session import connect
from cluster.stream import stream

root = Path(sys.argv[1])
STORE = 80 * 2**20

def table(count):
    return pa.Table.from_pylist([{"video_id": f"{k:04d}", "uri": f"{k}.mp4"} for k in range(count)])

def passed(count, seconds, disturb=None):
    notes = root / "pids"
    notes.write_text("")
    pools = [Pool(parts.Decode), Pool(parts.Score, {"seconds": seconds, "notes": str(notes)}, weight=2.0)]
    rows = []
    for batch in stream(table(count), pools, most_rows=1):
        rows += batch
        if disturb is not None and len(rows) >= count // 3:
            disturb(notes)
            disturb = None
    assert disturb is None
    return sorted([row["video_id"], row["status"], row.get("score")] for row in rows)

def kill_actor(notes):
    os.kill(int(notes.read_text().split()[0]), signal.SIGKILL)

def lose_node(_notes):
    cluster.remove_node(second, allow_graceful=False)
    add_node(cluster, num_cpus=2, object_store_memory=STORE)

# what does not fit fails instead of going to the disk
never = {"automatic_object_spilling_enabled": False}
cluster = start_cluster(num_cpus=2, object_store_memory=STORE, _system_config=never)
ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
with connect():
    marks = []
    flow = passed(100, 0.0, lambda _: marks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
    marks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    second = add_node(cluster, num_cpus=2, object_store_memory=STORE)
    undisturbed = passed(24, 0.2)
    killed = passed(24, 0.2, kill_actor)
    lost = passed(24, 0.2, lose_node)
ray.shutdown()
cluster.shutdown()
growth = (marks[1] - marks[0]) / 1024
print(json.dumps({"flow": flow, "growth_mib": growth, "undisturbed": undisturbed, "killed": killed, "lost": lost}))
"""


@pytest.fixture(scope="module")
def met(environment, tmp_path_factory):
    """What the process found."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "parts.py").write_text(PARTS, encoding="utf-8")
    line = [sys.executable, "-c", SCRIPT, str(folder)]
    project = Path(__file__).resolve().parents[2]
    variables = environment(folder, project, project / "tests" / "support")
    ended = subprocess.run(line, capture_output=True, text=True, check=False, env=variables, timeout=1500)
    assert ended.returncode == 0, ended.stderr
    return SimpleNamespace(**json.loads(ended.stdout.splitlines()[-1]))


def expected(count):
    return [[f"{k:04d}", "ok", float(k % 251 + 4_000_000)] for k in range(count)]


def test_an_actor_killed_while_it_scores_changes_no_row(met):
    assert met.killed == met.undisturbed == expected(24)


def test_a_node_lost_while_it_scores_changes_no_row(met):
    assert met.lost == met.undisturbed == expected(24)


def test_five_times_the_object_store_passes_without_spilling_and_without_growth_of_the_driver(met):
    """100 rows of 4 MB through 80 MB, of which nothing may be spilled; the driver is compared after a third and at the end."""
    assert met.flow == expected(100)
    assert met.growth_mib < 20
