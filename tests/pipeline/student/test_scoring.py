from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.console import UserError
from pipeline.student import scoring
from pipeline.student.scoring import FileScore, open_model
from pipeline.student.selection import expand


def test_the_score_of_a_file_is_the_mean_over_its_windows(trained):
    model = open_model(str(trained))
    logits = np.random.default_rng(3).normal(size=(3, 5, 5)).astype(np.float32)
    headers = [{"video_id": "00000000", "status": "ok", "length_s": 9.0, "uri": "a"}]
    rows = [{"video_id": f"00000000-{k}", "status": "ok", "logits": logits[k].tobytes()} for k in (2, 0, 1)]
    (found,) = scoring._collected(["a.mp4"], headers, rows, model)
    each = model.anchors.score(logits)
    for name in ("raw", "score", "mean", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(each, name).mean())
    assert found.std == pytest.approx(np.sqrt(np.mean(each.std**2)))
    assert found.low < found.mean < found.high
    assert (found.kind, found.seconds) == ("video", 9.0)
    assert found.seconds_seen == pytest.approx(3 * 0.4)


def test_a_still_is_told_from_a_video(trained):
    model = open_model(str(trained))
    row = {"video_id": "00000000-0", "status": "ok", "logits": np.zeros((5, 5), np.float32).tobytes()}
    header = {"video_id": "00000000", "status": "ok", "length_s": 0.0, "uri": "a"}
    (found,) = scoring._collected(["a.png"], [header], [row], model)
    assert (found.kind, found.seconds, found.seconds_seen) == ("still", 0.0, 0.0)


def test_each_answer_is_told_as_soon_as_its_last_window_is_there(trained):
    model = open_model(str(trained))
    headers = [{"video_id": f"{k:08d}", "status": "ok", "length_s": 0.0, "uri": "a"} for k in range(2)]
    headers.append({"video_id": "00000002", "status": "failed", "error_kind": "empty", "error": "c"})
    logits = np.zeros((5, 5), np.float32).tobytes()
    told = []

    def windows():
        for k in (1, 0):
            yield {"video_id": f"{k:08d}-0", "status": "ok", "logits": logits}
            assert len(told) == 3 - k, "the failed one, then each"

    found = scoring._collected(["a", "b", "c"], headers, windows(), model, told.append)
    assert [score.video for score in found] == ["a", "b", "c"]
    assert [score.video for score in told] == ["c", "b", "a"]


def test_a_file_with_a_damaged_window_has_failed(trained):
    model = open_model(str(trained))
    fine = {"video_id": "00000000-0", "status": "ok", "logits": np.zeros((5, 5), np.float32).tobytes()}
    bad = {"video_id": "00000000-1", "status": "failed", "error_kind": "decode", "error": "a.mp4: no frame"}
    (found,) = scoring._collected(
        ["a.mp4"], [{"video_id": "00000000", "status": "ok", "length_s": 0.8, "uri": "a"}], [fine, bad], model
    )
    assert found == FileScore("a.mp4", "failed", error="decode: a.mp4: no frame")


def test_a_long_file_has_three_windows_and_a_short_one_is_one(trained):
    model = open_model(str(trained))
    headers = [
        {"video_id": str(k), "uri": "a", "length_s": length, "status": "ok"} for k, length in enumerate((9.0, 0.3, 0.0))
    ]
    cut = scoring._windows_of([*headers, {"video_id": "3", "uri": "b", "status": "failed"}], model)
    assert [row["video_id"] for row in cut] == ["0-0", "0-1", "0-2", "1-0", "2-0"]
    assert [row["duration_s"] for row in cut] == [0.4, 0.4, 0.4, 0.0, 0.0]


def test_a_longer_file_has_more_windows_unless_their_number_is_asked_for(trained):
    model = open_model(str(trained))
    assert [model.most_windows(seconds) for seconds in (9.0, 60.0, 61.0, 200.0, 7200.0)] == [3, 3, 4, 10, 30]
    assert replace(model, windows=2).most_windows(7200.0) == 2
    header = {"video_id": "0", "uri": "a", "length_s": 200.0, "status": "ok"}
    starts = [row["start_s"] for row in scoring._windows_of([header], model)]
    gaps = np.diff([0.0, *starts, 200.0])
    assert len(starts) == 10
    assert np.ptp(gaps[1:-1]) < 0.01, "evenly"


def test_folders_globs_and_odd_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["b.mp4", "a.mp4", "with space.mkv", "br[1].mp4", "-dash.mp4", "line\nbreak.mp4", "notes.txt"]
    Path("in").mkdir()
    for name in names:
        Path("in", name).write_bytes(b"x")
    Path("none").mkdir()
    in_folder = expand(["in"]).files
    assert in_folder == sorted(str(Path("in", name)) for name in names if name != "notes.txt")
    assert expand(["in/*.mkv", "in/b.mp4"]).files == ["in/with space.mkv", "in/b.mp4"]
    assert expand(["in/br[1].mp4"]).files == ["in/br[1].mp4"], "a file is itself before it is a pattern"
    assert expand(["gone/*.mp4", "none", "in/gone.mp4"]).files == ["gone/*.mp4", "none", "in/gone.mp4"]
    assert expand([f"file://{tmp_path}/in/a.mp4"]).files == [f"{tmp_path}/in/a.mp4"]


def test_a_link_that_leads_out_of_a_folder_is_not_followed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out.mp4").write_bytes(b"x")
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "out.mp4")
    (tmp_path / "in" / "own.mp4").write_bytes(b"x")
    selection = expand([str(tmp_path / "in")])
    assert selection.files == [str(tmp_path / "in" / "own.mp4")]
    ((name, why),) = selection.refused.items()
    assert name == str((tmp_path / "in").resolve() / "link.mp4")
    assert "leads out of" in why


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.jsonl", "list.txt"])
def test_a_list_of_files_is_no_video(name, tmp_path):
    for video in ("a.mp4", "b.mp4"):
        (tmp_path / video).write_bytes(b"x")
    lines = {"csv": "uri\nb.mp4\na.mp4\n", "jsonl": '{"uri": "b.mp4"}\n"a.mp4"\n', "txt": "b.mp4\na.mp4\n"}
    (tmp_path / name).write_text(lines.get(name.rpartition(".")[2], lines["csv"]))
    assert expand([str(tmp_path / name)]).files == [str(tmp_path / "b.mp4"), str(tmp_path / "a.mp4")]
    (tmp_path / "bad.csv").write_text("file\na.mp4\n")
    with pytest.raises(UserError, match="no column uri; found file"):
        expand([str(tmp_path / "bad.csv")])
