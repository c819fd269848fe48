import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cluster import LIBRARIES, ClusterError, session
from cluster.session import SessionSettings, connect, worker_environment

ROOT = Path(__file__).resolve().parents[2]
LOCAL = """
import json, os, signal, sys, tempfile
from pathlib import Path
import ray, ray.data
from cluster.session import SessionSettings, connect

before = dict(os.environ)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
mine = lambda number, frame: None
signal.signal(signal.SIGTERM, mine)

@ray.remote(num_cpus=0.1)
def look():
    import cluster
    return os.environ["OMP_NUM_THREADS"], os.environ["PYTHONHASHSEED"], cluster.__file__

with connect(settings=SessionSettings(cpus=2)) as session:
    folder = Path(ray._private.worker._global_node.get_session_dir_path()).parent
    with connect("auto") as inner:
        joined = inner.local
    found = {
        "session": [session.local, session.cpus, session.nodes],
        "joined": joined,
        "still": ray.is_initialized(),
        "worker": ray.get(look.remote()),
        "sigterm": signal.getsignal(signal.SIGTERM) is mine,
        "bars": ray.data.DataContext.get_current().enable_progress_bars,
        "rows": ray.data.range(20).map(lambda row: row).count(),
        "folder": folder.exists(),
        "short": len(str(folder)),
    }
    os.chdir("/")
    found["stranger"] = ray.get_runtime_context().gcs_address
    import subprocess
    blank = {name: value for name, value in before.items() if not name.startswith("RAY_")}
    code = "import ray, sys; ray.init(address=sys.argv[1])"
    command = [sys.executable, "-c", code, found["stranger"]]
    stranger = subprocess.run(command, env=blank, capture_output=True, text=True)
    found["stranger"] = [stranger.returncode != 0, "AuthenticationError" in stranger.stderr]
found["gone"] = not folder.exists()
ours = ("OMP_NUM_THREADS", "PYTHONPATH", "PYTHONHASHSEED", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_BACKEND_LOG_LEVEL")
found["environment"] = [os.environ.get(name) for name in ours] == [before.get(name) for name in ours]
found["closed"] = not ray.is_initialized()
print(json.dumps(found))
"""


def test_a_local_session_is_quiet_closed_to_strangers_and_leaves_nothing_behind():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.run(
        [sys.executable, "-c", LOCAL],
        env=environment,
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.stderr == ""
    report = json.loads(child.stdout)
    assert report["session"] == [True, 2.0, 1]
    assert report["joined"] is False
    assert report["still"] is True
    assert report["worker"] == ["1", "0", str(ROOT / "cluster" / "__init__.py")]
    assert report["sigterm"] is True
    assert report["bars"] is False
    assert report["rows"] == 20
    assert report["folder"] is True
    assert report["short"] <= 60
    assert report["stranger"] == [True, True]
    assert report["gone"] is True
    assert report["environment"] is True
    assert report["closed"] is True


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "refused"),
        ("nowhere", "nowhere"),
        ("127.0.0.1:many", "host:port"),
    ],
)
def test_an_address_without_a_cluster_is_one_clear_line(address, words):
    code = """
import sys
from cluster.session import connect
from pipeline.console import guarded
def main():
    with connect(sys.argv[1]):
        return 0
sys.exit(guarded(main))
"""
    child = subprocess.run([sys.executable, "-c", code, address], cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.returncode == 3
    assert child.stderr.startswith(f"error: --address {address}: no Ray cluster can be joined there")
    assert words in child.stderr
    assert child.stderr.count("\n") == 1


def test_auto_without_a_cluster_is_refused(monkeypatch):
    from ray._private import services

    monkeypatch.setattr(services, "canonicalize_bootstrap_address", lambda address: None)
    with pytest.raises(ClusterError, match=r"--address auto: .*no running cluster was found"), connect("auto"):
        pass


def test_an_own_ray_is_refused_in_a_process_that_is_connected_to_another(monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    with pytest.raises(ClusterError, match=r"--address local: .*connected to a Ray already"), connect("local"):
        pass


def test_workers_sum_in_one_order_and_report_nothing(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    report = worker_environment(SessionSettings(threads=3), gpu=False)
    assert report["OMP_NUM_THREADS"] == report["MKL_NUM_THREADS"] == report["OPENBLAS_NUM_THREADS"] == "3"
    assert report["RAY_USAGE_STATS_ENABLED"] == "0"
    assert report["DS_ACCELERATOR"] == "cpu"
    assert report["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "/elsewhere"]
    assert "DS_ACCELERATOR" not in worker_environment(SessionSettings(), gpu=True)


def test_a_local_ray_that_does_not_start_says_so(monkeypatch):
    import ray

    def refuse(**options):
        raise RuntimeError("Failed to start GCS.\nmany lines")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    before = dict(os.environ)
    with pytest.raises(ClusterError, match=r"does not start: Failed to start GCS\.; run"), connect():
        pass
    assert dict(os.environ) == before


@pytest.mark.parametrize("end", [None, ValueError, KeyboardInterrupt])
def test_an_interrupted_session_leaves_rays_libraries_quiet_and_any_other_end_does_not(end, monkeypatch):
    import ray.data  # noqa: F401 - its import sets levels
    from ray._private import worker

    loggers = [logging.getLogger(name) for name in LIBRARIES]
    before = [library.level for library in loggers]
    handlers = [handler for library in loggers for handler in library.handlers]
    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)
    try:
        with contextlib.suppress(*([end] if end else [])), session._quiet(SessionSettings()):
            assert all(library.level == logging.ERROR for library in loggers)
            if end:
                raise end
        levels = [library.level for library in loggers]
    finally:
        for library, level in zip(loggers, before, strict=True):
            library.setLevel(level)
        for handler in handlers:
            handler.removeFilter(session._nothing)
    assert levels == ([logging.ERROR] * len(loggers) if end is KeyboardInterrupt else before)
