"""Commands are called as a user calls them: arguments in, exit code and both streams out."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
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


@pytest.fixture
def call():
    """`call("score", model, video)` runs the command line in this process."""

    def called(*words):
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run.main([str(word) for word in words])
        return Output(code, out.getvalue(), err.getvalue())

    return called


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A complete student folder: real encoder, a head with random weights, five anchors. Windows are 0.4 s long."""
    import torch

    from pipeline.method.scale import anchor_matrix, anchor_pairs
    from pipeline.student.folder import Anchors, write_anchors, write_processor
    from trainers.student.table import build_student

    folder = tmp_path_factory.mktemp("model") / "student"
    torch.manual_seed(0)
    student = build_student("lite")
    features = np.random.default_rng(0).normal(size=(40, student.feature_size)).astype(np.float32)
    student.prepare(features, features[:0], np.zeros(0))
    for weights in student.trained_module().parameters():
        torch.nn.init.normal_(weights, 0.1, 0.05)
    folder.mkdir()
    student.save(folder)
    first, second = (features[[pair[k] for pair in anchor_pairs()]] for k in (0, 1))
    matrix = anchor_matrix(student.compare(first, second))
    write_anchors(folder, Anchors(features[:5], matrix, np.array([10.0, 30, 50, 70, 90]), tuple("abcde"), 5.0))
    sampling = {"key_frames": 2, "motion_frames": 8, "motion_short_side": 48}
    write_processor(folder, {**sampling, "window_s": 0.4, "max_short_side": None, "max_fps": None})
    return folder


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
