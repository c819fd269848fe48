import pytest

from actors.folder import HeaderReader


def test_a_header_gives_the_length_and_a_still_has_none(clip, make, tmp_path):
    still = make("still.png", "-i", str(clip), "-frames:v", "1")
    read = HeaderReader()
    rows = [read({"video_id": "a", "uri": str(path)}) for path in (clip, still, tmp_path / "none.mp4")]
    assert [row["status"] for row in rows] == ["ok", "ok", "failed"]
    assert [row["length_s"] for row in rows] == pytest.approx([1.2, 0.0, 0.0])
