import pytest

from pipeline.commands.study import configuration, rows_of
from pipeline.console import UserError
from pipeline.settings.ablations import PUBLISHED, keys_of
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


def test_an_option_changes_every_row_but_not_what_makes_a_row():
    words = ("--set", "training.epochs=2", "--set", "pairs.synthetic=[{spatial: 9}]", "--set", "training.lambda=0.5")
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
        configuration(options(*words), "V", 0)


def test_a_study_needs_a_folder_on_a_disk(call):
    output = call("study", "s3://bucket/study")
    assert output.code == 2
    assert "a study needs a run folder on a disk" in output.err
    assert output.err.count("\n") == 1


def test_a_misspelt_row_is_one_line_before_any_work(call, tmp_path):
    output = call("study", tmp_path / "s", "--rows", "X")
    assert (output.code, output.err.count("\n")) == (2, 1)
    assert not (tmp_path / "s").exists()
