import pytest

from pipeline.console import UserError
from pipeline.corpus.named_benchmarks import BENCHMARKS, IN_DOMAIN, OOD, named, read_named
from pipeline.method.metrics import weighted_overall

# SRCC and PLCC of the stage-3 student and of DOVER on each benchmark, in the order of the table, as published
STAGE_3 = (
    ((0.893, 0.807, 0.902, 0.818, 0.852), (0.889, 0.837, 0.901, 0.846, 0.858)),
    ((0.723, 0.799, 0.683, 0.698, 0.772), (0.776, 0.828, 0.749, 0.758, 0.807)),
)
STAGE_3_OVERALL = ((0.865, 0.872), (0.745, 0.789))


def rows_of(group):
    return [row for row in BENCHMARKS if row.group == group]


@pytest.mark.parametrize(("group", "place"), [(IN_DOMAIN, 0), (OOD, 1)])
def test_the_weights_give_the_published_overall_figures_to_the_digit(group, place):
    counts = [row.count for row in rows_of(group)]
    overall = tuple(round(weighted_overall(values, counts), 3) for values in STAGE_3[place])
    assert overall == STAGE_3_OVERALL[place]


def test_there_are_five_in_each_group_and_a_name_may_be_written_anyhow():
    assert [len(rows_of(group)) for group in (IN_DOMAIN, OOD)] == [5, 5]
    assert named("konvid_1k") is named("KoNViD-1k") is BENCHMARKS[2]
    assert named("konvid.csv") is None


def test_videos_and_the_table_are_found_below_the_folder(tmp_path):
    deep = tmp_path / "data" / "KVQ" / "train_video"
    deep.mkdir(parents=True)
    (deep / "0001.mp4").write_bytes(b"x")
    (tmp_path / "data" / "KVQ.csv").write_text(
        "video,mos\ntrain_video/0001,3.5\ntrain_video/0002,2\ntest_video/0001,1\n"
    )
    found = read_named(named("KVQ"), None, [str(tmp_path / "data")])
    assert found.names == ("train_video/0001", "train_video/0002"), "the labelled training list is the published one"
    assert found.videos == (str(deep / "0001.mp4"), "")
    assert found.missing == ("train_video/0002",)
    assert found.labels == (3.5, 2.0)
    assert (found.group, found.weight) == (OOD, 2926)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"no live-yt-hfr\.csv or livehfr_mos\.csv in .*; name the table"),
        ("video,mos\na,1200\n", r"1 of 1 scores outside 0\.\.100"),
        ("video,mos\na,none\n", "1 of 1 scores outside"),
        ("video,quality\na,3\n", "no column mos or score"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, words):
    if text is not None:
        (tmp_path / "LIVE-YT-HFR.csv").write_text(text)
    with pytest.raises(UserError, match=words):
        read_named(named("LIVE-YT-HFR"), str(tmp_path), [])


def test_two_tables_that_fit_are_not_chosen_between(tmp_path):
    for name in ("CGVDS.csv", "cgvds.parquet"):
        (tmp_path / name).write_text("video,mos\na,3\n")
    with pytest.raises(UserError, match="several tables fit"):
        read_named(named("CGVDS"), str(tmp_path), [])
    assert read_named(named("CGVDS"), str(tmp_path / "CGVDS.csv"), []).videos == ()
