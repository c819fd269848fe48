import csv
import errno
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from actors import sample
from actors.distortions import apply
from actors.media import inputs
from cluster import ClusterError
from pipeline.run_folder.layout import RunLayout
from pipeline.student import workplace
from pipeline.student.scoring import FileScore
from pipeline.student.selection import expand
from trainers.places import files_below, place, write_whole


def test_files_are_scored_in_the_order_given_and_a_bad_one_stops_none(call, trained, clip, broken_files, tmp_path):
    empty = broken_files["empty.mp4"]
    said = call("score", trained, clip, tmp_path / "gone.mp4", empty, clip, "--json")
    assert said.code == 1
    rows = said.json()
    assert [row["video"] for row in rows] == [str(clip), str(tmp_path / "gone.mp4"), str(empty), str(clip)]
    assert [row["status"] for row in rows] == ["ok", "failed", "failed", "ok"]
    assert rows[0] == rows[3]
    assert list(rows[0])[:8] == ["video", "status", "score", "low", "high", "std", "mean", "raw"]
    assert list(rows[0])[8:] == [
        "kind", "seconds", "seconds_seen", "windows", "comparisons", "order_gap", "note", "error",
        "student", "sampling", "range", "better", "interval",
    ]  # fmt: skip
    assert np.isfinite([rows[0][name] for name in ("score", "low", "high", "std", "mean", "raw")]).all()
    assert rows[0]["std"] > 0
    assert rows[0]["low"] < rows[0]["mean"] < rows[0]["high"]
    assert rows[0]["better"] == "higher"
    assert rows[0]["sampling"] == "windows of 0.4 s, one for every 20 s of a file, 3 to 30"
    assert rows[1]["score"] is None
    assert rows[1]["error"].startswith("missing: ")
    assert rows[2]["error"].startswith("empty: ")


def test_a_table_a_csv_and_stills(call, trained, clip, make, tmp_path):
    still = make("still.png", "-i", str(clip), "-frames:v", "1")
    file = tmp_path / "new" / "scores.csv"
    said = call("score", trained, clip, still, "--csv", file)
    assert said.code == 0, said.err
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["video"] for row in rows] == [str(clip), str(still)]
    assert f"{float(rows[0]['score']):.3f}" in said.out
    assert rows[0]["score"] != rows[1]["score"]
    assert [row["kind"] for row in rows] == ["video", "still"]
    seconds, seen = (float(rows[0][name]) for name in ("seconds", "seconds_seen"))
    assert f"{seen:.1f} of {seconds:.1f} s" in said.out
    assert "still" in said.out


def test_every_format_holds_the_same_rows(call, trained, clip, broken_files, tmp_path):
    words = (clip, broken_files["empty.mp4"], "--parquet", tmp_path / "o.parquet", "--csv", tmp_path / "o.csv")
    expected = call("score", trained, *words, "--json").json()
    lines = call("score", trained, *words, "--ndjson")
    assert lines.code == 1
    printed = [json.loads(line) for line in lines.out.splitlines()]
    assert sorted(printed, key=lambda row: row["status"]) == sorted(expected, key=lambda row: row["status"])
    assert pq.read_table(tmp_path / "o.parquet").to_pylist() == expected
    with (tmp_path / "o.csv").open(newline="", encoding="utf-8") as stream:
        for row, other in zip(csv.DictReader(stream), expected, strict=True):
            assert row == {name: "" if value is None else str(value) for name, value in other.items()}
    assert call("score", trained, clip, "--json", "--ndjson").code == 2


