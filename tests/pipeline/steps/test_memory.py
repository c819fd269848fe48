"""Packed videos stay on the disk: the memory of the steps does not grow with their number.

One process runs the steps with their actors inside it, so that its peak is that of the driver and of an actor together.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
FRAMES = 16  # of a video, 9.4 MB packed
GROWTH = 80  # MB that the peak may grow by while each of three looks grows by 226 MB or more

SCRIPT = """
import resource
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from actors import compare, score
from actors.media.rows import fresh, pack as pack_sample
from actors.media.views import Sample
from cluster.in_process import InProcess
from pipeline.corpus.proxies import SUITES, items
from pipeline.look.look import Look
from pipeline.look.observe import observe
from pipeline.settings.config import load
from pipeline.console import Console
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import BENCHMARK, DISTORTED, ENSEMBLE, PAIRS, VIDEOS
from pipeline.run_folder.run import Run
from pipeline.steps import evaluate, judge, mine
from pipeline.student.anchors import choose_anchors
from pipeline.run_folder.store import write_json, write_table
from pipeline.student.folder import write_anchors
from trainers.student.base import Student
from trainers.student.language.packing import pack

root, count, frames = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
layout, console = RunLayout(root), Console()
config = load("demo", overrides=["student.name=llava", "student.options.shrunk=true", "teachers.names=[artefact, sharpness]"])


class Quality(Student):
    pairs_at_once = 4

    feature_size, encoder_digest, prepare, trained_module, save, load = (None,) * 6

    def encode(self, key, luma, fps, views):
        return pack(np.zeros((frames, 384, 384, 3), np.uint8), np.full((8, 256), float(key.mean())))

    def pair_logits(self, first, second):
        return -(torch.arange(-2.0, 3.0) - (second[:, 2] - first[:, 2])[:, None]) ** 2


Quality.__abstractmethods__ = frozenset()


class Engine(InProcess):
    def stream(self, table, pools, progress, key="video_id", most_rows=1):
        (encoder,) = [pool for pool in pools if pool.work is score.StudentEncoder]
        encode = encoder.work(**encoder.options)
        for place, row in enumerate(table.to_pylist()):
            sample = Sample(np.full((1, 2, 2, 2, 3), 5 * place % 256, np.uint8), np.zeros((1, 2, 2), np.uint8), 1.0, {})
            yield [encode({**fresh(row), **pack_sample(sample), "width": 2, "height": 2})]


compare.load_student = score.build_encoder = lambda *_: Quality()
run = Run(config, layout, console, Engine())


def write(path, table, rows):
    empty = dict.fromkeys(table.schema.names)
    write_table(path, table.table([{**empty, **row} for row in rows]), table)


whole = {"uri": "s.mp4", "start_s": 0.0, "duration_s": 0.0, "recipe": "", "still": False, "status": "ok"}
names = [f"v{k:03d}" for k in range(count)]
videos = [{**whole, "video_id": name, "content_id": name, "split": "train", "round": 1, "copy": 0} for name in names]
write(layout.videos, VIDEOS, [{name: row[name] for name in row if name != "still"} for row in videos])
levels = np.linspace(0, 99, count)
scored = zip(names, levels, strict=True)
write(layout.ensemble, ENSEMBLE, [{"video_id": n, "mean": m, "variance": 1.0, "n_teachers": 2} for n, m in scored])


def seen(rows, observed, features):
    observe(run, rows, Look(observed, features, {}, {}), "videos")


seen(videos, layout.observed("pool"), layout.features_of("pool"))
copies = [{**whole, "video_id": f"d{k:03d}", "source_id": f"s{k // 5}", "distortion": "resize", "family": "spatial",
           "level": 1 + k % 5, "seed": 0} for k in range(count)]
seen(copies, layout.observed("distorted-2"), layout.features_of("distorted-2"))
write(layout.distorted(2), DISTORTED, copies)
copied = [{**{name: row[name] for name in row if name in BENCHMARK.schema.names}, "mos": float(k)}
         for k, row in enumerate(copies)]
for suite in SUITES:
    write(layout.benchmark(suite), BENCHMARK, [{**row, "video_id": f"{suite}-{row['video_id']}"} for row in copied])
shown = [{**row, "still": False} for suite in SUITES for row in items(layout, suite)]
seen(shown, layout.observed("benchmark"), layout.benchmark_features)
write_json(layout.benchmark_teachers, dict.fromkeys(SUITES, {}))
write_json(layout.training(1), {})
write_table(layout.pairs(1), PAIRS.schema.empty_table(), PAIRS)

layout.student(1).mkdir(parents=True)
write_anchors(layout.student(1), choose_anchors(run, layout.student(1)))
judge.judge(run, 1)
evaluate.evaluate(run, 1)
assert len(mine._missed(run, 1))
kept = sum(path.stat().st_size > 0 for path in layout.root.rglob("*.parquet") if path.stem[:1] in "vds")
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_four_times_the_packed_videos_need_no_more_memory(tmp_path):
    peaks = []
    for count in (8, 32):
        folder = tmp_path / str(count)
        line = [sys.executable, "-c", SCRIPT, str(folder), str(count), str(FRAMES)]
        ended = subprocess.run(line, capture_output=True, text=True, check=False, cwd=PROJECT)
        assert ended.returncode == 0, ended.stderr
        peaks.append(int(ended.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < GROWTH, f"peaks {peaks} MB"
