"""A cluster that grows from a head without GPUs and shrinks again, by Ray's own autoscaler over real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from autoscaling import AutoscalingCluster, Watch

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]

WORK = '''
import time

class Slow:
    """Waits a little, and answers."""

    def __call__(self, row):
        time.sleep(0.2)
        return {**row, "status": "ok", "error_kind": "", "error": ""}
'''

SCRIPT = """
import json, sys, time
import pyarrow as pa
import work
from cluster.capacity import present, whole
from cluster.engine import RayEngine
from cluster.pools import Pool
from cluster.session import SessionSettings, connect

began, said, times = time.monotonic(), [], {}
table = pa.Table.from_pylist([{"video_id": f"v{k:02d}"} for k in range(40)])
with RayEngine(lambda: connect(say=said.append)) as engine:
    engine.start({"score": [{"GPU": 1.0}, {"GPU": 0.5}]})
    for name, gpus in (("score", 0.5), ("pair", 0.0)):
        times[name] = [time.monotonic() - began]
        batches = engine.stream(table, [Pool(work.Slow, gpus=gpus), Pool(work.Slow)], most_rows=1)
        rows = sorted(row["video_id"] for batch in batches for row in batch)
        times[name] += [time.monotonic() - began, len(rows), len(set(rows))]
        while name == "score" and present().gpus:
            time.sleep(0.2)
    try:
        engine.start({"score": [{"GPU": 1.0}] * 3})
    except Exception as error:
        refusal = f"{type(error).__name__}: {error}"
    print(json.dumps({"said": said, "times": times, "refusal": refusal}), flush=True)
    with engine.capacity.held(whole([{"GPU": 1.0}])):
        print("held", flush=True)
        time.sleep(3600)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What a process found that was killed in the end while it held a GPU, and what the cluster did then."""
    folder = tmp_path_factory.mktemp("growing")
    (folder / "work.py").write_text(WORK, encoding="utf-8")
    paths = [str(folder), str(Path(__file__).resolve().parents[2])]
    cluster = AutoscalingCluster(
        {"gpu": ({"CPU": 1, "GPU": 1}, 2)}, {"CPU": 2}, environment={"PYTHONPATH": os.pathsep.join(paths)}
    )
    with cluster, Watch(cluster.address) as watch:
        environment = {**os.environ, "RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "disabled"}
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        line = [sys.executable, "-c", SCRIPT]
        with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True) as child:
            report = json.loads(child.stdout.readline())
            assert child.stdout.readline() == "held\n"
            held = watch.counts[-1]
            child.send_signal(signal.SIGKILL)
        killed = watch.now()
        while watch.counts[-1][1] and watch.now() < killed + 300:
            time.sleep(0.5)
        return SimpleNamespace(**report, counts=watch.counts, held=held, killed=killed, last=watch.counts[-1])


def test_the_ceiling_is_that_of_the_autoscaler(found):
    assert "1 node, 2 CPUs, 0 GPUs now; at most 4 CPUs, 2 GPUs (the autoscaler's configuration)" in found.said[0]


def test_every_row_comes_back_once(found):
    assert [found.times[name][2:] for name in ("score", "pair")] == [[40, 40], [40, 40]]


def test_the_cluster_grows_to_its_ceiling_and_holds_no_gpu_for_work_without_one(found):
    began, ended = found.times["score"][:2]
    assert max(gpus for _, gpus, _ in found.counts) == 2
    assert found.times["pair"][0] > ended > began, "the second stream began when the GPUs had gone"


def test_what_can_never_come_is_refused(found):
    assert found.refusal.startswith("ClusterError: step score needs 3 GPUs at the same time")


def test_a_process_that_was_killed_holds_nothing(found):
    assert found.held[1] >= 1
    assert found.last[1] == 0
