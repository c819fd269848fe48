import base64
import shutil
from dataclasses import replace

import pytest

from actors.media import ffmpeg
from pipeline.report.thumbnails import thumbnails
from pipeline.report.videos import find, unknown
from pipeline.run_folder.layout import RunLayout
from pipeline.settings.config import load


@pytest.fixture
def empty(tmp_path):
    """A run folder without thumbnails."""
    return RunLayout(tmp_path / "run")


@pytest.fixture
def videos(layout):
    return find(layout, ["v0", "v1", "blur-3"])


def shown(thumbnail, path):
    """What is in a data URI, as a file."""
    head, _, text = thumbnail.uri.partition(",")
    path.write_bytes(base64.b64decode(text))
    return head, path


def test_a_window_and_a_copy_of_it_differ(empty, videos, tmp_path):
    made = thumbnails(empty, load(), [(videos["v0"], "clip"), (videos["blur-3"], "clip"), (videos["v0"], "picture")])
    assert made["v0", "clip"].uri != made["blur-3", "clip"].uri
    for key, kind in ((("v0", "clip"), "video/mp4"), (("v0", "picture"), "image/jpeg")):
        head, path = shown(made[key], tmp_path / "shown")
        assert head == f"data:{kind};base64"
        assert ffmpeg.probe(path).width == 176


def test_a_still_and_a_copy_of_one_are_pictures(empty, videos, tmp_path):
    one = replace(videos["blur-3"], still=True)
    made = thumbnails(empty, load(), [(one, "picture"), (one, "clip")])
    for kind in ("picture", "clip"):
        assert made["blur-3", kind].reason == ""
        assert ffmpeg.probe(shown(made["blur-3", kind], tmp_path / "shown")[1]).width == 176


def test_they_are_made_once_and_survive_their_source(empty, videos, tmp_path):
    moved = replace(videos["v1"], uri=str(shutil.copy(videos["v1"].uri, tmp_path / "film.mp4")))
    first = thumbnails(empty, load(), [(moved, "clip")])
    (tmp_path / "film.mp4").unlink()
    assert thumbnails(empty, load(), [(moved, "clip")]) == first


def test_another_form_of_the_copies_is_another_thumbnail(empty, videos):
    def count(config):
        thumbnails(empty, config, [(videos["v0"], "clip")])
        return len(list(empty.thumbnails.iterdir()))

    assert count(load()) == 1
    assert count(load(overrides=["corpus.max_fps=7"])) == 2
    assert count(load(overrides=["run.threads=2"])) == 2, "threads change no picture"


def test_what_cannot_be_shown_says_why(empty, videos):
    gone = replace(videos["v1"], uri="/gone/film.mp4")
    wanted = [
        (gone, "clip"),
        (unknown("ghost"), "clip"),
        (replace(gone, video_id="copy", recipe='[["h264",2,0]]'), "clip"),
    ]
    made = thumbnails(empty, load(), wanted)
    assert not any(one.uri for one in made.values())
    assert "/gone/film.mp4" in made["v1", "clip"].reason
    assert "/gone/film.mp4" in made["copy", "clip"].reason
    assert "no table" in made["ghost", "clip"].reason
    assert "configuration" in thumbnails(empty, None, [(videos["v0"], "clip")])["v0", "clip"].reason


def test_the_first_of_a_page_fit_and_the_rest_say_so(empty, videos):
    wanted = [(videos["v0"], "clip"), (videos["v1"], "clip")]
    whole = thumbnails(empty, load(), wanted)
    room = len(whole["v0", "clip"].uri) + 1
    made = thumbnails(empty, load(), wanted, most_bytes=room)
    assert made["v0", "clip"] == whole["v0", "clip"]
    assert made["v1", "clip"].reason.startswith("left out")