def test_a_folder_says_what_it_passed_over_and_what_it_refused(call, trained, clip, make, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(clip, folder / "a.mp4")
    shutil.copy(make("still.png", "-i", str(clip), "-frames:v", "1"), folder / "b.png")
    for name in ("notes.txt", "more.txt", "sound.WAV"):
        (folder / name).write_bytes(b"x")
    (tmp_path / "out.mp4").write_bytes(b"x")
    (folder / "link.mp4").symlink_to(tmp_path / "out.mp4")
    said = call("score", trained, folder, "--json")
    assert said.code == 1
    rows = said.json()
    assert [(Path(row["video"]).name, row["status"]) for row in rows] == [
        ("a.mp4", "ok"), ("b.png", "ok"), ("link.mp4", "failed"),
    ]  # fmt: skip
    assert rows[2]["error"].startswith("refused: it leads out of")
    assert f"{folder}: 3 files that are no videos by their names (.txt 2, .wav 1), passed over" in said.err
    said = call("teachers", "sharpness", folder)
    assert said.code == 1
    assert "(.txt 2, .wav 1), passed over" in said.err
    assert "leads out of" in said.err


def test_a_full_disk_ends_the_command_with_its_folder(call, trained, clip, monkeypatch):
    monkeypatch.setattr(sample, "_MOST", 0)  # longer windows pass through a file
    monkeypatch.setattr(apply, "_write", _full)
    said = call("score", trained, clip, "--json")
    assert said.code == 3
    assert f"error: no space left in {tempfile.gettempdir()}; free some and run the same command again" in said.err
    assert said.out == ""


def _full(*_given):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_name_that_is_no_text_is_scored_like_any_other(call, trained, clip, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/odd-\xff.mp4")
    shutil.copy(clip, odd)
    said = call("score", trained, odd, clip, "--json", "--csv", tmp_path / "o.csv")
    assert said.code == 0
    assert said.json()[0]["score"] == said.json()[1]["score"]
    assert b"odd-\xff.mp4" in (tmp_path / "o.csv").read_bytes()
    assert expand([str(tmp_path)]).files == [odd]
    assert workplace.absolute(inputs.from_path("odd-\udcff")) == f"file://{Path.cwd()}/odd-%FF"


def test_objects_of_a_bucket_are_scored_and_other_addresses_are_refused(call, trained, clip, bucket):
    bucket.objects = {"videos/a b.mp4": clip.read_bytes()}
    said = call("score", trained, "s3://corpus/videos", clip, "http://127.0.0.1:9/a.mp4", "s3://corpus/none", "--json")
    assert said.code == 1
    rows = said.json()
    assert [row["video"] for row in rows][::2] == ["s3://corpus/videos/a b.mp4", "http://127.0.0.1:9/a.mp4"]
    assert rows[0]["score"] == rows[1]["score"]
    assert rows[2]["error"].startswith("refused: http://")
    assert rows[3]["error"].startswith("missing: no object at s3://corpus/none")


def test_what_is_no_model_gives_one_line(call, clip, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"architectures": ["Qwen2"]}')
    (tmp_path / "plain").mkdir()
    RunLayout.at(tmp_path / "unfinished").manifests.mkdir(parents=True)
    expected = {
        "gone": "there is no such folder",
        "other": "no student of this program",
        "plain": "neither a student",
        "unfinished": "no round of this run has trained a student yet",
    }
    for name, words in expected.items():
        said = call("score", tmp_path / name, clip)
        assert (said.code, said.out) == (2, "")
        assert words in said.err
        assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("anchors.json", "{}"),
        ("anchors.json", '{"ids": 1, "matrix": "x", "scores": [], "temperature": 1}'),
        ("anchors.safetensors", "no tensors"),
        ("processor.json", '{"key_frames": 0}'),
        ("processor.json", "[1]"),
        ("model.safetensors", "no tensors"),
    ],
)
def test_a_damaged_student_gives_one_line(call, copied, clip, file, content):
    (copied / file).write_text(content)
    said = call("score", copied, clip)
    assert said.code == 2, said.err
    assert said.out == ""
    assert str(copied) in said.err
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


