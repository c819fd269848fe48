"""Preset `paper-shrunk`: the published chain of parts, with networks that a formula fills."""

import json
import math
from types import SimpleNamespace

import pytest
from sweeps import check_trials

from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import PAIRS
from pipeline.run_folder.store import read_json, read_table
from trainers.checkpoint import REGISTER
from trainers.student.table import load_student

pytestmark = [pytest.mark.e2e, pytest.mark.heavy, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(command, tmp_path_factory):
    """A run of two stages: its layout, the arguments that name its folder, and those of its command."""
    root = tmp_path_factory.mktemp("paper") / "shrunk"
    folder = ("--preset", "paper-shrunk", "--out", root)
    arguments = (*folder, "--stages", 2)
    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    return SimpleNamespace(layout=RunLayout(root), arguments=arguments, folder=folder)


def test_both_rounds_train_the_published_student(run):
    for number in (1, 2):
        training = read_json(run.layout.training(number))
        assert all(math.isfinite(record["loss"]) for record in training["loss"])
        assert training["padding_share"] < 0.5
        student = load_student(run.layout.student(number))
        assert student.name == "llava"
    names = sorted(path.name for path in run.layout.student(2).iterdir())
    assert names == [
        "MODEL_CARD.md",
        "anchors-more.json",
        "anchors-more.safetensors",
        "anchors.json",
        "anchors.safetensors",
        "config.json",
        "model.safetensors",
        "processor.json",
    ]


def test_the_model_card_says_what_it_is(run):
    card = (run.layout.student(2) / "MODEL_CARD.md").read_text()
    assert "a formula fills" in card
    first = read_json(run.layout.metrics(1))["train"]
    assert f"| 1 | {first['pairs']} | {100 * first['order_accuracy']:.1f} % |" in card
    assert all(name in card for name in ("exposure", "niqe", "sharpness"))


def test_the_second_round_has_pairs_of_every_origin(run):
    table = read_table(run.layout.pairs(2), PAIRS)
    assert set(table["origin"].to_pylist()) == {"ensemble", "synthetic", "gmad", "missed"}


def test_the_same_command_again_does_nothing(run, command):
    again = command(*run.arguments)
    assert again.returncode == 0, again.stderr
    assert "everything is done already" in again.stdout + again.stderr


def test_its_student_scores_a_file(run, command, clip):
    ended = command("score", run.layout.root, clip, "--json")
    assert ended.returncode == 0, ended.stderr
    (scored,) = json.loads(ended.stdout)
    assert scored["status"] == "ok"
    assert math.isfinite(scored["score"])


def _times(layout, folder):
    """When each file was written; the lock tells of every command that ran."""
    files = (path for path in folder.rglob("*") if path.is_file() and path != layout.lock)
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.heavy
def test_a_sweep_that_is_killed_goes_on_after_its_checkpoint(run, command, kill_when):
    layout, arguments = run.layout, ("sweep", "--lambda", "0.5", *run.folder)

    def registered():
        """First checkpoints that a training goes on after."""
        known = layout.train_storage.glob(f"sweep-*/{REGISTER}")
        return [file.with_name("step-000000002") for file in known if '"step-000000002"' in file.read_text()]

    kill_when(lambda: bool(registered()), *arguments)
    (checkpoint,) = registered()
    before = _times(layout, checkpoint)
    assert not layout.sweep_json.exists()
    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert _times(layout, checkpoint) == before, "a training that began anew would have written it again"


@pytest.mark.heavy
def test_a_sweep_compares_the_values_on_the_steps_that_the_run_has_committed(run, command):
    layout, arguments = run.layout, ("sweep", "--lambda", "0.5,adaptive", *run.folder)
    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    check_trials(layout, {0.5, "adaptive"})
    written = _times(layout, layout.root)
    again = command(*arguments)
    assert again.returncode == 0, again.stderr
    assert "everything is done already" in again.stdout + again.stderr
    assert _times(layout, layout.root) == written
