"""Hand-made tables of a small run: the inputs of a step, without the earlier steps and without Ray."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from cluster.in_process import InProcess
from pipeline.console import Console
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import BENCHMARK, DISTORTED, ENSEMBLE, STUDENT_SCORES, VIDEOS
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import write_table
from pipeline.settings.config import load

Row = dict[str, Any]
WHOLE = {"start_s": 0.0, "duration_s": 0.0}


class Tables:
    """Writes tables of a run; columns that a test leaves out have a default value."""

    def __init__(self, root):
        self.layout = RunLayout(root)
        self.stream = io.StringIO()
        self.console = Console(self.stream)
        self.engine = InProcess()

    def run(self, config):
        """The run of this folder with a configuration."""
        return Run(config, self.layout, self.console, self.engine)

    def write(self, path, kind, rows):
        """Write rows, empty in the columns that they leave out."""
        empty = dict.fromkeys(kind.schema.names)
        write_table(path, kind.table([{**empty, **row} for row in rows]), kind)

    def videos(self, rows):
        """The windows of the corpus."""
        plain = {**WHOLE, "split": "train", "round": 1, "copy": 0, "recipe": "", "status": "ok"}
        named = [{**plain, "uri": f"{row['video_id']}.mp4", "content_id": row["video_id"], **row} for row in rows]
        self.write(self.layout.videos, VIDEOS, named)

    def ensemble(self, scores):
        """Mean and variance of the teachers."""
        rows = [{"video_id": name, "mean": m, "variance": v, "n_teachers": 3} for name, (m, v) in scores.items()]
        self.write(self.layout.ensemble, ENSEMBLE, rows)

    def distorted(self, number, rows):
        """The copies of one round."""
        plain = {**WHOLE, "uri": "s.mp4", "recipe": "", "still": False, "seed": 0, "status": "ok"}
        self.write(self.layout.distorted(number), DISTORTED, [{**plain, **row} for row in rows])

    def student_scores(self, number, raw):
        """The scores by the student of a round."""
        plain = {"round": number, "std": 1.0, "mean": None, "low": None, "high": None}
        rows = [{**plain, "video_id": name, "raw": value, "score": 50 + 10 * value} for name, value in raw.items()]
        self.write(self.layout.student_scores(number), STUDENT_SCORES, rows)

    def benchmark(self, suite, rows):
        """The copies of one suite."""
        plain = {**WHOLE, "uri": "h.mp4", "source_id": "h", "status": "ok"}
        self.write(self.layout.benchmark(suite), BENCHMARK, [{**plain, **row} for row in rows])


def copies_of(source, distortion, family, levels):
    """One row of table `Distorted` per level, named `source-distortion-level`."""
    return [
        {
            "video_id": f"{source}-{distortion}-{level}",
            "source_id": source,
            "distortion": distortion,
            "family": family,
            "level": level,
        }
        for level in levels
    ]


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
    with torch.inference_mode():
        order = np.argsort(student.trained_module().quality(torch.from_numpy(features)).numpy())
    anchors = features[order[4::8]]  # five of ascending quality, as those of a run are
    first, second = (anchors[[pair[k] for pair in anchor_pairs()]] for k in (0, 1))
    matrix = anchor_matrix(student.compare(first, second))
    write_anchors(folder, Anchors(anchors, matrix, np.array([10.0, 30, 50, 70, 90]), tuple("abcde"), 5.0))
    sampling = {"key_frames": 2, "motion_frames": 8, "motion_short_side": 48}
    write_processor(folder, {**sampling, "window_s": 0.4, "max_short_side": None, "max_fps": None})
    return folder


@pytest.fixture
def tables(tmp_path):
    """An empty run folder."""
    return Tables(tmp_path)


@pytest.fixture
def copies():
    """`copies_of`."""
    return copies_of


@pytest.fixture
def configured():
    """`configured("a.b=c", ...)`: the demo preset with other values."""
    return lambda *overrides: load("demo", overrides=overrides)
