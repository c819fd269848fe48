"""Nodes that go while they work, in a process of its own with a cluster of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray import exceptions

from cluster import losses
from cluster.losses import NodeGone, NodeWatch, lost_node

pytestmark = pytest.mark.timeout(900)

WORK = '''
import time
from pathlib import Path

class Slow:
    """Waits a little, and answers."""

    def __call__(self, row):
        time.sleep(0.3)
        return {**row, "status": "ok", "error_kind": "", "error": ""}

class Doubler:
    """Counts the calls that it began, so that a test can see when to take its node away."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def double(self, number):
        (self.folder / f"{number}").touch()
        time.sleep(1.0)
        return 2 * number
'''

SCRIPT = """
import json, sys, threading, time
from pathlib import Path
import pyarrow as pa
import work
from ray.cluster_utils import Cluster
from cluster.engine import RayEngine
from cluster.pools import Pool
from cluster.session import SessionSettings, connect

quick = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": quick})
lost = nodes.add_node(num_cpus=2)
said, folder = [], Path(sys.argv[1])
with RayEngine(lambda: connect(nodes.address, SessionSettings(stalled_s=20.0), said.append, folder)) as engine:
    table = pa.Table.from_pylist([{"video_id": f"v{k:02d}"} for k in range(48)])
    rows = []
    for batch in engine.stream(table, [Pool(work.Slow), Pool(work.Slow)], most_rows=1):
        rows += batch
        if lost is not None:
            nodes.remove_node(lost, allow_graceful=True)
            lost = None
    second = nodes.add_node(num_cpus=2)
    deadline = time.time() + 120
    while engine.capacity.most.cpus < 3:
        assert time.time() < deadline
        time.sleep(0.2)

    def take():
        while not list(folder.iterdir()):
            time.sleep(0.05)
        nodes.remove_node(second, allow_graceful=True)

    thief = threading.Thread(target=take)
    thief.start()
    answers = engine.calls(work.Doubler, (str(folder),), "double", [(k,) for k in range(12)])
    thief.join()
nodes.shutdown()
print(json.dumps({"rows": rows, "answers": answers, "said": said}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lost")
    (folder / "work.py").write_text(WORK, encoding="utf-8")
    calls = folder / "calls"
    calls.mkdir()
    line = [sys.executable, "-c", SCRIPT, str(calls)]
    paths = [str(folder), str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    ended = subprocess.run(line, capture_output=True, text=True, check=False, env=environment, timeout=800)
    assert ended.returncode == 0, ended.stderr
    return SimpleNamespace(**json.loads(ended.stdout.splitlines()[-1]))


def test_a_node_that_is_taken_back_costs_no_row(found):
    assert sorted(row["video_id"] for row in found.rows) == [f"v{k:02d}" for k in range(48)], "every row once"
    assert {row["status"] for row in found.rows} == {"ok"}


def test_a_node_that_is_taken_back_costs_no_call(found):
    assert found.answers == [2 * k for k in range(12)]


def test_the_first_line_says_which_cluster_it_is_and_that_it_does_not_grow(found):
    assert found.said[0].startswith("  Ray cluster ")
    assert "2 nodes, 3 CPUs, 0 GPUs; it does not grow" in found.said[0]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (exceptions.ActorDiedError(), True),
        (exceptions.ActorUnavailableError("gone", None), True),
        (exceptions.NodeDiedError("gone"), True),
        (exceptions.WorkerCrashedError(), True),
        (exceptions.GetTimeoutError(), False),
        (ValueError("the work's own"), False),
    ],
)
def test_what_a_node_took_with_it_differs_from_what_failed(error, lost):
    assert lost_node(error) is lost
    wrapped = RuntimeError("of the engine")
    wrapped.__cause__ = error
    assert lost_node(wrapped) is lost


def test_an_actor_that_cannot_start_is_no_lost_node():
    failed = exceptions.RayTaskError("__init__", "traceback", ValueError("no weights"))
    assert not lost_node(exceptions.ActorDiedError(failed))


class Standing:
    """An execution whose only operator has given some rows."""

    def __init__(self):
        self.metrics = SimpleNamespace(num_outputs_taken=0, num_tasks_finished=0)
        self._topology = [self]


@pytest.fixture
def watched(monkeypatch):
    """``watched(seconds, *nodes)``: a look at an execution at a time, with these nodes alive."""
    execution, times = Standing(), [0.0]
    monkeypatch.setattr(losses.time, "monotonic", lambda: times[0])
    watch = NodeWatch(60.0)

    def look(seconds, *nodes, rows=0):
        times[0] = seconds
        execution.metrics.num_outputs_taken = rows
        monkeypatch.setattr(losses.ray, "nodes", lambda: [{"NodeID": name, "Alive": True} for name in nodes])
        watch.on_execution_step(execution)

    return look


def test_an_execution_that_stands_still_after_a_node_went_is_ended_as_that_of_a_lost_node(watched):
    watched(10, "head", "other")
    watched(20, "head", rows=1)
    watched(70, "head", rows=1)
    with pytest.raises(NodeGone) as caught:
        watched(90, "head", rows=1)
    assert lost_node(caught.value)


def test_an_execution_that_moves_goes_on_without_the_node_that_went(watched):
    watched(10, "head", "other")
    for second in range(20, 400, 50):
        watched(second, "head", rows=second)


def test_an_execution_of_long_rows_is_not_ended_while_all_nodes_are_there(watched):
    for second in range(10, 4000, 100):
        watched(second, "head", "other")
