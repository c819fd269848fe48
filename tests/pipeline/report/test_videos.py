import json

from small_run import HOSTILE_FILE

from pipeline.report.videos import find, in_words, short_names, unknown


def test_a_video_has_the_name_of_its_file_its_second_and_what_was_done_to_it(layout):
    found = find(layout, ["v3", "blur-2", "unseen-v9-4", "nobody"])
    assert {name: video.title for name, video in found.items()} == {
        "v3": "holiday 3.mp4 at 0 s",
        "blur-2": f"{HOSTILE_FILE} at 0 s, gaussian_blur level 2",
        "unseen-v9-4": "holiday 9.mp4 at 0 s, mpeg2 level 4",
    }
    assert json.loads(found["blur-2"].recipe) == [["gaussian_blur", 2, 0]]
    assert unknown("nobody").title == "video nobody at 0 s"


def test_files_of_one_name_are_told_by_their_folders():
    uris = ["/a/x/film.mp4", "/b/x/film.mp4", "s3://bucket/c/film.mp4", "/b/other.mp4", "film.mp4"]
    names = short_names(uris)
    assert list(names.values()) == ["a/x/film.mp4", "b/x/film.mp4", "c/film.mp4", "other.mp4", "film.mp4"]
    assert len(set(names.values())) == 5


def test_one_file_named_twice_is_no_endless_search():
    assert short_names(["film.mp4", "./film.mp4"]) == {"film.mp4": "film.mp4", "./film.mp4": "film.mp4"}


def test_a_name_that_is_no_text_is_shown_as_far_as_it_is():
    (name,) = short_names(["file:///films/caf%E9.mp4"]).values()
    assert name == "caf\N{REPLACEMENT CHARACTER}.mp4"


def test_a_recipe_in_words_leaves_out_what_changes_nothing():
    assert in_words([("pristine", 0, 0)]) == ""
    assert in_words([("brighten", 3, 1), ("h264", 0, 2)]) == "brighten level 3"
    assert in_words([("brighten", 3, 1), ("h264", 2, 2)]) == "brighten level 3, h264 level 2"


def test_a_copy_that_the_run_keeps_is_shown_as_it_is(tables):
    tables.videos([{"video_id": "h", "uri": "/films/beach.mp4", "start_s": 7.5, "split": "heldout"}])
    kept = str(tables.layout.benchmark_clips / "c.mkv")
    row = {"video_id": "c", "source_id": "h", "uri": kept, "recipe": '[["vp9",2,0]]', "distortion": "vp9", "level": 2}
    tables.benchmark("unseen", [row])
    (video,) = find(tables.layout, ["c"]).values()
    assert (video.title, video.uri, video.recipe) == ("beach.mp4 at 7.5 s, vp9 level 2", kept, "")
