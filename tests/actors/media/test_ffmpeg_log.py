"""What FFmpeg and its coders print: tracks, pictures, and the reason of a failure."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from actors.media import ffmpeg, ffmpeg_log
from actors.media.ffmpeg_log import Track
from actors.media.outcome import Failure

X264 = """\
[libx264 @ 0x55a4] using SAR=1/1
[libx264 @ 0x55a4] profile High 4:4:4 Predictive, level 1.1, 4:2:0, 8-bit
[libx264 @ 0x55a4] 264 - core 165
Output #0, matroska, to 'file:x.mkv':
  Stream #0:0(und): Video: h264, yuv420p, 160x120
{reason}
[out#0/matroska @ 0x55a4] video:69KiB audio:0KiB subtitle:0KiB other streams:0KiB muxing overhead: 1.149442%
frame=    6 fps=0.0 q=-1.0 Lsize=      69KiB time=00:00:00.40 bitrate=1420.3kbits/s speed=1.32x
[libx264 @ 0x55a4] frame I:1     Avg QP: 0.00  size: 20206
[libx264 @ 0x55a4] mb I  I16..4: 100.0%  0.0%  0.0%
[libx264 @ 0x55a4] mb P  I16..4:  3.8%  0.0%  0.0%  P16..4: 95.8%  0.0%  0.0%  0.0%  0.0%    skip: 0.5%
[libx264 @ 0x55a4] coded y,uvDC,uvAC intra: 100.0% 100.0% 100.0% inter: 98.0% 87.0% 85.7%
[libx264 @ 0x55a4] i16 v,h,dc,p: 25% 73%  2%  0%
[libx264 @ 0x55a4] i8c dc,h,v,p:  1% 66% 33%  0%
[libx264 @ 0x55a4] Weighted P-Frames: Y:0.0% UV:0.0%
[libx264 @ 0x55a4] ref P L0: 70.0% 30.0%
[libx264 @ 0x55a4] kb/s:4427.81
Conversion failed!
"""


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("[out#0/matroska @ 0x55a4] Error writing trailer: No space left on device", "storage", "No space left"),
        ("[out#0/matroska @ 0x55a4] Error closing file: Disk quota exceeded", "storage", "Disk quota exceeded"),
        ("[vf#0:0 @ 0x55a4] Error reinitializing filters!", "encode", "Error reinitializing filters!"),
        ("[dec:h264 @ 0x1] Decode error rate 1 exceeds maximum 0.666667", "encode", "Decode error rate 1 exceeds"),
        ("", "encode", "FFmpeg ended with status 1"),
    ],
)
def test_the_reason_is_never_a_line_of_statistics(line, kind, message):
    failure = ffmpeg_log.explain(X264.format(reason=line), 1, "encode")
    assert failure.kind == kind
    assert failure.message.startswith(message) or message in failure.message


def test_a_status_of_a_full_disk_is_enough():
    failure = ffmpeg_log.explain("frame=  1\n", 256 - errno.ENOSPC, "encode")
    assert (failure.kind, failure.message) == ("storage", "no space left on the disk")


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video", "ffv1"])
def test_an_encoder_on_a_full_disk_says_so(codec):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    node = ffmpeg.target(
        ffmpeg.raw_source(64, 64, 10).filter("format", "yuv420p"), "/dev/full", {"vcodec": codec}, "matroska"
    )

    def write():
        with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
            for number in range(10):
                writer.write(np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8))

    with pytest.raises(Failure) as caught:
        write()
    assert caught.value.kind == "storage", caught.value


def test_raw_video_asks_for_a_size_and_other_files_for_a_container(tmp_path):
    raw, other = tmp_path / "a.yuv", tmp_path / "a.dat"
    for path in (raw, other):
        path.write_bytes(bytes(range(256)) * 100)
    with pytest.raises(
        Failure, match=r"a\.yuv: raw video says neither its size nor its rate; give it a header"
    ) as caught:
        ffmpeg.probe(raw)
    assert caught.value.kind == "format"
    with pytest.raises(Failure, match=r"a\.dat: not a media file") as caught:
        ffmpeg.probe(other)
    assert "whitelist" not in caught.value.message


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


def track(number, width=64, is_default=False, is_cover=False):
    return Track(number, width, 48, is_default, is_cover, "", "")


def test_all_video_tracks_of_the_input_are_read_and_none_of_an_output():
    cover, film = ffmpeg_log.tracks(DUMP)
    assert (cover.number, cover.is_cover, cover.is_default, cover.width) == (0, True, False, 640)
    assert (film.number, film.is_cover, film.is_default, film.height) == (2, False, True, 144)
    assert ffmpeg_log.decoded_track(DUMP) == 2


def test_the_header_is_that_of_the_track_that_is_played_as_it_is_turned():
    header = ffmpeg_log.header("a.mkv", DUMP)
    assert (header.width, header.height, header.codec, header.fps, header.tick_rate) == (144, 256, "h264", 25, 50)


@pytest.mark.parametrize("size", ["0x0", "0x144", "256x0"])
def test_a_header_without_a_width_or_a_height_is_a_failure(size):
    with pytest.raises(Failure, match=r"a\.mkv: the header gives no frame size") as caught:
        ffmpeg_log.header("a.mkv", DUMP.replace("256x144", size))
    assert caught.value.kind == "decode"


def test_a_crop_of_everything_is_a_failure():
    crop = "      Frame Cropping: 0/0/100/44"
    with pytest.raises(Failure, match="a crop of all of it"):
        ffmpeg_log.header("a.mkv", DUMP.replace("      Display Matrix", f"{crop}\n      Display Matrix"))


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
def test_the_default_track_is_played_and_no_lone_picture(choice, packets, number):
    film = ffmpeg_log.played(choice, packets)
    assert film is not None
    assert film.number == number


def test_a_file_of_covers_has_no_film():
    assert ffmpeg_log.played([track(0, is_cover=True)]) is None


@pytest.mark.parametrize(
    ("degrees", "upright"),
    [("90.00", True), ("-90.00", True), ("270.00", True), ("180.00", False), ("60.00", False), ("-0.00", False)],
)
def test_only_quarter_turns_exchange_width_and_height(degrees, upright):
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
def test_a_display_orientation_mirrors_first_and_turns_then(fields, turns):
    names = ("hor_flip", "ver_flip", "anticlockwise_rotation")
    log = "\n".join(
        f"[trace_headers @ 0x1] 5 {name}   {value:b} = {value}" for name, value in zip(names, fields, strict=True)
    )
    assert ffmpeg_log.display_orientation(log) == turns
    assert ffmpeg_log.display_orientation("nothing") is None


@pytest.mark.parametrize(
    ("codec", "kinds", "counts", "refreshed"),
    [
        ("h264", (7, 8, 6, 5, 5), (), False),
        ("h264", (7, 8, 5, 6, 1), (6,), True),
        ("h264", (7, 8, 5, 6, 1), (0,), False),  # an open group: a whole picture, coded as an ordinary slice
        ("h264", (7, 8, 5, 1), (), True),
        ("hevc", (32, 33, 34, 39, 20, 21), (), False),
        ("hevc", (32, 33, 34, 20, 39, 1), (4,), True),
    ],
)
def test_key_frames_that_are_no_whole_pictures_are_known_by_their_slices(codec, kinds, counts, refreshed):
    lines = [f"3   nal_unit_type   00 = {kind}" for kind in kinds]
    lines += [f"24  recovery_frame_cnt   011 = {count}" for count in counts]
    assert ffmpeg_log.is_refreshed("\n".join(f"[trace_headers @ 0x1] {line}" for line in lines), codec) == refreshed
