"""What FFmpeg prints of tracks and pictures."""

from __future__ import annotations

import pytest

from actors.media import ffmpeg_log
from actors.media.ffmpeg_log import Track

DUMP = """Input #0, matroska,webm, from 'a.mkv':
  Duration: 00:00:04.00, start: 0.000000, bitrate: 321 kb/s
  Stream #0:0: Video: mjpeg (Baseline), yuvj420p(pc, bt470bg/unknown/unknown), 640x640, 25 fps, 25 tbr (attached pic)
  Stream #0:1(eng): Audio: aac (LC), 44100 Hz, mono, fltp (default)
  Stream #0:2[0x2](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 256x144 [SAR 1:1 DAR 16:9], 25 fps, 50 tbr (default)
    Side data:
      Display Matrix: rotation of -90.00 degrees
Stream mapping:
  Stream #0:2 -> #0:0 (copy)
  Stream #0:2 -> #1:0 (h264 (native) -> wrapped_avframe (native))
Output #1, null, to 'pipe:1':
  Stream #0:0: Video: wrapped_avframe, yuv420p, 256x144
"""


def track(number: int, width: int = 64, is_default: bool = False, is_cover: bool = False) -> Track:
    return Track(number, width, 48, is_default, is_cover, "", "")


def test_all_video_tracks_of_the_input_are_read_and_none_of_an_output() -> None:
    cover, film = ffmpeg_log.tracks(DUMP)
    assert (cover.number, cover.is_cover, cover.is_default, cover.width) == (0, True, False, 640)
    assert (film.number, film.is_cover, film.is_default, film.height) == (2, False, True, 144)
    assert ffmpeg_log.decoded_track(DUMP) == 2


def test_the_header_is_that_of_the_track_that_is_played_as_it_is_turned() -> None:
    header = ffmpeg_log.header("a.mkv", DUMP)
    assert (header.width, header.height, header.codec, header.fps, header.tick_rate) == (144, 256, "h264", 25, 50)


@pytest.mark.parametrize(
    ("choice", "packets", "number"),
    [
        ([track(0), track(1, is_default=True)], None, 1),
        ([track(0), track(1)], None, 0),
        ([track(0), track(1, width=128)], None, 1),
        ([track(0, is_default=True), track(1, width=1920)], None, 0),
        ([track(0, width=4000), track(1)], {0: 1, 1: 90}, 1),
        ([track(0, is_default=True, is_cover=True), track(1)], None, 1),
        ([track(3)], {3: 1}, 3),
    ],
)
def test_the_default_track_is_played_and_no_lone_picture(
    choice: list[Track], packets: dict[int, int] | None, number: int
) -> None:
    film = ffmpeg_log.played(choice, packets)
    assert film is not None
    assert film.number == number


def test_a_file_of_covers_has_no_film() -> None:
    assert ffmpeg_log.played([track(0, is_cover=True)]) is None


@pytest.mark.parametrize(
    ("degrees", "upright"),
    [("90.00", True), ("-90.00", True), ("270.00", True), ("180.00", False), ("60.00", False), ("-0.00", False)],
)
def test_only_quarter_turns_exchange_width_and_height(degrees: str, upright: bool) -> None:
    assert ffmpeg_log.is_upright(degrees) == upright


@pytest.mark.parametrize(
    ("fields", "turns"),
    [
        ((0, 0, 0), ()),
        ((0, 0, 1 << 14), ("transpose=cclock",)),
        ((1, 0, 3 << 14), ("hflip", "transpose=clock")),
        ((0, 1, 1 << 15), ("vflip", "hflip", "vflip")),
        ((0, 0, 1 << 13), None),
    ],
)
def test_a_display_orientation_mirrors_first_and_turns_then(
    fields: tuple[int, int, int], turns: tuple[str, ...] | None
) -> None:
    names = ("hor_flip", "ver_flip", "anticlockwise_rotation")
    log = "\n".join(
        f"[trace_headers @ 0x1] 5 {name}   {value:b} = {value}" for name, value in zip(names, fields, strict=True)
    )
    assert ffmpeg_log.display_orientation(log) == turns
    assert ffmpeg_log.display_orientation("nothing") is None
