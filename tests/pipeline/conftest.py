"""Hand-made tables of a small run: the inputs of a step, without the earlier steps and without Ray."""

from __future__ import annotations

import io
from typing import Any

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
        plain = {"round": number, "std": 1.0}
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
