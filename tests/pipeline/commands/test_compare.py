import json

import pytest
from judged_runs import judged_run


@pytest.fixture
def runs(tmp_path):
    """Two runs on the same copies and one on others."""
    judged_run(tmp_path / "a", 1.0)
    judged_run(tmp_path / "b", 0.1)
    judged_run(tmp_path / "b", 0.5, stage=2)
    judged_run(tmp_path / "c", 0.1, seed=1)
    return tmp_path


def test_runs_are_compared_with_the_first_one(call, runs):
    output = call("compare", runs / "a", f"{runs / 'b'}:1", "--json", runs / "out.json")
    assert output.code == 0
    assert output.out.count("difference, SRCC within source") == 2, "a table for each suite"
    assert "other copies" not in output.out
    rows = json.loads((runs / "out.json").read_text(encoding="utf-8"))["runs"]
    assert [row["stage"] for row in rows] == [1, 1]
    assert rows[0]["unseen"]["difference_within"] is None
    assert rows[1]["unseen"]["difference_within"]["low"] > 0


def test_the_last_student_is_taken_where_no_stage_is_named(call, runs):
    output = call("compare", f"{runs / 'b'}:1", runs / "b")
    lines = [line.split() for line in output.out.splitlines() if str(runs / "b") in line]
    assert [line[1] for line in lines] == ["1", "2"] * 2


def test_other_copies_are_named(call, runs):
    output = call("compare", runs / "a", runs / "c")
    assert f"{runs / 'c'} was evaluated on other copies than {runs / 'a'}" in output.out


@pytest.mark.parametrize(
    ("names", "words"),
    [(["a"], "name two runs at least"), (["a", "b:7"], "no student of round 7"), (["a", "nothing"], "no such folder")],
)
def test_a_wrong_run_is_one_line(call, runs, names, words):
    output = call("compare", *(runs / name for name in names))
    assert output.code == 2
    assert words in output.err
    assert output.err.count("\n") == 1
