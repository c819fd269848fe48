import errno
import json
import re

import pytest
from judged_runs import judged_run

from actors.media.outcome import Failure
from cluster import ClusterError
from pipeline import loop
from pipeline.commands.study import check_options, configuration, rows_of
from pipeline.console import UserError
from pipeline.run_folder.manifest import Steps
from pipeline.settings.ablations import PUBLISHED, keys_of
from pipeline.settings.config import load
from run import parse


def options(*words):
    return parse(["study", "folder", *words])[1]


def test_the_rows_of_a_study_are_the_published_ones_unless_others_are_named():
    assert rows_of(options().rows) == list(PUBLISHED)
    assert rows_of("V, V-loss,V") == ["V", "V-loss"]


@pytest.mark.parametrize("text", ["VII", "", "V,nothing"])
def test_an_unknown_row_is_named_with_those_that_there_are(text):
    with pytest.raises(UserError, match=r"is no ablation; they are I, II, III"):
        rows_of(text)


def test_an_option_changes_every_row_but_not_what_makes_a_row(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("pairs: {synthetic: [{spatial: 9}]}\n", encoding="utf-8")
    words = ("--set", "training.epochs=2", "--config", str(file))
    check_options(options(*words), PUBLISHED)
    for row in PUBLISHED:
        config = configuration(options(*words), row, 4)
        assert (config.training.epochs, config.seed, config.ablation) == (2, 4, row)
        lambda_ = keys_of(row, config.teachers.names)["training.lambda"]
        assert config.training.lambda_ == lambda_
    assert configuration(options(*words), "II", 0).pairs.synthetic[0].spatial == 0
    assert configuration(options(*words), "V", 0).pairs.synthetic[0].spatial == 9


@pytest.mark.parametrize(
    "words", [("--stages", "2"), ("--set", "ablation=V"), ("--set", "seed=3"), ("--set", "stages=2")]
)
def test_what_a_study_sets_itself_cannot_be_set(words):
    with pytest.raises(UserError, match="study"):
        check_options(options(*words), ["V"])


@pytest.mark.parametrize(
    ("entry", "rows", "said"),
    [
        ("training.lambda=0.5", "IV,V", r"--set training\.lambda: rows IV, V set this key"),
        ("training={lambda: 0.5}", "IV", r"--set training\.lambda: row IV sets this key"),
        ("mining.select=random", "V,VI", r"--set mining\.select: rows V, VI set this key"),
        ("pairs.synthetic=[{spatial: 9}]", "I,II", r"--set pairs\.synthetic: rows I, II set this key"),
        ("teachers.labels=piqe", "I", r"--set teachers\.labels: row I sets this key"),
        ("pairs={relabel: all}", "V-b", r"--set pairs\.relabel: row V-b sets this key"),
        ("stopping.auto=true", "VI", r"stopping\.auto: .*stopping\.measure=true"),
        ("stopping={auto: yes}", "VI", r"stopping\.auto: .*stopping\.measure=true"),
    ],
)
def test_what_makes_a_row_cannot_be_set_and_nothing_is_begun(call, tmp_path, trained, entry, rows, said):
    output = call("study", tmp_path / "s", "--rows", rows, "--set", entry)
    assert output.code == 2
    assert output.err.count("\n") == 1
    assert re.match(f"error: {said}", output.err)
    assert trained == []
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("entry", "rows"),
    [
        ("training={epochs: 2}", "IV,V"),
        ("mining.select=random", "III,IV"),
        ("pairs.synthetic=[{spatial: 9}]", "III,IV"),
        ("pairs.synthetic=[{spatial: 9}]", "II,III"),
        ("teachers.labels=piqe", "I,II"),
        ("pairs.relabel=none", "IV,V"),
        ("stopping.auto=false", "VI"),
        ("stopping.measure=true", "VI"),
    ],
)
def test_a_key_that_some_chosen_row_does_not_set_can_be_set(entry, rows):
    check_options(options("--set", entry), rows.split(","))


@pytest.mark.parametrize(
    ("text", "rows", "said"),
    [
        ("stopping: {auto: true}", "VI", r"^stopping\.auto: "),
        ("stages: auto:3", "VI", r"^stopping\.auto: "),
        ("training: {lambda: 0.5}", "III,IV", r"^--config .*c\.yaml, training\.lambda: rows III, IV set this key"),
        ("training: {lambda: 0.5}", "III", r"^--config .*c\.yaml, training\.lambda: row III sets this key"),
    ],
)
def test_what_no_row_would_have_of_a_file_is_refused(tmp_path, text, rows, said):
    file = tmp_path / "c.yaml"
    file.write_text(f"{text}\n", encoding="utf-8")
    with pytest.raises(UserError, match=said):
        check_options(options("--config", str(file)), rows.split(","))


