import json
import os
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from pipeline.commands import status
from pipeline.run_folder.lock import RunLock
from pipeline.run_folder.manifest import Manifest
from pipeline.run_folder.records import OBSERVED
from pipeline.run_folder.store import append_shard, write_json

FIGURES = {"srcc": 0.75, "plcc": 0.5, "within": None, "pair_accuracy": 0.625}


def done(step, rows=3, what=""):
    return Manifest(step, "0" * 16, {}, {}, 1.25, rows, {"what": what})


def observed(layout, look, count):
    rows = [
        {"video_id": str(k), "width": 1, "height": 1, "vmaf": None, "status": "ok", "error_kind": None, "error": None}
        for k in range(count)
    ]
    append_shard(layout.observed(look), OBSERVED.table(rows), OBSERVED)


def test_finished_steps_are_listed_with_rows_and_time(call, begun):
    layout = begun([done("ingest", 1234, "8 files"), done("ensemble", None)])
    output = call("status", layout.root)
    assert output.code == 0
    assert "2 steps done" in output.out
    assert "1234" in output.out
    assert "1.2" in output.out
    assert "8 files" in output.out
    assert "nothing is running here" in output.out


def test_the_step_in_progress_tells_its_rows(call, begun):
    layout = begun([done("ingest")])
    for step, look in (("score", "pool"), ("distort-2", "distorted-2")):
        layout.started(step).write_text("x")
        observed(layout, look, 5)
    layout.started("ingest").write_text("x")
    out = call("status", layout.root).out
    assert "started, not finished: score, 5 rows so far" in out
    assert "started, not finished: distort-2, 5 rows so far" in out
    assert "finished: ingest" not in out


def test_a_training_in_progress_tells_its_step(call, begun):
    layout = begun([])
    layout.started("train-1").write_text("x")
    folder = layout.train_storage / "round-1-abc"
    folder.mkdir(parents=True)
    (folder / "progress.json").write_text(json.dumps({"step": 40, "steps": 84, "metrics": {}}))
    assert "train-1, step 40 of 84" in call("status", layout.root).out
    (folder / "progress.json").write_text("{")
    assert "started, not finished: train-1\n" in call("status", layout.root).out


def test_who_holds_the_folder_is_named_and_undisturbed(call, begun):
    layout = begun([])
    with RunLock(layout):
        before = layout.lock.read_bytes()
        assert f"running: process {os.getpid()}" in call("status", layout.root).out
        assert layout.lock.read_bytes() == before


def test_the_latest_figures_are_shown(call, begun):
    layout = begun([done("evaluate-1")])
    suite = {"count": 7, "teachers": {"niqe": FIGURES}, "student": {**FIGURES, "srcc": 0.875}}
    for number, value in ((1, 0.125), (2, 0.875)):
        layout.round(number).mkdir()
        metrics = {
            "benchmarks": {name: {**suite, "student": {**FIGURES, "srcc": value}} for name in ("seen", "unseen")}
        }
        layout.metrics(number).write_text(json.dumps(metrics))
    out = call("status", layout.root).out
    assert "unseen distortions: 7 copies" in out
    assert "student, stage 2" in out
    assert "0.875" in out
    assert "0.125" not in out


def test_hostile_words_in_a_run_cannot_move_the_cursor(call, begun):
    layout = begun([done("ingest", what="\x1b[2Jgone\nnew line")])
    out = call("status", layout.root).out
    assert "\x1b" not in out
    assert "gone new line" in out


@pytest.mark.parametrize("command", ["status", "report"])
def test_what_is_no_run_gives_one_line(call, tmp_path, s3, command):
    (tmp_path / "file").write_text("x")
    for name in ("gone", "file", "."):
        output = call(command, tmp_path / name)
        assert (output.code, output.out) == (2, "")
        assert output.err.count("\n") == 1
    assert call(command, f"{s3.bucket}/run").code == 2


def test_a_damaged_manifest_is_named(call, begun):
    layout = begun([])
    layout.manifest("ingest").write_text("{")
    output = call("status", layout.root)
    assert output.code == 2
    assert "ingest.json" in output.err


def test_status_leaves_no_trace(call, begun):
    layout = begun([done("ingest")])
    before = sorted(layout.root.rglob("*"))
    assert call("status", layout.root).code == 0
    assert sorted(layout.root.rglob("*")) == before


def test_a_report_is_written_again(call, begun):
    layout = begun([done("ingest", 5, "five files")])
    output = call("report", layout.root)
    assert output.code == 0, output.err
    assert str(layout.report_html) in output.err
    assert "five files" in layout.report_html.read_text(encoding="utf-8")
    assert json.loads(layout.report_json.read_text(encoding="utf-8"))


def test_following_prints_each_step_once_and_ends_with_the_run(call, begun, monkeypatch):
    layout = begun([done("ingest", 8, "8 files")])
    layout.started("score").write_text("x")
    seen = []

    def sleep(_seconds):
        seen.append(1)
        if len(seen) == 1:
            observed(layout, "pool", 5)
        if len(seen) == 2:
            layout.started("score").unlink()
            write_json(layout.manifest("score"), asdict(done("score", 8, "7 teachers")))
            monkeypatch.setattr(status, "holder", lambda _layout: None)

    monkeypatch.setattr(status.time, "sleep", sleep)
    monkeypatch.setattr(status, "holder", lambda _layout: SimpleNamespace(pid=1, host="here"))
    lines = call("status", layout.root, "--follow").out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("done ")] == ["ingest", "score"]
    assert [line for line in lines if line.startswith("started")] == [
        "started, not finished: score",
        "started, not finished: score, 5 rows so far",
    ]
    assert "nothing is running here" in lines[-1]
    assert len(seen) == 2


def test_following_looks_again_after_some_time_at_least(call, begun):
    assert "--every 0" in call("status", begun([]).root, "--follow", "--every", "0").err
