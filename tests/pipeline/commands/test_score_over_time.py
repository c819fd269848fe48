"""`score --per-second` as a user calls it."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.commands import over_time
from pipeline.student.seconds import BLOCKS, Curve, Second, Stretch


def test_every_format_holds_the_seconds_and_both_pictures_are_drawn(call, trained, clip, make, tmp_path):
    film = make("two.mkv", "-stream_loop", "1", "-i", str(clip), "-c", "copy")
    names = {name: tmp_path / f"o.{name}" for name in ("csv", "parquet")}
    pictures = (tmp_path / "strip.png", tmp_path / "worst.png")
    words = ["--csv", names["csv"], "--parquet", names["parquet"], "--strip", pictures[0], "--frames", pictures[1]]
    said = call("score", trained, film, tmp_path / "gone.mp4", "--per-second", "--json", *words)
    assert said.code == 1
    film_facts, gone = said.json()
    seconds = film_facts["seconds"]
    assert [second["start_s"] for second in seconds] == [0.0, 1.0]
    assert set(seconds[0]["pulls"]) == set(BLOCKS)
    assert "picture" not in seconds[0]
    assert film_facts["sampling"] == "every second, 600 of a longer file"
    assert (gone["status"], gone["seconds"]) == ("failed", [])
    with names["csv"].open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["status"] for row in rows] == ["ok", "ok", "failed"]
    assert [float(row["score"]) for row in rows[:2]] == [second["score"] for second in seconds]
    assert [row["start_s"] for row in rows] == ["0.0", "1.0", ""]
    assert pq.read_table(names["parquet"])["score"].to_pylist()[:2] == [second["score"] for second in seconds]
    assert all(Image.open(picture).format == "PNG" for picture in pictures)


def test_a_second_that_failed_and_a_stretch_are_told(call, trained, clip, monkeypatch):
    seconds = [Second(float(k), 1.0, "ok", 50.0, 40.0, 60.0, 9.0) for k in range(3)]
    seconds[1] = Second(1.0, 1.0, "failed", error="decode: no frame")
    stretch = Stretch(2.0, 3.0, 50.0, 49.0, 2.0, "held pictures -8.0")
    made = Curve(str(clip), "ok", "video", 3.0, 2.0, 50.0, tuple(seconds), (stretch,))
    monkeypatch.setattr(over_time, "curves", lambda *_given, **_more: [made])
    said = call("score", trained, clip, "--per-second")
    assert said.code == 1, "bad seconds are told by the exit code too"
    assert "2.0 of 3.0 s, 1 second failed" in said.out
    assert "0:02 - 0:03" in said.out
    assert "held pictures -8.0" in said.out
    assert f"{clip}: 1 of 3 seconds failed (0:01): decode: no frame" in said.err
    lines = call("score", trained, clip, "--per-second", "--ndjson").out.splitlines()
    assert [json.loads(line)["median"] for line in lines] == [50.0]
    rows = list(csv.DictReader(io.StringIO(_csv(call, trained, clip))))
    assert [row["stretch"] for row in rows] == ["", "", "1"]
    assert rows[1]["error"] == "decode: no frame"


def _csv(call, trained, clip):
    file = clip.parent / "seconds.csv"
    call("score", trained, clip, "--per-second", "--csv", file)
    return file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--frames", "a.png"], "add --per-second"),
        (["--per-second", "--strip", "a.svg"], "let the name end in .png"),
        (["--per-second", "--most-seconds", "0"], "one second is the least"),
        (["--most-seconds", "1"], "--most-seconds: it limits the seconds that are judged; add --per-second"),
        (["--per-second", "--windows", "7"], "--windows: --per-second judges seconds, not windows; leave it out"),
    ],
)
def test_wrong_usage_is_one_line(call, trained, clip, words, said):
    found = call("score", trained, clip, *words)
    assert found.code == 2
    assert said in found.err
