"""Whole commands in processes of their own, on a configuration so small that a run takes a minute or two."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
TEACHERS = ("artefact", "sharpness", "brisque", "temporal")
TINY = {
    "preset": "demo",
    "seed": 5,
    "stages": 2,
    "corpus": {
        "made_clips": 6,
        "made_width": 160,
        "made_height": 120,
        "made_seconds": 1.0,
        "made_fps": 12.0,
        "window_s": 1.0,
        "degraded_copies": 3,
    },
    "teachers": {"names": list(TEACHERS), "key_frames": 1, "motion_frames": 12},
    "distort": {
        "types": dict.fromkeys(("resize", "gaussian_noise", "darken", "brighten", "stutter", "h265"), False),
        "sources": [{"spatial": 1, "temporal": 1, "streaming": 1}],
    },
    "pairs": {"homogeneous": [12], "decisive": False, "synthetic": [{"spatial": 8, "temporal": 3, "streaming": 5}]},
    "mining": {"levels": 2, "pairs": 2, "missed": {"spatial": 3, "temporal": 2, "streaming": 2}},
    "training": {"workers": 1, "epochs": 4, "batch_size": 8, "checkpoint_every": 2},
    "benchmark": {"levels": 2, "seen": ["gaussian_blur", "h264"], "unseen": ["mpeg2", "frame_drop"]},
}

CANARY = "canary-Q7w2"  # what no file and no output of a run may hold
SECRETS = {"AWS_SECRET_ACCESS_KEY": CANARY, "HF_TOKEN": CANARY, "MY_PASSWORD": CANARY}

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def environment():
    """``environment(*folders)``: the tests' own, with folders that Python and Ray's workers import from."""

    def build(*folders):
        paths = [*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    return build


@pytest.fixture(scope="session")
def canary():
    """The value of the secrets in the environment of every ``command``."""
    return CANARY


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """``command(*arguments)`` runs ``python run.py ARGUMENTS`` to its end."""

    # no command sees the scores that the user has kept
    environment = {**os.environ, **SECRETS, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}

    def run(*arguments):
        line = [sys.executable, str(PROJECT / "run.py"), *map(str, arguments)]
        for _ in range(3):
            ended = subprocess.run(line, capture_output=True, text=True, check=False, timeout=1200, env=environment)
            # On a busy machine Ray's own C++ driver code aborts now and then; whoever meets that resumes by running the
            # same command again, and so do these tests.
            if ended.returncode != -signal.SIGABRT:
                break
        return ended

    return run


@pytest.fixture(scope="session")
def kill_when():
    """``kill_when(reached, *arguments)`` starts ``run.py ARGUMENTS`` and kills its process group once ``reached()``."""

    def run(reached, *arguments):
        # Ray's own folder outlives a killed process; a short temporary folder of its own can be removed afterwards.
        scratch = tempfile.mkdtemp(prefix="e2e-")
        line = [sys.executable, str(PROJECT / "run.py"), *map(str, arguments)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        process = subprocess.Popen(line, env={**os.environ, "TMPDIR": scratch}, **quiet)
        try:
            while not reached():
                assert process.poll() is None, "the command ended before it could be killed"
                time.sleep(0.05)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            shutil.rmtree(scratch, ignore_errors=True)

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The tiny configuration, a YAML file."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY), encoding="utf-8")
    return path
