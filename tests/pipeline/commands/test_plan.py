import re
import subprocess
import sys
from pathlib import Path

import pytest

from actors.distortions.table import DISTORTIONS
from pipeline.console import Console
from pipeline.costs.large_student import training_gib, training_seconds
from pipeline.loop import run_all
from pipeline.planning.forecast import (
    DONE,
    DONE_UNLESS_CHANGED,
    PENDING,
    expected_videos,
    forecast,
    of_folder,
    states,
)
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps
from pipeline.run_folder.records import VIDEOS
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import write_table
from pipeline.settings.config import load
from pipeline.settings.sections import SEEN

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["corpus.made_clips=8", "corpus.degraded_copies=0", "teachers.names=[artefact, sharpness]"]


def asked(config, folder):
    return of_folder(config, RunLayout.at(folder))


def test_the_steps_are_those_of_the_loop_in_its_order(tmp_path, monkeypatch):
    names = []
    run = asked(load("demo", overrides=SMALL, stages=3), tmp_path)
    planned = list(states(run))
    monkeypatch.setattr(Steps, "run", lambda _self, step: names.append(step.name))
    run_all(run)
    assert planned == names
    assert len(set(names)) == len(names) == 6 + 3 * 6 - 1


def test_rows_follow_from_the_configuration(tmp_path):
    distort = ["distort.sources=[{spatial: 2, temporal: 1, streaming: 1}]", "distort.include_pristine=false"]
    benchmark = ["benchmark.levels=2", "benchmark.seen=[resize]", "benchmark.unseen=[mjpeg, av1]"]
    config = load("demo", overrides=[*SMALL, *distort, *benchmark], stages=2)
    steps = {one.name: one for one in forecast(asked(config, tmp_path))}
    rows = {name: one.rows and one.rows.count for name, one in steps.items()}
    levels = dict.fromkeys(("spatial", "temporal", "streaming"), 0)
    for name in SEEN:
        levels[DISTORTIONS[name].family] += len(DISTORTIONS[name].levels)
    assert rows["ingest"] == 8
    assert rows["score"] == 6, "two of eight contents are held out"
    assert rows["benchmark"] == 2 * 2 * 3, "two windows, two levels, three types"
    assert rows["distort-1"] == 2 * levels["spatial"] + levels["temporal"] + levels["streaming"]
    assert rows["pair-2"] >= rows["pair-1"] > 0
    assert steps["pair-1"].rows.at_most, "how many pairs are decisive depends on what the teachers will say"
    assert rows["report"] is None


