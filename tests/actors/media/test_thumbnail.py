import io

import pytest
from PIL import Image

from actors.media import ffmpeg
from actors.media.outcome import Failure
from actors.media.thumbnail import SECONDS, clip, picture
from actors.media.window import EncodeOptions

OPTIONS = EncodeOptions(timeout_s=60)


@pytest.fixture
def long_clip(make):
    """Six seconds, 320x240, 30 pictures a second."""
    return make("long.mp4", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30:duration=6", "-pix_fmt", "yuv420p")


def test_a_clip_is_the_small_silent_beginning_of_a_window(long_clip, tmp_path):
    path = tmp_path / "small.mp4"
    path.write_bytes(clip(long_clip, 1.0, 5.0, OPTIONS))
    facts = ffmpeg.probe(path)
    assert (facts.width, facts.height) == (240, 180)
    assert facts.duration_s == pytest.approx(SECONDS["clip"], abs=0.1)
    assert facts.fps == pytest.approx(15)
    assert path.stat().st_size < 150_000


def test_the_same_window_gives_the_same_bytes(long_clip):
    assert clip(long_clip, 0.0, 1.0, OPTIONS) == clip(long_clip, 0.0, 1.0, OPTIONS)
    assert clip(long_clip, 0.0, 1.0, OPTIONS) != clip(long_clip, 3.0, 1.0, OPTIONS)


def test_a_picture_is_the_middle_of_the_first_half_second(numbered):
    """Frame n of this file is grey of level 8 n."""
    shown = Image.open(io.BytesIO(picture(numbered, 1.0, 1.0, OPTIONS)))
    assert shown.format == "JPEG"
    assert shown.size == (64, 48)
    assert shown.convert("L").getpixel((32, 24)) == pytest.approx(8 * 12.5, abs=8)


def test_what_cannot_be_read_is_a_failure_with_its_kind(broken_files, tmp_path):
    for make_one in (clip, picture):
        with pytest.raises(Failure) as caught:
            make_one(broken_files["format.text.mp4"], 0.0, 0.0, OPTIONS)
        assert caught.value.kind == "format"
        with pytest.raises(Failure) as caught:
            make_one(tmp_path / "gone.mp4", 0.0, 0.0, OPTIONS)
        assert caught.value.kind == "missing"