@pytest.mark.parametrize("row", [None, "III", "V-b"])
@pytest.mark.parametrize("rows", [("IV", "V"), PUBLISHED])
def test_a_study_can_stand_on_the_whole_configuration_of_a_run(tmp_path, row, rows):
    file = tmp_path / "c.yaml"
    file.write_text(load("demo", overrides=[] if row is None else [f"ablation={row}"]).to_yaml(), encoding="utf-8")
    if row == "III" and "III" not in rows:  # its weight of the confidence loss is that of no chosen row
        with pytest.raises(UserError, match=r"training\.lambda"):
            check_options(options("--config", str(file)), rows)
    else:
        check_options(options("--config", str(file)), rows)


def test_a_study_needs_a_folder_on_a_disk(call):
    output = call("study", "s3://bucket/study")
    assert output.code == 2
    assert "a study needs a run folder on a disk" in output.err
    assert output.err.count("\n") == 1


def test_a_misspelt_row_is_one_line_before_any_work(call, tmp_path):
    output = call("study", tmp_path / "s", "--rows", "X")
    assert (output.code, output.err.count("\n")) == (2, 1)
    assert not (tmp_path / "s").exists()


@pytest.fixture
def trained(monkeypatch):
    """Runs are written instead of trained, the later rows with less noise; `trained` lists them. Row III of seed 1 fails."""
    runs = []

    def written(run, siblings, *, reported):
        row, seed = run.config.ablation, run.config.seed
        runs.append((row, seed, [one.root.name for one in siblings], reported))
        if (row, seed) == ("III", 1):
            raise UserError("no pair is left")
        judged_run(run.layout.root, {"II": 1.0, "III": 0.5, "IV": 0.1}[row], seed, run.config.stages)
        return Steps(run.layout, run.console)

    monkeypatch.setattr(loop, "run_all", written)
    return runs


def test_every_row_is_a_run_of_every_seed_beside_its_siblings(call, tmp_path, trained):
    output = call("study", tmp_path / "s", "--rows", "II,IV", "--seeds", "2", "--seed", "5")
    assert output.code == 0
    assert trained == [(row, seed, [other], False) for seed in (5, 6) for row, other in (("II", "IV"), ("IV", "II"))]
    for seed in (5, 6):
        text = (tmp_path / "s" / f"seed-{seed}" / "IV" / "config.yaml").read_text(encoding="utf-8")
        assert f"seed: {seed}" in text
    assert "IV: + confidence loss" in output.err
    assert "training.lambda=adaptive" in output.err


def test_the_results_are_a_page_a_table_and_values(call, tmp_path, trained):
    call("study", tmp_path, "--rows", "II,IV", "--seeds", "2", "--set", "pairs.max_uses=3")
    tree = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    assert [row["runs"] for row in tree["rows"]] == [2, 2]
    assert tree["seeds"] == [0, 1]
    text = (tmp_path / "study.md").read_text(encoding="utf-8")
    assert "| IV: + confidence loss | 2 |" in text
    assert "Made by `python run.py study FOLDER --seeds 2 --rows II,IV --set pairs.max_uses=3`." in text
    assert "What each part earns" in (tmp_path / "study.html").read_text(encoding="utf-8")


def test_a_row_that_fails_is_told_and_the_others_go_on(call, tmp_path, trained):
    output = call("study", tmp_path, "--rows", "II,III,IV", "--seeds", "2")
    assert output.code == 1
    assert len(trained) == 6
    assert "warning: seed 1, row III did not finish: no pair is left" in output.err
    tree = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    assert tree["failures"] == [{"row": "III", "seed": 1, "error": "no pair is left"}]
    assert {row["row"]: row["runs"] for row in tree["differences"]} == {"III": 1, "IV": 1}


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Failure("storage", "no space left in /data; free some"), "no space left in /data; free some"),
        (ClusterError("no machine has 2 GPUs"), "no machine has 2 GPUs"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/x"),
            "no space left on the disk at /data/x; free some",
        ),
        (MemoryError(), "out of memory; lower corpus.max_short_side"),
    ],
)
def test_every_failure_that_a_user_can_mend_leaves_the_other_rows(call, tmp_path, trained, monkeypatch, error, line):
    others = loop.run_all

    def failing(run, siblings, *, reported):
        if run.config.ablation == "II":
            raise RuntimeError("of a worker") from error
        return others(run, siblings, reported=reported)

    monkeypatch.setattr(loop, "run_all", failing)
    output = call("study", tmp_path, "--rows", "II,IV", "--seeds", "1")
    assert output.code == 1
    assert [row for row, *_ in trained] == ["IV"]
    assert f"warning: seed 0, row II did not finish: {line}" in output.err
    assert json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))["failures"][0]["error"].startswith(line)


@pytest.mark.parametrize(("error", "code"), [(ZeroDivisionError("by zero"), 70), (KeyboardInterrupt(), 130)])
def test_a_defect_or_an_interrupt_ends_a_study(call, tmp_path, trained, monkeypatch, error, code):
    def failing(*_, **__):
        raise RuntimeError("of a worker") from error

    monkeypatch.setattr(loop, "run_all", failing)
    assert call("study", tmp_path, "--rows", "II,IV", "--seeds", "1").code == code
