import pytest

from pipeline.console import UserError
from pipeline.run_folder.kept import counted_rounds, kept_student, last_trained
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import write_json


@pytest.fixture
def layout(tmp_path):
    """A run that has trained two students."""
    layout = RunLayout(tmp_path)
    layout.manifests.mkdir()
    for number in (1, 2):
        layout.student(number).mkdir(parents=True)
        layout.manifest(f"train-{number}").write_text("{}", encoding="ascii")
    return layout


def test_the_last_student_is_the_one_to_use(layout):
    assert kept_student(layout) == layout.student(2)
    write_json(layout.decision(1), {"stop": False, "keep": 1})
    assert kept_student(layout) == layout.student(2), "that was said before the last stage"


def ends_by_rule(layout):
    layout.config.write_text("stopping: {auto: true}\n", encoding="utf-8")


def test_where_the_last_stage_was_not_shown_to_teach_its_predecessor_is_used(layout):
    ends_by_rule(layout)
    write_json(layout.decision(2), {"stop": True, "keep": 1})
    assert kept_student(layout) == layout.student(1)


def test_rounds_after_the_end_are_not_used(layout):
    ends_by_rule(layout)
    write_json(layout.decision(1), {"stop": True, "keep": 1})
    assert kept_student(layout) == layout.student(1), "round 2 is of an earlier start with two stages"


def test_what_was_only_measured_does_not_choose(layout):
    write_json(layout.decision(1), {"stop": True, "keep": 1})
    assert kept_student(layout) == layout.student(2)


def test_a_run_without_a_student_has_none_to_use(tmp_path):
    with pytest.raises(UserError, match="no round of this run has trained a student yet"):
        kept_student(RunLayout(tmp_path))


def test_the_last_round_with_a_student_is_the_last_that_committed(layout):
    layout.student(3).mkdir(parents=True)
    assert last_trained(layout) == 2


def test_rounds_of_an_earlier_start_with_more_stages_do_not_count(layout):
    """They may be of other settings: training.epochs changed and one stage asked for leaves round 2 as it was."""
    assert counted_rounds(layout) == [1, 2]
    layout.config.write_text("stages: 1\n", encoding="utf-8")
    assert counted_rounds(layout) == [1]
    assert kept_student(layout) == layout.student(1)
    layout.config.write_text("stages: 3\n", encoding="utf-8")
    assert kept_student(layout) == layout.student(2)
