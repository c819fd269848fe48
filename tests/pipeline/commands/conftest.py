"""Commands are called as a user calls them: arguments in, exit code and both streams out."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

import run
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import write_json


@dataclass(frozen=True)
class Output:
    """The result of a command."""

    code: int
    out: str
    err: str

    def json(self):
        """Standard output as JSON."""
        return json.loads(self.out)


Call = Callable[..., Output]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test sees the scores that another one, or the user, has kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def call():
    """`call("score", model, video)` runs the command line in this process."""

    def called(*words):
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run.main([str(word) for word in words])
        return Output(code, out.getvalue(), err.getvalue())

    return called


@pytest.fixture
def copied(trained, tmp_path):
    """A student folder that a test may damage."""
    return Path(shutil.copytree(trained, tmp_path / "copied"))


@pytest.fixture
def begun(tmp_path):
    """`begun(manifests)` makes a run folder with these steps committed."""

    def make(manifests):
        layout = RunLayout.at(tmp_path / "run")
        layout.manifests.mkdir(parents=True)
        for one in manifests:
            write_json(layout.manifest(one.step), asdict(one))
        return layout

    return make
