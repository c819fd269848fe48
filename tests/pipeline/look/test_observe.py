"""What a look says while it works."""

from types import SimpleNamespace

from pipeline.console import Console
from pipeline.look.look import Look
from pipeline.look.observe import observe
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.run import Run
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
