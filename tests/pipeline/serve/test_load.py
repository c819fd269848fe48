"""The service under load, in the short form: the command, real replicas, clients on loopback, and replicas that are killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.heavy]
PROJECT = Path(__file__).parents[3]


def test_no_request_is_lost_while_replicas_are_killed_and_no_upload_stays(trained, tmp_path):
    script = PROJECT / "benchmarks" / "serve.py"
    figures = tmp_path / "figures.json"
    small = ["--size", "96x64", "--length", "0.8", "--clients", "6", "--seconds", "6", "--per-second"]
    command = [sys.executable, script, trained, *small, "--json", figures]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(figures.read_text(encoding="utf-8"))
    (level,) = found["levels"]
    assert level["lost"] == []
    assert level["answered"] >= 6
    assert sorted(found["killed"]) == ["FolderEncoder", "HeaderReader", "Sampler", "SecondsScorer"]
    assert found["left"] == []
