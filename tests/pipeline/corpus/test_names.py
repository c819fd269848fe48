import pytest

from pipeline.corpus.names import files_below, match


@pytest.mark.parametrize(
    ("name", "candidates", "place"),
    [
        ("a.mp4", ["x/a.mp4", "x/b.mp4"], 0),
        ("A001", ["x/y/a001.MP4"], 0),
        ("Video/A001.mp4", ["A001"], 0),
        ("HEVC/01/540_1.mp4", ["AV1/01/540_1.mp4", "data/HEVC/01/540_1.mkv"], 1),
        ("clip.2012", ["clip.2012.mp4", "clip.mp4"], 0),
        ("a.mp4", ["a.yuv", "a.mp4"], 1),
        ("old/a.mp4", ["renamed/a.mp4"], 0),
        ("b.mp4", ["a.mp4"], None),
    ],
)
def test_a_name_is_found_in_folders_of_any_depth_with_or_without_its_ending(name, candidates, place):
    assert match([name], candidates).places == (place,)


def test_what_cannot_be_told_apart_is_said_and_not_guessed():
    found = match(["a", "b", "c"], ["x/a.mp4", "y/a.mp4", "b.mkv"])
    assert found.places == (None, 2, None)
    assert found.ambiguous == ("a",)
    assert found.missing == ("c",)


def test_the_same_last_part_in_two_folders_is_never_taken_for_the_other():
    found = match(["one/01.mp4", "two/01.mp4"], ["data/one/01.mp4"])
    assert found.places == (0, None)
    assert found.missing == ("two/01.mp4",)


def test_two_names_do_not_share_a_file():
    found = match(["a", "a.mp4"], ["a.mp4"])
    assert found.places == (None, None)
    assert found.ambiguous == ("a", "a.mp4")


def test_a_suffix_that_only_some_distributions_have_is_left_out():
    assert match(["A012NEW.mp4"], ["A012.mp4"]).missing == ("A012NEW.mp4",)
    assert match(["A012NEW.mp4"], ["A012.mp4"], "new").places == (0,)
    assert match(["A012.mp4"], ["A012new.mp4"], "new").places == (0,)


def test_links_out_of_the_folder_are_left_out(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "b.mp4").write_bytes(b"x")
    (tmp_path / "out.mp4").write_bytes(b"x")
    (tmp_path / "in" / "a.mp4").symlink_to(tmp_path / "out.mp4")
    assert files_below([str(tmp_path / "in")]) == [str(tmp_path / "in" / "deep" / "b.mp4")]
