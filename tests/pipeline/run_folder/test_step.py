import pytest

from pipeline.run_folder.step import Load, Resources, Step


@pytest.mark.parametrize(
    ("kind", "number", "name"),
    [
        ("ingest", 0, "ingest"),
        ("train", 1, "train-1"),
        ("distort", 12, "distort-12"),
        ("benchmark-teachers", 0, "benchmark-teachers"),
    ],
)
def test_the_name_of_a_step_is_its_kind_and_its_round(kind, number, name):
    assert Step(kind, {}, [], dict, round=number).name == name


def test_a_step_that_says_nothing_of_its_costs_is_one_process_for_a_moment_with_rows_unknown():
    step = Step("report", {}, [], dict)
    assert step.rows() is None
    assert [step.resources(cpus) for cpus in (1, 64)] == [Resources(actors=1, gpus=0.0)] * 2
    assert step.load() == Load({"step": 1}, most=1)
