import math

import pytest

from actors.teachers import TEACHERS
from actors.teachers.base import Teacher


class Weighted(Teacher):
    """A user's own teacher that takes released weights; its score is their number of bytes."""

    name = "weighted"
    title = "A teacher with weights"
    description = "For this test."
    range = (-math.inf, math.inf)
    higher_is_better = False
    licence = "CC0"
    parameters = 7
    weights = "a file of the user's"

    def __init__(self, weights=""):
        self.size = len(open(weights, "rb").read()) if weights else 0  # noqa: PTH123, SIM115

    def score(self, sample):
        return float(self.size + sample.luma.shape[0] * 1000)


OWN = "own_teachers:Weighted"


@pytest.fixture(autouse=True)
def own_package(monkeypatch):
    import sys
    import types

    module = types.ModuleType("own_teachers")
    module.Weighted = Weighted
    monkeypatch.setitem(sys.modules, "own_teachers", module)


def test_the_list_names_every_teacher_with_its_facts(call):
    output = call("teachers", "--json")
    assert output.code == 0
    rows = {row["name"]: row for row in output.json()}
    assert set(rows) == set(TEACHERS)
    assert rows["niqe"]["higher_is_better"] is False
    assert all(len(row["digest"]) == 16 for row in rows.values() if not row["looked_for"])
    assert rows["dover"]["looked_for"].endswith("weights/DOVER.pth")
    assert "NON-COMMERCIAL" in rows["dover"]["licence"]
    text_output = call("teachers")
    assert text_output.code == 0
    for name, row in rows.items():
        assert name in text_output.out
        assert row["licence"] in text_output.out
        assert row["digest"] is None or row["digest"] in text_output.out
        assert row["looked_for"] is None or row["looked_for"] in text_output.out


def test_one_teacher_without_videos_is_described(call):
    output = call("teachers", OWN, "--json")
    assert output.code == 0
    (row,) = output.json()
    assert (row["title"], row["range"], row["parameters"]) == ("A teacher with weights", [None, None], 7)


def test_videos_are_scored_in_the_teachers_own_scale(call, clip, tmp_path):
    output = call("teachers", "sharpness", clip, tmp_path / "gone.mp4", "--json")
    assert output.code == 1
    good, gone = output.json()
    assert (good["status"], gone["status"]) == ("ok", "failed")
    assert 0 <= good["score"] <= 40
    assert gone["error"].startswith("missing: ")
    text_output = call("teachers", "sharpness", clip)
    assert text_output.code == 0
    assert f"{good['score']:.3f}" in text_output.out
    assert "higher is better" in text_output.out


def test_two_seconds_from_the_middle_are_looked_at(call, numbered):
    output = call("teachers", OWN, numbered, "--json")
    assert output.json()[0]["score"] == 20_000, "20 of 30 frames at 10 frames per second"


def test_weights_go_to_a_teacher_that_takes_some(call, clip, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"12345")
    output = call("teachers", OWN, clip, "--weights", tmp_path / "weights.bin", "--json")
    assert output.code == 0, output.err
    assert output.json()[0]["score"] % 1000 == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dover", "a.mp4"], "there is no weights/DOVER.pth; fetch DOVER.pth"),
        (["niqe", "--weights", "x.pth"], "niqe takes none"),
        (["--weights", "x.pth"], "name the teacher"),
        ([OWN, "--weights", "/gone/x.pth"], "no such file"),
        (["nique"], "unknown teacher 'nique'; use one of"),
        (["os:path", "a.mp4"], "not a subclass"),
        (["nosuchmodule:Teacher", "a.mp4"], "cannot be imported"),
    ],
)
def test_wrong_usage_is_one_line(call, words, message):
    output = call("teachers", *words)
    assert (output.code, output.out) == (2, "")
    assert message in output.err
    assert output.err.count("\n") == 1


def test_a_teacher_that_cannot_be_loaded_does_not_hide_the_others(call, monkeypatch):
    monkeypatch.setitem(TEACHERS, "absent", "no_such_module:Absent")
    output = call("teachers")
    assert output.code == 1
    assert "absent cannot be loaded" in output.err
    assert "niqe" in output.out
