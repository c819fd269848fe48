import shutil

from actors.probe import UNKNOWN, MakeClip, Probe, content_id

LIMIT = 10_000_000


def test_the_content_id_is_that_of_the_bytes_whatever_the_name(clip, tmp_path):
    twin, other = tmp_path / "another name.mkv", tmp_path / "longer.mp4"
    shutil.copy(clip, twin)
    other.write_bytes(clip.read_bytes() + b"\0")
    assert content_id(twin) == content_id(clip) != content_id(other)
    assert len(content_id(clip)) == 16


def test_a_probe_says_what_the_packets_say_and_the_identity_of_the_bytes(clip):
    row = Probe(LIMIT)({"video_id": "a", "uri": str(clip)})
    assert (row["status"], row["width"], row["height"], row["codec"]) == ("ok", 176, 144, "h264")
    assert (round(row["fps"], 3), round(row["duration_s"], 3)) == (15.0, 1.2)
    assert (row["content_id"], row["bytes"]) == (content_id(clip), clip.stat().st_size)


def test_a_rendered_file_keeps_the_identity_that_it_brings(clip):
    assert Probe(LIMIT)({"video_id": "a", "uri": str(clip), "content_id": "drawn"})["content_id"] == "drawn"


def test_a_file_that_is_too_large_or_missing_fails_as_a_row_of_the_same_columns(clip, tmp_path):
    good = Probe(176 * 144)({"video_id": "a", "uri": str(clip)})
    large = Probe(176 * 144 - 1)({"video_id": "a", "uri": str(clip)})
    missing = Probe(LIMIT)({"video_id": "a", "uri": str(tmp_path / "none.mp4")})
    assert [row["status"] for row in (good, large, missing)] == ["ok", "failed", "failed"]
    assert (large["error_kind"], missing["error_kind"]) == ("too_large", "missing")
    assert "176x144; the limit is 25343 pixels" in large["error"]
    assert set(good) == set(large) == set(missing)
    assert {name: large[name] for name in UNKNOWN} == UNKNOWN


def test_a_clip_is_rendered_once(tmp_path):
    path = tmp_path / "0.mp4"
    make = MakeClip(seed=3, width=64, height=64, seconds=0.5, fps=8.0)
    row = {"video_id": "0", "index": 0, "uri": str(path)}
    assert make(row)["status"] == "ok"
    assert Probe(LIMIT)(row)["width"] == 64
    path.write_bytes(b"as it is")
    assert make(row)["status"] == "ok"
    assert path.read_bytes() == b"as it is"
