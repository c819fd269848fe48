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


@pytest.mark.parametrize("header", ["video,mos,mos", "video,MOS , mos", "video,mos,Video"])
def test_two_columns_of_a_wanted_name_are_refused(tmp_path, videos, header):
    with pytest.raises(UserError, match=r"b\.csv: it has 2 columns (mos|video); leave one of them"):
        read_benchmark(table(tmp_path, f"{header}\nv1.mp4,1,2\n"), str(videos))


def test_two_columns_that_nobody_asks_for_are_no_matter(tmp_path, videos):
    columns = [pa.array(["v1"]), pa.array([2.0]), pa.array([3.0]), pa.array([4.0])]
    pq.write_table(pa.Table.from_arrays(columns, ["video", "mos", "x", "x"]), tmp_path / "b.parquet")
    assert read_benchmark(str(tmp_path / "b.parquet"), str(videos)).labels == (2.0,)
    with pytest.raises(UserError, match="it has 2 columns x; leave one"):
        read_benchmark(str(tmp_path / "b.parquet"), str(videos), "x")


def test_rows_whose_label_is_no_number_at_all_are_left_out_of_a_column_that_is_asked_for(tmp_path, videos):
    columns = {"video": ["v1", "v2", "v3"], "mos": [1.0, 2.0, 3.0], "vmaf": [90.0, float("nan"), None]}
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    assert read_benchmark(str(tmp_path / "b.parquet"), str(videos), "vmaf").names == ("v1",)
    text = "video,vmaf\nv1.mp4,90\nv2.mp4,  \n"
    assert read_benchmark(table(tmp_path, text), str(videos), "vmaf").names == ("v1.mp4",)


def test_names_of_one_file_are_not_told_apart(tmp_path, videos):
    (videos / "again.mp4").symlink_to(videos / "v1.mp4")
    found = read_benchmark(table(tmp_path, "video,mos\nv1.mp4,1\nv2.mp4,2\nagain.mp4,1\n"), str(videos))
    assert found.ambiguous == ("v1.mp4", "again.mp4")
    assert found.videos == ("", str(videos / "v2.mp4"), "")
    assert len(found.labels) == len(found.names) == 3


def test_parquet_and_names_without_their_ending(tmp_path, videos):
    pq.write_table(pa.table({"name": ["v1", "v2.mp4"], "mos": [1.0, 2.0]}), tmp_path / "b.parquet")
    result = read_benchmark(str(tmp_path / "b.parquet"), str(videos))
    assert result.videos == (str(videos / "v1.mp4"), str(videos / "v2.mp4"))


def test_a_link_out_of_the_root_is_not_followed(tmp_path, videos):
    (tmp_path / "out.mp4").write_bytes(b"x")
    (videos / "link.mp4").symlink_to(tmp_path / "out.mp4")
    with pytest.raises(UserError, match="leads out"):
        read_benchmark(table(tmp_path, "video,mos\nlink.mp4,3\n"), str(videos))
