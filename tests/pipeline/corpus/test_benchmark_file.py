import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.console import UserError
from pipeline.corpus.benchmark_file import read_benchmark


@pytest.fixture
def videos(tmp_path):
    """A folder with twelve files that no test decodes."""
    (tmp_path / "videos").mkdir()
    for number in range(12):
        (tmp_path / "videos" / f"v{number}.mp4").write_bytes(b"x")
    return tmp_path / "videos"


def table(tmp_path, text, name="b.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


@pytest.mark.parametrize("header", ["video,mos", "name,MOS", "filename,score", " Video , Mos ", "uri,x,mos"])
def test_the_usual_columns_are_understood(tmp_path, videos, header):
    row = "v1.mp4,0,3.5" if header.count(",") == 2 else "v1.mp4,3.5"
    result = read_benchmark(table(tmp_path, f"\ufeff{header}\n{row}\n"), str(videos))
    assert result.videos == (str(videos / "v1.mp4"),)
    assert result.labels == (3.5,)


def test_dmos_turns_its_sign_and_mos_comes_first(tmp_path, videos):
    assert read_benchmark(table(tmp_path, "video,dmos\nv1.mp4,3\n"), str(videos)).labels == (-3.0,)
    assert read_benchmark(table(tmp_path, "video,score,mos\nv1.mp4,1,2\n"), str(videos)).labels == (2.0,)


def test_a_column_of_labels_can_be_asked_for_and_rows_without_one_are_left_out(tmp_path, videos):
    text = "video,mos,label,vmaf\nv1.mp4,1,old,7\nv2.mp4,2,old,\n"
    assert read_benchmark(table(tmp_path, text), str(videos)).column == "old"
    found = read_benchmark(table(tmp_path, text), str(videos), "VMAF")
    assert (found.column, found.labels, found.names) == ("vmaf", (7.0,), ("v1.mp4",))
    with pytest.raises(UserError, match="no column mos2"):
        read_benchmark(table(tmp_path, text), str(videos), "mos2")


def test_parquet_and_names_without_their_ending(tmp_path, videos):
    pq.write_table(pa.table({"name": ["v1", "v2.mp4"], "mos": [1.0, 2.0]}), tmp_path / "b.parquet")
    result = read_benchmark(str(tmp_path / "b.parquet"), str(videos))
    assert result.videos == (str(videos / "v1.mp4"), str(videos / "v2.mp4"))


def test_a_link_out_of_the_root_is_not_followed(tmp_path, videos):
    (tmp_path / "out.mp4").write_bytes(b"x")
    (videos / "link.mp4").symlink_to(tmp_path / "out.mp4")
    with pytest.raises(UserError, match="leads out"):
        read_benchmark(table(tmp_path, "video,mos\nlink.mp4,3\n"), str(videos))
