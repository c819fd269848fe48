import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from dashboard import EXPRESSIONS, PROGRAM, prometheus, until

from cluster import metrics
from cluster.depths import Depths
from cluster.metrics import METRICS, add, exported, metered, put

DASHBOARD = json.loads((Path(metrics.__file__).parent / "grafana.json").read_text())
NAME = re.compile(r"\bray_w2s_\w+")


def expressions():
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_draws_every_metric_and_no_other():
    drawn = {name for text in expressions() for name in NAME.findall(text)}
    assert drawn == {exported(name) for name in METRICS}


def test_the_dashboard_asks_for_labels_that_the_metrics_have():
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            names = [name for name in METRICS if exported(name) in NAME.findall(target["expr"])]
            has = {label for name in names for label in METRICS[name].labels}
            asked = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            asked |= {label for part in re.findall(r"by \(([\w, ]+)\)", target["expr"]) for label in part.split(", ")}
            asked |= set(re.findall(r"(\w+)!?=\"", target["expr"]))
            assert asked <= has, target
            if METRICS[names[0]].kind == "counter":
                assert "rate(" in target["expr"] or "sum" in target["expr"], "every process has a sum of its own"


@pytest.mark.skipif(PROGRAM is None, reason="prometheus is not installed")
def test_a_real_prometheus_answers_every_panel(tmp_path):
    """Of a page with every metric once, in the form in which Ray exports them."""
    lines = []
    for name, metric in METRICS.items():
        values = {label: "ok" if label == "result" else "x" for label in metric.labels}
        labels = ",".join(f'{key}="{value}"' for key, value in values.items())
        lines += [f"# TYPE {exported(name)} {metric.kind}", f"{exported(name)}{{{labels}}} 7"]
    failed = f'{exported("w2s_videos")}{{step="x",result="decode"}} 2'
    page = "\n".join([*lines[:2], failed, *lines[2:], ""]).replace(
        'w2s_step_running{step="x"} 7', 'w2s_step_running{step="x"} 1'
    )

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with prometheus(server.server_port, tmp_path) as ask:
            for expression in EXPRESSIONS:
                assert until(lambda: ask(expression)), expression  # noqa: B023 - called at once
            (share,) = ask("ray_w2s_gpus_busy / (ray_w2s_gpus > 0)")
            assert share["value"][1] == "1"
    finally:
        server.shutdown()
        server.server_close()


def test_panels_have_places_of_their_own():
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_without_a_ray_nothing_is_told_and_nothing_fails():
    add("w2s_videos", 3, step="score", result="ok")
    put("w2s_gpus", 1.0)


@pytest.fixture
def told(monkeypatch):
    """Metrics that are set, instead of Ray's."""
    calls = []

    class Recorder:
        def __init__(self, name):
            self.name = name

        def inc(self, amount, labels):
            assert set(labels) == set(METRICS[self.name].labels)
            calls.append((self.name, amount, labels))

        set = inc

    monkeypatch.setattr(metrics, "_connected", Recorder)
    return calls


class Work:
    def __init__(self, step):
        self.step = step

    def __call__(self, row):
        if row < 0:
            raise ValueError("negative")
        return row + self.step


def test_a_metered_class_does_the_same_work_and_counts_its_seconds(told):
    kind = metered(Work)
    assert kind.__name__ == "Work", "the name that Ray shows"
    actor = kind(step=2)
    assert actor(1) == 3
    with pytest.raises(ValueError, match="negative"):
        actor(-1)
    assert [name for name, _, _ in told] == ["w2s_stage_seconds"] * 2
    assert all(seconds >= 0 and labels == {"stage": "Work"} for _, seconds, labels in told)


def test_nothing_is_added_to_a_counter_for_nothing(told):
    add("w2s_pairs_mined", 0, origin="gmad")
    assert told == []


def test_a_gauge_is_repeated_until_the_session_ends(told, monkeypatch):
    monkeypatch.setattr(metrics, "LOOK_S", 0.01)
    monkeypatch.setattr(metrics, "_resources", lambda: None)
    with metrics.watched():
        put("w2s_training_loss", 0.5, round=1)
        while len(told) < 4:
            time.sleep(0.01)
    assert {(name, value) for name, value, _ in told} == {("w2s_training_loss", 0.5)}
    del told[:]
    with metrics.watched():
        time.sleep(0.05)
    assert told == [], "of an earlier session"


def test_queues_of_a_stream_are_told_now_and_then(told):
    class Operator:
        name = "Map(Sampler)"

    operator = Operator()
    executor = SimpleNamespace(_topology={operator: SimpleNamespace(total_enqueued_input_blocks=lambda: 7)})
    depths = Depths()
    for _ in range(5):
        depths.on_execution_step(executor)
    assert told == [("w2s_queue_blocks", 7, {"stage": "Map(Sampler)"})], "not at every step of the loop"
    depths.after_execution_fails(executor, ValueError())
    assert told[-1] == ("w2s_queue_blocks", 0, {"stage": "Map(Sampler)"})
