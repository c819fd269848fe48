"""Metrics of a real stream, as Ray's agent exports them and, where it is installed, as Prometheus answers for the dashboard."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dashboard import EXPRESSIONS, PROGRAM, prometheus, text_of, until

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import json, sys, time, urllib.request
import pyarrow as pa, ray
from cluster.engine import RayEngine
from cluster.metrics import add, put
from cluster.pools import Pool
from cluster.session import SessionSettings, connect

class Slow:
    def __call__(self, row):
        time.sleep(0.02)
        return row

with RayEngine(lambda: connect("local", SessionSettings(cpus=2))) as engine:
    engine.start()
    node = next(iter(ray.nodes()))
    print(json.dumps({"port": node["MetricsExportPort"]}), flush=True)
    for number in range(2):
        table = pa.table({"video_id": [f"{number}-{k}" for k in range(30)]})
        rows = sum(len(rows) for rows in engine.stream(table, [Pool(Slow)]))
        add("w2s_videos", rows, step="score", result="ok")
    add("w2s_videos", 2, step="score", result="decode")
    add("w2s_pairs_mined", 5, origin="gmad")
    put("w2s_step_running", 1, step="score")
    for name in ("loss", "lambda", "step", "steps"):
        put(f"w2s_training_{name}", 4, round=1)
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def exporting(tmp_path):
    """A process with a stream; gives the port of its metrics."""
    environment = {**os.environ, "RAY_metrics_report_interval_ms": "1000"}
    child = subprocess.Popen(
        [sys.executable, "-c", CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    try:
        port = json.loads(child.stdout.readline())["port"]
        assert json.loads(child.stdout.readline()) == {"ready": True}
        yield port
    finally:
        child.communicate("\n", timeout=60)


@pytest.mark.heavy
def test_a_stream_is_seen_from_outside(exporting, tmp_path):

    from cluster.metrics import METRICS, exported

    address = f"http://127.0.0.1:{exporting}/metrics"
    names = {exported(name) for name in METRICS}

    def missing():
        text = text_of(address)
        return names - {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}

    assert until(lambda: not missing()), missing()
    text = text_of(address)
    videos = sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("ray_w2s_videos_total{") and 'result="ok"' in line.lower()
    )
    assert videos == 60
    if PROGRAM is None:
        pytest.skip("prometheus is not installed: only Ray's own export was read")
    with prometheus(exporting, tmp_path) as ask:
        for expression in EXPRESSIONS:
            if "gpus" not in expression:  # none are here: the share is of nothing
                assert until(lambda: ask(expression)), expression  # noqa: B023 - called at once
        (done,) = ask('sum by (step) (ray_w2s_videos_total{result="ok"})')
        assert done["value"][1] == "60"