def test_a_run_folder_stands_for_its_latest_student(call, begun, trained, clip):
    layout = begun([])
    for number in (1, 2):
        shutil.copytree(trained, layout.student(number))
    layout.manifest("train-1").write_text("{}")
    said = call("score", layout.root, clip)
    assert said.code == 0
    assert str(layout.student(1)) in said.out, "round 2 has not finished its training"


def test_more_windows_than_pay_off_here_go_to_processes_and_those_of_a_cluster_to_ray(call, trained, clip, monkeypatch):
    def refused(address, *_settings):
        raise ClusterError(f"asked for {address}")

    monkeypatch.setattr("cluster.session.connect", refused)
    (alone,) = json.loads(call("score", trained, clip, "--json").out)
    many = call("score", trained, *[clip] * (workplace.ALONE + 1), "--json", "--no-cache")
    assert "processes of this machine" in many.err
    assert json.loads(many.out) == [alone] * (workplace.ALONE + 1)
    said = call("score", trained, clip, "--address", "auto", "--no-cache")
    assert said.code == 3
    assert "asked for auto" in said.err
    assert call("score", trained, clip, "--address", "local", "--no-cache").code == 3, "Ray was asked for"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert call("score", trained, clip, "--no-cache").code == 3, "a job that was submitted scores on its cluster"


def test_an_output_that_is_a_folder_is_refused_before_any_work(call, trained, clip, tmp_path):
    said = call("score", trained, clip, "--csv", tmp_path)
    assert said.code == 2
    assert "--csv" in said.err


def test_json_is_ascii_and_names_survive_it(call, trained, tmp_path):
    said = call("score", trained, tmp_path / "Füße\x1b[2J.mp4", "--json")
    assert said.out.isascii()
    assert json.loads(said.out)[0]["video"] == str(tmp_path / "Füße\x1b[2J.mp4")


def test_a_released_checkpoint_scores_once_it_has_anchors(call, make, clip, tmp_path):
    from released_kit import TINY, write_authors

    from trainers.student.table import build_student

    folder, file = tmp_path / "released", tmp_path / "anchors.csv"
    write_authors(build_student("llava", TINY), folder)
    for k in range(5):
        shutil.copy(make(f"anchor{k}.mkv", "-i", str(clip), "-frames:v", str(2 + k)), tmp_path)
    lines = [f"anchor{k}.mkv,{20 * k}" for k in range(5)]
    said = call("score", folder, clip, "--json")
    assert said.code == 2
    assert "comes without anchors" in said.err
    assert "--anchors FILE.csv" in said.err
    file.write_text("\n".join(["video,score", *lines[:4]]))
    assert "exactly 5 videos of different scores" in call("score", folder, clip, "--anchors", file).err
    file.write_text("\n".join(["video,score", *lines[:4], "gone.mkv,90"]))
    assert "no readable file at" in call("score", folder, clip, "--anchors", file).err
    file.write_text("\n".join(["video,score", *lines]))
    first = call("score", folder, clip, "--anchors", file, "--json")
    assert first.code == 0, first.err
    assert np.isfinite(first.json()[0]["score"])
    assert call("score", folder, clip, "--json").json() == first.json()
    sampling = json.loads((folder / "processor.json").read_text())
    assert sampling["window_s"] == 0
    (unsure,) = call("score", folder, clip, "--until-std", "0.1", "--json").json()
    assert (unsure["windows"], unsure["comparisons"]) == (1, 10), "the five anchors, in both orders"
    assert -1 <= unsure["order_gap"] <= 1
    (curve,) = call("score", folder, clip, "--per-second", "--json").json()
    assert [second["pulls"] for second in curve["seconds"]] == [{}], "a language model's features have no blocks"
    assert sum(curve["seconds"][0]["levels"].values()) == pytest.approx(1)


def test_anchors_are_for_released_checkpoints_alone(call, trained, clip):
    said = call("score", trained, clip, "--anchors", "anchors.csv")
    assert said.code == 2
    assert "anchors of its own; leave the option out" in said.err


