import subprocess
import sys
import types

import pytest

from pipeline import load
from pipeline.console import UserError
from pipeline.student import scoring
from pipeline.student.scorer import Scorer


def test_a_student_scores_one_file_and_several_and_loads_its_network_once(trained, clip, monkeypatch, tmp_path):
    loads = []
    encoder = scoring.FolderEncoder
    monkeypatch.setattr(scoring, "FolderEncoder", lambda *given: loads.append(1) or encoder(*given))
    student = load(trained)
    one = student.score(clip)
    assert one.low < one.mean < one.high
    assert student(clip) == one.score
    both = student.score_all([clip, tmp_path / "gone.mp4"])
    assert [row.status for row in both] == ["ok", "failed"]
    assert both[0] == one
    assert loads == [1]
    assert (student.score_range, student.lower_better, len(student.digest)) == ((0, 100), False, 16)


def test_a_file_that_cannot_be_scored_and_a_folder_without_a_student_raise_one_line(trained, tmp_path):
    with pytest.raises(UserError, match=r"missing: .*gone\.mp4"):
        load(trained).score(tmp_path / "gone.mp4")
    with pytest.raises(UserError, match="there is no such folder"):
        load(tmp_path / "gone")


def test_a_student_is_opened_from_pretrained_by_its_folder_or_from_the_hub(trained, clip, monkeypatch, tmp_path):
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError

    here = Scorer.from_pretrained(trained)
    assert here.digest == load(trained).digest
    asked = []

    def download(name, **options):
        asked.append((name, options))
        if name == "owner/absent":
            raise RepositoryNotFoundError(
                "404 Client Error\nmore lines", response=types.SimpleNamespace(headers={}, request=None)
            )
        return str(trained)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    there = Scorer.from_pretrained("owner/student", revision="v1")
    assert there.folder == here.folder
    assert asked == [("owner/student", {"revision": "v1", "allow_patterns": ["*.safetensors", "*.json", "*.md"]})]
    with pytest.raises(
        UserError, match="owner/absent: neither a folder nor a repository that can be read: 404"
    ) as absent:
        Scorer.from_pretrained("owner/absent")
    assert "\n" not in str(absent.value)
    for name in ("runs/a/student", "/absent/student", "student", "../up/name"):
        with pytest.raises(UserError, match="there is no such folder"):
            Scorer.from_pretrained(name)
    assert len(asked) == 2


def test_the_import_loads_no_library():
    check = "import sys, pipeline; print(sorted({'numpy', 'torch', 'ray', 'scipy', 'pyarrow'} & set(sys.modules)), pipeline.load)"
    said = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("[] <function load")
