import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.console import Console
from pipeline.run_folder.digests import digest
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps, read_manifests
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import StoreError, read_json, write_bytes
from trainers.settings import TrainingSettings


class Run:
    """One command on a run folder: a step `copy` that writes its inputs to a file, and what was printed."""

    def __init__(self, root):
        self.layout = RunLayout(root)
        self.stream = io.StringIO()
        self.steps = Steps(self.layout, Console(self.stream, clock=lambda: 5.0))
        self.calls = []

    def step(self, name, value, keep=False, work=None):
        output = self.layout.root / f"{name}.txt"

        def write():
            self.calls.append(name)
            output.write_text(f"{value}\n", encoding="utf-8")
            return {"rows": 3, "what": "written", "extra": [1]}

        return self.steps.run(Step(name, {"value": value}, [output], work or write, [output] if keep else []))

    @property
    def printed(self):
        return self.stream.getvalue()


def test_a_step_commits_what_it_took_and_gave(tmp_path):
    run = Run(tmp_path)
    assert run.step("copy", 1)
    (manifest,) = read_manifests(run.layout)
    assert (manifest.step, manifest.rows, manifest.seconds) == ("copy", 3, 0.0)
    assert manifest.summary == {"what": "written", "extra": [1]}
    assert manifest.outputs == {"copy.txt": digest(tmp_path / "copy.txt")}
    assert run.printed.split() == ["done", "copy", "written", "3", "rows", "0.0", "s"]


def test_a_finished_run_does_nothing_and_says_so_in_one_line(tmp_path):
    first = Run(tmp_path)
    for name in ("a", "b"):
        first.step(name, 1)
    again = Run(tmp_path)
    assert not again.step("a", 1)
    assert not again.step("b", 1)
    again.steps.close()
    assert again.calls == []
    assert again.printed == f"everything is done already: 2 steps verified in {tmp_path}\n"


def test_only_the_step_whose_input_changed_runs_again_and_says_why(tmp_path):
    for value in (1, 2):
        run = Run(tmp_path)
        run.step("a", 1)
        run.step("b", value)
        run.step("c", 1)
        run.steps.close()
    assert (run.steps.skipped, run.steps.ran) == (("a", "c"), ("b",))
    assert "kept  a\nagain b: changed since it was done: value\n" in run.printed
    assert (tmp_path / "b.txt").read_text(encoding="utf-8") == "2\n"


def test_an_input_that_is_a_file_counts_by_its_contents(tmp_path):
    source = tmp_path / "source"
    for text, ran in (("x", True), ("x", False), ("y", True)):
        source.write_text(text, encoding="utf-8")
        assert Run(tmp_path).step("copy", source) is ran


def test_an_input_that_is_a_part_of_the_configuration_counts_by_its_values(tmp_path):
    assert Run(tmp_path).step("copy", TrainingSettings())
    assert not Run(tmp_path).step("copy", TrainingSettings())
    assert Run(tmp_path).step("copy", TrainingSettings(epochs=99))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda root: (root / "a.txt").write_text("z", encoding="utf-8"), "a.txt was changed or damaged"),
        (lambda root: (root / "a.txt").unlink(), "a.txt is gone"),
        (lambda root: (root / "manifests" / "a.json").write_text("{", encoding="utf-8"), "its manifest was damaged"),
        (lambda root: (root / "manifests" / "a.json").write_text("{}", encoding="utf-8"), "its manifest was damaged"),
    ],
)
def test_damage_is_seen_and_mended(damage, reason, tmp_path):
    Run(tmp_path).step("a", 1)
    damage(tmp_path)
    again = Run(tmp_path)
    assert again.step("a", 1)
    assert f"again a: {reason}\n" in again.printed
    assert not Run(tmp_path).step("a", 1)


def test_a_step_that_fails_commits_nothing(tmp_path):
    def fail():
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        Run(tmp_path).step("a", 1, work=fail)
    assert read_manifests(RunLayout(tmp_path)) == []


def test_a_step_that_makes_nothing_is_a_defect(tmp_path):
    with pytest.raises(RuntimeError, match=r"without making a\.txt"):
        Run(tmp_path).step("a", 1, work=dict)


def test_partial_outputs_are_continued_with_the_same_inputs_and_removed_with_others(tmp_path):
    output = tmp_path / "a.txt"
    states = []

    def die_half_way():
        states.append(output.exists())
        output.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    for value in (1, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            Run(tmp_path).step("a", value, work=die_half_way)
    assert states == [False, True, False]


def test_outputs_with_keyed_rows_stay_when_inputs_change(tmp_path):
    Run(tmp_path).step("a", 1)
    contents = []

    def look():
        contents.append((tmp_path / "a.txt").read_text(encoding="utf-8"))
        return {}

    Run(tmp_path).step("a", 2, keep=True, work=look)
    assert contents == ["1\n"]


def test_a_process_killed_between_data_and_manifest_does_the_step_again(tmp_path):
    code = """
import os, sys
from pathlib import Path
import pipeline.run_folder.manifest
from pipeline.console import Console
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.step import Step
pipeline.run_folder.manifest.write_json = lambda path, value: os._exit(9)
root = Path(sys.argv[1])
def work():
    (root / "a.txt").write_text("1\\n")
    return {}
step = Step("a", {"value": 1}, [root / "a.txt"], work)
pipeline.run_folder.manifest.Steps(RunLayout(root), Console()).run(step)
"""
    root = Path(__file__).resolve().parents[3]
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, check=False)
    assert killed.returncode == 9
    assert (tmp_path / "a.txt").exists()
    run = Run(tmp_path)
    assert run.step("a", 1)
    assert run.calls == ["a"]


def test_a_full_disk_leaves_no_half_file_and_no_manifest_and_the_step_runs_again(tmp_path, monkeypatch):
    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    def work():
        write_bytes(tmp_path / "a.txt", b"1\n")
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            Run(tmp_path).step("a", 1, work=work)
    assert [path.name for path in tmp_path.rglob("*a.txt*")] == []
    run = Run(tmp_path)
    assert not run.layout.manifest("a").exists()
    assert run.step("a", 1, work=work)
    assert (tmp_path / "a.txt").read_bytes() == b"1\n"


def test_the_digest_of_a_folder_covers_names_and_contents(tmp_path):
    folder = tmp_path / "f"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"1")
    (folder / "deep" / "b").write_bytes(b"2")
    first = digest(folder)
    (folder / ".a.0a1b2c3d.tmp").write_bytes(b"half")
    assert digest(folder) == first
    (folder / "a").rename(folder / "c")
    renamed = digest(folder)
    (folder / "c").write_bytes(b"3")
    assert len({first, renamed, digest(folder)}) == 3
    with pytest.raises(FileNotFoundError):
        digest(tmp_path / "none")


def test_manifests_come_in_the_order_of_their_commits(tmp_path):
    run = Run(tmp_path)
    for name in ("z", "m", "a"):
        run.step(name, 1)
    assert [manifest.step for manifest in read_manifests(run.layout)] == ["z", "m", "a"]
    assert read_json(run.layout.manifest("z"))["fingerprint"]
    run.layout.manifest("m").write_text("[]", encoding="ascii")
    with pytest.raises(StoreError, match=r"m\.json"):
        read_manifests(run.layout)