def test_a_second_call_on_the_same_bytes_and_student_answers_from_the_cache(
    call, trained, copied, clip, tmp_path, monkeypatch
):
    other = tmp_path / "copy.mkv"
    shutil.copy(clip, other)
    first = call("score", trained, clip, tmp_path / "gone.mp4", "--json")
    assert "before" not in first.err
    decodes = []

    def score_files(_model, files, *_):
        decodes.append(files)
        return [FileScore(name, "failed", error="decode: not asked for") for name in files]

    monkeypatch.setattr("pipeline.commands.score.score_files", score_files)
    second = call("score", trained, other, "--ndjson")
    assert decodes == []
    assert {**json.loads(second.out), "video": str(clip)} == first.json()[0]
    assert "1 of 1 files were scored before" in second.err
    for words in ((trained, clip, "--no-cache"), (trained, tmp_path / "gone.mp4")):
        call("score", *words)
    assert [len(files) for files in decodes] == [1, 1], "asked to score again, or failed the first time"
    call("score", trained, clip, "--windows", "2")
    assert len(decodes) == 3, "another sampling"
    (copied / "MODEL_CARD.md").write_text("another student")
    call("score", copied, clip)
    assert len(decodes) == 4
    for kept in (tmp_path / "cache").rglob("*.json"):
        kept.write_text("{")
    call("score", trained, clip)
    assert len(decodes) == 5


def test_the_note_of_a_file_is_said_again_when_its_score_is_known(call, trained, clip, monkeypatch):
    def score_files(_model, files, *_):
        return [FileScore(name, "ok", score=50.0, note="it ends 3 s early") for name in files]

    monkeypatch.setattr("pipeline.commands.score.score_files", score_files)
    assert call("score", trained, clip).code == 0
    assert f"{clip}: it ends 3 s early" in call("score", trained, clip).err


def test_more_windows_see_more_of_a_file(call, trained, clip):
    few, more = (call("score", trained, clip, "--windows", n, "--json").json()[0] for n in ("1", "2"))
    assert (few["sampling"], more["sampling"]) == ("1 window of 0.4 s", "up to 2 windows of 0.4 s")
    assert few["seconds_seen"] < more["seconds_seen"]
    assert call("score", trained, clip, "--windows", "0").code == 2


def test_a_file_between_one_and_two_windows_long_is_seen_alike_with_and_without_until_std(call, copied, clip):
    facts = json.loads((copied / "processor.json").read_text())
    (copied / "processor.json").write_text(json.dumps({**facts, "window_s": 0.8}))
    usual, until = (
        call("score", copied, clip, "--json", *words).json()[0] for words in ([], ["--until-std", "99", "--no-cache"])
    )
    assert usual["seconds"] == pytest.approx(1.2)
    assert until["seconds_seen"] == usual["seconds_seen"] == pytest.approx(0.8)
    assert until["score"] == pytest.approx(usual["score"], abs=1e-3)
    assert until["sampling"].startswith("windows of 0.8 s")


def test_a_cache_that_cannot_be_written_costs_no_score(call, trained, clip, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert call("score", trained, clip).code == 0


def test_a_student_in_a_bucket_scores_as_it_does_on_a_disk(call, trained, clip, s3):
    folder = place(f"{s3.bucket}/run/round-1/student")
    for name, _ in files_below(Path(trained)):
        write_whole(folder / name, (Path(trained) / name).read_bytes())
    here, there = (
        call("score", trained, clip, "--no-cache", "--json"),
        call("score", folder, clip, "--no-cache", "--json"),
    )
    assert there.code == 0, there.err
    assert there.json() == here.json()


def test_an_empty_name_is_not_the_current_folder(call, trained, clip):
    for words in (("score", trained, clip, ""), ("teachers", "sharpness", "")):
        said = call(*words)
        assert said.code == 2
        assert "VIDEO: a name is empty; name a file" in said.err
        assert said.err.count("\n") == 1
