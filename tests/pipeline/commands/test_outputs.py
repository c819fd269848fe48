import errno
from pathlib import Path

import pytest

from pipeline.commands import outputs
from pipeline.commands.outputs import check_output
from pipeline.console import MACHINE, USAGE, UserError


def test_what_can_be_written_is_left_as_it_was(tmp_path):
    kept = tmp_path / "kept.csv"
    kept.write_text("old")
    for file in (kept, tmp_path / "new.csv", tmp_path / "deep" / "deeper" / "new.csv"):
        check_output(str(file), "--csv")
    check_output(None, "--csv")
    check_output("s3://nowhere/new.csv", "--csv")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.csv"]
    assert kept.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "the name is empty"),
        (".", "this is a folder"),
        ("file/x.csv", "not a directory"),
        ("file/deep/x.csv", "not a directory"),
        (f"missing/{'n' * 300}/x.csv", "file name too long"),
        ("n" * 300, "file name too long"),
        ("n" * 250, "file name too long"),  # of the temporary file beside it
        ("/dev/null", "no ordinary file"),
    ],
)
def test_what_cannot_be_written_is_one_line(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"x")
    with pytest.raises(UserError, match=f"--csv.*{words}") as caught:
        check_output(name, "--csv")
    assert caught.value.exit_code == USAGE
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_may_not_be_written_is_a_matter_of_the_machine(tmp_path, monkeypatch, number):
    def refuse(_path):
        raise OSError(number, "no")

    monkeypatch.setattr(outputs, "_try", refuse)
    with pytest.raises(UserError, match="name another file") as caught:
        check_output(str(tmp_path / "x.csv"), "--csv")
    assert caught.value.exit_code == MACHINE


def test_a_full_disk_stays_one(tmp_path, monkeypatch):
    def refuse(_path):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(outputs, "_try", refuse)
    with pytest.raises(OSError, match="full"):
        check_output(str(tmp_path / "x.csv"), "--csv")


@pytest.mark.parametrize("command", ["score", "evaluate", "compare", "plan"])
def test_commands_look_at_their_output_before_they_work(call, tmp_path, command):
    (tmp_path / "file").write_bytes(b"x")
    option = {"compare": "--json", "plan": "--measure"}.get(command, "--csv")
    words = {
        "score": [tmp_path / "none", "a.mp4"],
        "evaluate": [tmp_path / "none", "--benchmark", "b.csv", "--videos", tmp_path],
        "compare": [tmp_path / "a", tmp_path / "b"],
        "plan": ["--videos", tmp_path / "none"],
    }[command]
    for name in ("file/x", "n" * 300):
        said = call(command, *words, option, tmp_path / name)
        assert said.code == 2
        assert f"error: {option} " in said.err
        assert said.err.count("\n") == 1
