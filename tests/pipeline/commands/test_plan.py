import re
import subprocess
import sys
from pathlib import Path

import pytest

from actors.distortions.table import DISTORTIONS

ROOT = Path(__file__).resolve().parents[3]
SMALL = ["corpus.made_clips=8", "corpus.degraded_copies=0", "teachers.names=[artefact, sharpness]"]


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
