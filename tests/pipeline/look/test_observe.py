"""What a look says while it works."""

from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from pipeline.console import Console
from pipeline.look.look import Look
from pipeline.look.observe import observe
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import SCORES
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import read_shards, shards
from pipeline.settings.config import load

SMALL = "niqe: out of GPU memory; 4 items at once from now on"


def seen(name, note):
    """A row as it comes back from the pools."""
    fine = {"status": "ok", "error_kind": "", "error": "", "width": 8, "height": 8}
    return {"video_id": name, **fine, "score_niqe": 1.0, "error_niqe": "", "note_niqe": note}


def test_what_a_teacher_says_about_its_work_is_a_warning_once(tmp_path, capsys):
    batches = [[seen("a", ""), seen("b", SMALL)], [seen("c", SMALL), seen("d", SMALL.replace("4", "2"))]]
    engine = SimpleNamespace(stream=lambda *_, **__: iter(batches))
    run = Run(load("demo"), RunLayout(tmp_path), Console(), engine)
    plain = {"uri": "", "start_s": 0.0, "duration_s": 0.0, "recipe": "", "still": False}
    look = Look(tmp_path / "observed", None, {"niqe": tmp_path / "niqe"}, {"niqe": "d1"})
    observe(run, [{"video_id": name, **plain} for name in "abcd"], look, "videos")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert said == [f"warning: {SMALL}", f"warning: {SMALL.replace('4', '2')}"]


class Looking:
    """An engine that counts what it is given, and sees another score in every look."""

    def __init__(self):
        self.given = []

    def stream(self, table, *_arguments, **_options):
        rows = table.to_pylist()
        self.given.append(sorted(row["video_id"] for row in rows))
        yield [{**row, **seen(row["video_id"], ""), "score_niqe": float(len(self.given))} for row in rows]


def copy(name, **changes):
    return {"video_id": name, "uri": "", "start_s": 0.0, "duration_s": 2.0, "recipe": "a", "still": False, **changes}


@pytest.mark.parametrize("change", [{"recipe": "b"}, {"still": True}, {"start_s": 1.0}, {"duration_s": 1.0}])
def test_another_copy_under_the_same_id_is_looked_at_again(tmp_path, change):
    """Ids do not hold the seed: in a folder that gets another one, scores of the old copies must not pass for the new ones."""
    engine = Looking()
    run = Run(load("demo"), RunLayout(tmp_path), Console(), engine)
    look = Look(tmp_path / "observed", None, {"niqe": tmp_path / "niqe"}, {"niqe": "d1"})
    observe(run, [copy("a"), copy("b")], look, "videos")
    observe(run, [copy("a", uri="moved"), copy("b"), copy("c")], look, "videos")
    assert engine.given == [["a", "b"], ["c"]]
    observe(run, [copy("a"), copy("b", **change)], look, "videos")
    assert engine.given[2:] == [["a", "b"]]
    assert read_shards(tmp_path / "niqe", SCORES)["score"].to_pylist() == [3.0, 3.0]


def test_results_of_versions_that_noted_no_copy_are_kept(tmp_path):
    engine = Looking()
    run = Run(load("demo"), RunLayout(tmp_path), Console(), engine)
    look = Look(tmp_path / "observed", None, {"niqe": tmp_path / "niqe"}, {"niqe": "d1"})
    observe(run, [copy("a")], look, "videos")
    (shard,) = shards(tmp_path / "observed")
    pq.write_table(pq.read_table(shard).drop_columns(["asked"]), shard)
    observe(run, [copy("a", recipe="b")], look, "videos")
    assert engine.given == [["a"], []]
