"""One run as two processors would compute it: identities, splits, recipes and plans are equal, scores are close."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from processors import PROJECT, all_units, fewest_units, units_of

from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import BENCHMARK, DISTORTED, ENSEMBLE, PAIRS, SCORES, STUDENT_SCORES, VIDEOS
from pipeline.run_folder.store import read_shards, read_table

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

# Of the spread of a teacher's scores. Measured between AVX2 and SSE2: below 1e-6, except for BRISQUE (1.2e-3), which in
# flat areas divides one rounding error by another.
TOLERANCES = {"artefact": 1e-4, "brisque": 1e-2, "piqe": 1e-2, "sharpness": 1e-4}
POINTS = 0.5  # of the 100 of the ensemble and of the student; below 0.05 measured
SMALL = {
    "preset": "demo",
    "seed": 1,  # whose teachers all have a well-conditioned logistic: where a line takes its place, a last bit may decide
    "stages": 1,
    "corpus": {"made_clips": 5, "made_width": 128, "made_height": 96, "made_seconds": 0.7, "made_fps": 10.0, "window_s": 0.3}
    | {"windows_per_clip": 2, "degraded_copies": 2},
    "teachers": {"names": list(TOLERANCES), "key_frames": 1, "motion_frames": 4},
    "distort": {
        "types": dict.fromkeys(("resize", "gaussian_noise", "brighten", "stutter", "h265"), False),
        "sources": [{"spatial": 2, "temporal": 1, "streaming": 1}],
    },
    "pairs": {"homogeneous": [12], "decisive": False, "synthetic": [{"spatial": 12, "temporal": 4, "streaming": 4}]},
    "training": {"workers": 1, "epochs": 3, "batch_size": 8},
    "benchmark": {"levels": 1, "seen": ["gaussian_blur"], "unseen": ["mjpeg"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The run folders of one configuration with all and with the fewest vector units, in processes side by side."""
    root = tmp_path_factory.mktemp("processors")
    settings = root / "small.yaml"
    settings.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    started = {}
    for name, environment in (("all", all_units()), ("fewest", fewest_units())):
        line = [sys.executable, str(PROJECT / "tests" / "support" / "one_process.py"), str(settings), str(root / name)]
        quiet = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
        started[name] = subprocess.Popen(line, env=environment | {"OMP_NUM_THREADS": "1"}, **quiet)
    try:
        for process in started.values():
            _, errors = process.communicate(timeout=800)
            assert process.returncode == 0, errors
    finally:
        for process in started.values():
            process.kill()
    return SimpleNamespace(**{name: RunLayout(root / name) for name in started})


def rows(path, kind, *left_out):
    """The rows of a table, in the order of its key, without some columns."""
    return [{k: v for k, v in row.items() if k not in left_out} for row in read_table(path, kind).to_pylist()]


def column(table, name):
    return np.array([row[name] for row in table], np.float64)


def test_the_second_process_had_fewer_units_wherever_this_processor_has_more():
    fewest = units_of(fewest_units())
    assert fewest["numpy"] == []
    assert fewest["opencv"] == []
    assert fewest["torch"] in ("DEFAULT", "NO AVX"), "PyTorch's names of its baseline"


def test_videos_have_the_same_ids_splits_rounds_windows_and_recipes(runs):
    first, second = (rows(layout.videos, VIDEOS, "uri", "bytes") for layout in (runs.all, runs.fewest))
    assert first == second
    assert {row["split"] for row in first} == {"train", "heldout"}
    assert {row["start_s"] for row in first} == {0.033, 0.367}
    assert len({row["recipe"] for row in first}) > 2


def test_the_plan_of_copies_and_of_the_benchmarks_is_the_same(runs):
    copies = [rows(layout.distorted(1), DISTORTED, "uri") for layout in (runs.all, runs.fewest)]
    assert copies[0] == copies[1]
    assert copies[0]
    for suite in ("seen", "unseen"):
        items = [rows(layout.benchmark(suite), BENCHMARK, "uri", "mos") for layout in (runs.all, runs.fewest)]
        assert items[0] == items[1]
        assert items[0]


def test_the_plan_of_pairs_is_the_same(runs):
    planned = [rows(layout.pairs(1), PAIRS, "label", "delta", "sigma") for layout in (runs.all, runs.fewest)]
    assert planned[0] == planned[1]
    assert {row["origin"] for row in planned[0]} == {"ensemble", "synthetic"}
    by_level = [
        [r["label"] for r in rows(layout.pairs(1), PAIRS) if r["distortion"]] for layout in (runs.all, runs.fewest)
    ]
    assert by_level[0] == by_level[1], "the levels are the labels, no score is involved"


@pytest.mark.parametrize("teacher", TOLERANCES)
def test_a_teacher_gives_nearly_the_same_scores(runs, teacher):
    tables = [read_shards(layout.scores(teacher), SCORES).to_pylist() for layout in (runs.all, runs.fewest)]
    first, second = (column(table, "score") for table in tables)
    assert np.ptp(first) > 0
    np.testing.assert_allclose(first, second, rtol=0, atol=TOLERANCES[teacher] * np.ptp(first))


def test_the_ensemble_and_the_student_say_nearly_the_same(runs):
    for path, kind, name in (
        (runs.all.ensemble, ENSEMBLE, "mean"),
        (runs.all.student_scores(1), STUDENT_SCORES, "score"),
    ):
        other = runs.fewest.root / path.relative_to(runs.all.root)
        first, second = (column(rows(place, kind), name) for place in (path, other))
        assert np.ptp(first) > 1
        np.testing.assert_allclose(first, second, rtol=0, atol=POINTS, err_msg=name)