def test_a_plan_starts_and_writes_nothing_and_loads_no_torch(tmp_path):
    code = (
        "import sys, run; code = run.main(['plan', '--preset', 'demo', '--out', sys.argv[1]]); "
        "import ray; print('loaded', 'torch' in sys.modules, ray.is_initialized(), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "loaded False False 0" in done.stdout
    assert not (tmp_path / "run").exists()


def test_money_hours_and_every_distortion_are_shown(call, tmp_path):
    output = call("plan", "--preset", "demo", "--out", tmp_path / "run", "--price-per-hour", "1000", *options(SMALL))
    assert output.code == 0, output.err
    hours = float(re.search(r"about ([\d.]+) hours", output.out)[1])
    money = float(re.search(r"money: about ([\d.]+) at 1000", output.out)[1])
    assert money == pytest.approx(1000 * hours, abs=6), "hours are printed with two places"
    for name in DISTORTIONS:
        assert re.search(rf"^  {name} ", output.out, re.MULTILINE), name
    assert "money: about" not in call("plan", "--preset", "demo", "--out", tmp_path / "run", *options(SMALL)).out


def options(overrides):
    return [word for entry in overrides for word in ("--set", entry)]


def test_a_number_of_videos_is_assumed(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output = call("plan", "--videos", "100", "--limit", "40", "--set", "corpus.windows_per_clip=1", "--stages", "1")
    assert output.code == 0, output.err
    assert "preset local" in output.out
    assert "videos: 40, assumed" in output.out
    assert re.search(r"^  ingest +40 ", output.out, re.MULTILINE)


def test_files_are_counted_and_not_opened(call, tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.mp4").write_bytes(b"no video at all")
    (tmp_path / "notes.txt").write_bytes(b"x")
    output = call("plan", "--videos", tmp_path, "--stages", "1")
    assert output.code == 0, output.err
    assert "videos: 7 files of" in output.out


def test_shaping_is_said_with_its_two_steps(call, tmp_path):
    output = call("plan", "--videos", "400", "--set", "shaping.keep=200", "--out", tmp_path / "run")
    assert "shaping: keep 200 training windows, target uniform" in output.out
    assert re.search(r"\n +measure +[\d,]+ .*\n +shape +[\d,]+ ", output.out)


def test_too_few_videos_are_said(call, tmp_path):
    (tmp_path / "one.mp4").write_bytes(b"x")
    assert "give at least 4" in call("plan", "--videos", tmp_path, "--stages", "1").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--videos", "3"], "at least 4"),
        (["--videos", "/no/such/folder"], "no video there"),
        (["--price-per-hour", "-1"], "not negative"),
        (["--price-per-hour", "nan"], "not negative"),
        (["--price-per-hour", "cheap"], "invalid float"),
        (["--set", "training.epoch=2"], "training.epochs"),
        (["--preset", "none"], "none"),
    ],
)
def test_wrong_usage_is_told(call, words, message):
    output = call("plan", *words)
    assert (output.code, output.out) == (2, "")
    assert message in output.err


def test_finished_steps_are_done_until_something_changes(tmp_path):
    config = load("demo", overrides=SMALL, stages=1)
    run = asked(config, tmp_path)
    layout = run.layout
    inputs = {"corpus": config.corpus, "seed": config.seed, "files": []}

    def work():
        write_table(layout.videos, VIDEOS.table(expected_videos(config, 8)), VIDEOS)
        return {"rows": 8}

    Steps(layout, Console()).run(Step("ingest", inputs, [layout.videos], work))
    state = states(run)
    assert (state["ingest"], state["score"], state["report"]) == (DONE, PENDING, PENDING)
    plan = {one.name: one for one in forecast(run)}
    assert (plan["ingest"].rows, plan["ingest"].seconds_left) == (Rows(8), 0.0)
    assert plan["score"].seconds_left > 0
    other = load("demo", overrides=[*SMALL, "corpus.made_width=160"], stages=1)
    assert states(asked(other, tmp_path))["ingest"] == "again: changed since it was done: corpus"
    layout.videos.unlink()
    assert states(run)["ingest"] == "again: videos.parquet is gone"


def test_a_step_after_an_unfinished_one_may_have_to_run_again(tmp_path):
    config = load("demo", overrides=SMALL, stages=1)
    run = asked(config, tmp_path)
    layout = run.layout
    layout.benchmark("seen").parent.mkdir(parents=True)
    for path in (layout.benchmark("seen"), layout.benchmark("unseen"), layout.calibration):
        path.write_bytes(b"x")
    inputs = {suite: layout.benchmark(suite) for suite in ("seen", "unseen")} | {"calibration": layout.calibration}

    def work():
        layout.benchmark_teachers.write_text("{}")
        return {}

    Steps(layout, Console()).run(Step("benchmark-teachers", inputs, [layout.benchmark_teachers], work))
    assert states(run)["benchmark-teachers"] == DONE_UNLESS_CHANGED


def test_the_published_training_takes_what_the_paper_says(tmp_path):
    config = load("paper", videos=str(tmp_path))
    # Supplement: 19 hours on eight GPUs for the 500,000 pairs of stage 1, 29 for the 700,000 of stage 3.
    assert training_seconds(config, 500_000) == pytest.approx(19 * 3600)
    assert training_seconds(config, 700_000) == pytest.approx(29 * 3600, rel=0.1)
    shared = training_gib(config)
    weights = 8.08e9 * 2 / 2**30
    assert weights / 8 < shared < weights / 8 + 5, "ZeRO-3 shares the weights; what is trained is small"
    whole = training_gib(load("paper", videos=str(tmp_path), overrides=["training.zero_stage=2"]))
    assert whole - shared == pytest.approx(weights * 7 / 8)
    full = training_gib(load("paper", videos=str(tmp_path), overrides=["student.options.trained=full"]))
    assert full - shared == pytest.approx((8.04e9 - 0.428e9) * 14 / 8 / 2**30)
    (tmp_path / "a.mp4").write_bytes(b"x")
    train = next(one for one in forecast(asked(config, tmp_path / "run"), 1000) if one.name == "train-1")
    assert (train.resources.actors, train.resources.gpus) == (8, 8.0)
    assert train.resources.memory_gib == pytest.approx(8 * shared)
