"""What a file's colours mean: both decode paths and the copies against the formulas of the standards."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest
from coloured import (
    COLUMNS,
    ROWS,
    SIDE,
    SIZE,
    X264,
    X265,
    bits_of,
    centres_of,
    copy_of,
    frame_of,
    header_of,
    planes_of,
    rgb_of,
    run_ffmpeg,
    write_clip,
)

from actors.media import colour, ffmpeg, ffmpeg_log
from actors.media.colour import Rendering, Tags
from actors.media.outcome import Failure
from actors.media.views import SampleSpec


@pytest.mark.parametrize(
    ("line", "tags"),
    [
        ("h264 (High) (avc1 / 0x31637661), yuv420p(progressive), 64x48", ("yuv420p", "", "", "", "", "progressive")),
        ("vp9, yuv420p, 64x48 [SAR 1:1 DAR 4:3]", ("yuv420p", "", "", "", "", "")),
        ("mpeg2video (Main), yuv420p(tv, top first), 720x576", ("yuv420p", "tv", "", "", "", "top first")),
        (
            "h264 (High), yuv420p(tv, bt709, top coded first (swapped)), 720x576",
            ("yuv420p", "tv", "bt709", "bt709", "bt709", "top coded first (swapped)"),
        ),
        (
            "hevc (Main 10) (hvc1 / 0x31637668), yuv420p10le(tv, bt2020nc/bt2020/smpte2084, progressive), 64x48",
            ("yuv420p10le", "tv", "bt2020nc", "bt2020", "smpte2084", "progressive"),
        ),
        ("png, rgb48be(16 bpc, pc, gbr/unknown/unknown), 64x48", ("rgb48be", "pc", "gbr", "", "", "")),
    ],
)
def test_the_tags_of_a_header_are_read(line, tags):
    assert colour.read(f"  Stream #0:0: Video: {line}, 25 fps", "") == Tags(*tags)


def test_every_format_of_more_than_8_bits_is_known_as_deep():
    rows = re.findall(r"^[I.][O.][H.][P.][B.] (\w+) +\d+ +\d+ +([\d-]+)$", ffmpeg.ask("-pix_fmts"), re.MULTILINE)
    depths = {name: max(map(int, depths.split("-"))) for name, depths in rows}
    assert len(depths) > 100
    assert {name for name in depths if Tags(pix_fmt=name).is_deep} == {name for name in depths if depths[name] > 8}


@pytest.mark.parametrize("extent", ["", "tv", "pc"])
@pytest.mark.parametrize("matrix", ["", "bt709", "smpte170m", "bt2020nc"])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le"])
def test_both_paths_and_the_copy_show_the_colours_of_the_standard(decoder, pipe, tmp_path, pixels, matrix, extent):
    planes = planes_of(pixels)
    tags = [*(("-colorspace", matrix) if matrix else ()), *(("-color_range", extent) if extent else ())]
    path = write_clip(tmp_path / "a.mp4", pixels, planes, X264 if bits_of(pixels) == 8 else X265, *tags)
    exact = rgb_of(planes, matrix or "smpte170m", bits_of(pixels), extent == "pc")
    frame, copy = frame_of(decoder, path), frame_of(decoder, copy_of(path))
    np.testing.assert_array_equal(frame, frame_of(pipe, path))
    wrong, apart = np.abs(centres_of(frame) - exact), np.abs(centres_of(frame) - centres_of(copy))
    print(
        f"\n{pixels} {matrix or '-'} {extent or '-'}: standard {wrong.max():.1f} {wrong.mean():.2f}, copy {apart.max()}"
    )
    assert wrong.max() < (1 if pixels == "yuv444p" else 4)
    assert wrong.mean() < 1.5
    # of full 8-bit chroma and full range a copy holds less than the file
    assert apart.max() <= (3 if pixels == "yuv444p" or extent == "pc" else 2)
    if bits_of(pixels) > 8:
        np.testing.assert_array_equal(frame, copy)
        patches = copy.reshape(ROWS, SIDE, COLUMNS, SIDE, 3)[:, 4:-4, :, 4:-4]
        assert np.ptp(patches, axis=(1, 3)).max() == 0, "a copy is dithered"


@pytest.mark.parametrize("extent", ["tv", "pc"])
@pytest.mark.parametrize("pixels", ["gray", "gray10le"])
def test_grey_has_the_range_of_its_tag_on_both_paths_and_in_the_copy(decoder, pipe, tmp_path, pixels, extent):
    planes = planes_of(pixels)
    path = write_clip(tmp_path / "a.mp4", pixels, planes, X265, "-color_range", extent)
    assert ffmpeg.probe(path).tags.pix_fmt == pixels
    frame = frame_of(decoder, path)
    np.testing.assert_array_equal(frame, frame_of(pipe, path))
    scale = 2 ** (bits_of(pixels) - 8)
    grey = planes[0] / (2 ** bits_of(pixels) - 1) if extent == "pc" else (planes[0] - 16 * scale) / (219 * scale)
    assert np.abs(centres_of(frame) - 255 * grey[..., None]).max() <= 2
    assert np.abs(frame - frame_of(decoder, copy_of(path))).max() <= 2


def test_untagged_rgb_of_16_bits_is_full_range(decoder, pipe, tmp_path):
    exact = rgb_of(planes_of("yuv444p"), "bt709", 8, False).round().astype(int)
    raw = np.kron(exact * 257, np.ones((SIDE, SIDE, 1))).astype("<u2").tobytes() * 4
    path = tmp_path / "a.nut"
    run_ffmpeg(
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb48le",
        "-s",
        SIZE,
        "-r",
        "10",
        "-i",
        "-",
        "-c:v",
        "rawvideo",
        str(path),
        data=raw,
    )
    assert ffmpeg.probe(path).tags == Tags("rgb48le")
    frame = frame_of(decoder, path)
    np.testing.assert_array_equal(frame, frame_of(pipe, path))
    assert np.abs(centres_of(frame) - exact).max() <= 4
    np.testing.assert_array_equal(frame, frame_of(decoder, copy_of(path)))


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", ("-c:v", "libx264rgb", "-qp", "0")), ("a.mov", ("-c:v", "qtrle"))]
)
def test_rgb_is_exact_on_both_paths(decoder, pipe, tmp_path, name, codec):
    exact = rgb_of(planes_of("yuv444p"), "bt709", 8, False).round().astype(np.uint8)
    raw = np.kron(exact, np.ones((SIDE, SIDE, 1), np.uint8)).tobytes() * 4
    path = tmp_path / name
    run_ffmpeg("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", SIZE, "-r", "10", "-i", "-", *codec, str(path), data=raw)
    frame = frame_of(decoder, path)
    np.testing.assert_array_equal(centres_of(frame), exact)
    np.testing.assert_array_equal(frame, frame_of(pipe, path))
    assert np.abs(centres_of(frame) - centres_of(frame_of(decoder, copy_of(path)))).max() <= 4


def test_alpha_is_ignored_on_both_paths_and_in_the_copy(decoder, pipe, tmp_path):
    for name, form in (("solid", "rgb24"), ("clear", "argb")):
        veil = "format=rgba,colorchannelmixer=aa=0.3," if name == "clear" else ""
        source = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.4")
        run_ffmpeg(*source, "-vf", f"{veil}format={form}", "-c:v", "qtrle", str(tmp_path / f"{name}.mov"))
    solid, clear = tmp_path / "solid.mov", tmp_path / "clear.mov"
    assert "argb" in header_of(clear)
    for one in (decoder, pipe):
        assert np.abs(frame_of(one, solid) - frame_of(one, clear)).max() <= 1
    assert np.abs(frame_of(decoder, copy_of(solid)) - frame_of(decoder, copy_of(clear))).max() <= 3


def _boxed(data, box):
    """An MP4 file with one more box in the first sample entry of its first track; the header must come last."""
    out, start, end, parents = bytearray(data), 0, len(data), []
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b""):
        while name and out[start + 4 : start + 8] != name:
            start += struct.unpack_from(">I", out, start)[0]
        parents.append(start)
        end = start + struct.unpack_from(">I", out, start)[0]
        start += 16 if name == b"stsd" else 8
    out[end:end] = box
    for parent in parents:
        struct.pack_into(">I", out, parent, struct.unpack_from(">I", out, parent)[0] + len(box))
    return bytes(out)


@pytest.mark.parametrize(
    ("crop", "shown"), [((288, 220, -16, 10), (15, 220, 8, 288)), ((305, 240, 15, 0), (0, 240, 14, 304))]
)
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_what_the_container_crops_is_shown_nowhere(decoder, pipe, tmp_path, container, crop, shown):
    plain, path = tmp_path / "plain.mp4", tmp_path / "cropped.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=10:d=0.4", *X264, "-pix_fmt", "yuv420p", str(plain))
    width, height, across, down = crop  # ISO/IEC 14496-12, clean aperture: sizes, and offsets of its centre in halves
    path.write_bytes(
        _boxed(plain.read_bytes(), struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, across, 2, down, 2))
    )
    if container == "mkv":
        run_ffmpeg("-i", str(path), "-c", "copy", str(path.with_suffix(".mkv")))
        path = path.with_suffix(".mkv")
    top, height, left, width = shown
    header = ffmpeg.probe(path)
    assert (header.width, header.height) == (width, height)
    whole, frame = frame_of(decoder, plain), frame_of(decoder, path)
    np.testing.assert_array_equal(frame, frame_of(pipe, path))
    even = top - top % 2
    assert np.abs(frame - whole[even : even + height, left : left + width]).mean() < 1
    assert np.abs(frame_of(decoder, copy_of(path)) - frame[: height - height % 2, : width - width % 2]).mean() < 1


def test_dolby_vision_without_a_base_picture_is_refused(decoder, tmp_path):
    plain = write_clip(tmp_path / "plain.mp4", "yuv420p10le", planes_of("yuv420p10le"), (*X265, "-tag:v", "hvc1"))
    for profile in (5, 8):
        box = struct.pack(">I4sBBHB19x", 32, b"dvcC", 1, 0, profile << 9 | 6 << 3 | 0b101, 0)
        (tmp_path / f"{profile}.mp4").write_bytes(_boxed(plain.read_bytes(), box))
    with pytest.raises(Failure, match=r"colour: .*Dolby Vision profile 5"):
        frame_of(decoder, tmp_path / "5.mp4")
    np.testing.assert_array_equal(frame_of(decoder, tmp_path / "8.mp4"), frame_of(decoder, plain))


def test_a_matrix_that_cannot_be_converted_is_refused_by_name(decoder, tmp_path):
    path = write_clip(
        tmp_path / "a.mp4", "yuv420p", planes_of("yuv420p"), ("-vf", "setparams=colorspace=bt2020c", *X264)
    )
    with pytest.raises(Failure, match=r"colour: .*colour matrix bt2020c"):
        frame_of(decoder, path)


def test_a_filter_that_a_build_lacks_is_named():
    failure = ffmpeg_log.explain(
        "[AVFilterGraph @ 0x55] No such filter: 'zscale'\nError : Filter not found\n", 8, "decode"
    )
    assert str(failure) == "colour: No such filter: 'zscale'"


@pytest.fixture(scope="module")
def interlaced(tmp_path_factory):
    """Fields of different times: a pattern that moves 4 pixels from field to field."""
    path = tmp_path_factory.mktemp("fields") / "fields.mp4"
    moving = "testsrc2=s=320x240:r=20:d=1,crop=192:144:4*n:0,tinterlace=interleave_top,format=yuv420p,setfield=tff"
    run_ffmpeg(
        "-f",
        "lavfi",
        "-i",
        moving,
        "-c:v",
        "libx264",
        "-crf",
        "4",
        "-flags",
        "+ilme+ildct",
        "-x264-params",
        "tff=1",
        str(path),
    )
    return path


def _comb(frame):
    """How much more neighbouring rows differ than rows of one field, grey levels."""
    return float(np.abs(np.diff(frame, axis=0)).mean() - np.abs(frame[2:] - frame[:-2]).mean() / 2)


def test_interlaced_pictures_are_deinterlaced_or_woven_alike_everywhere(decoder, pipe, interlaced):
    assert ffmpeg.probe(interlaced).tags.is_interlaced
    combs = {}
    for how in ("deinterlace", "weave"):
        rendering = Rendering(interlaced=how)
        frame = frame_of(decoder, interlaced, rendering)
        np.testing.assert_array_equal(frame, frame_of(pipe, interlaced, rendering))
        copy = copy_of(interlaced, rendering)
        assert np.abs(frame - frame_of(decoder, copy)).mean() < 1
        assert not ffmpeg.probe(copy).tags.is_interlaced or how == "weave"
        combs[how] = _comb(frame)
    assert combs["weave"] > 4 * max(combs["deinterlace"], 0.5)


def test_deinterlacing_keeps_the_number_of_frames(decoder, interlaced):
    for window in ((0.0, 0.0), (0.3, 0.4), (0.5, 0.1)):
        lengths = {
            how: len(decoder.decode(interlaced, *window, SampleSpec(1, 48, rendering=Rendering(interlaced=how))).luma)
            for how in ("deinterlace", "weave")
        }
        assert lengths["deinterlace"] == lengths["weave"]


def test_pixels_that_are_not_square_are_judged_as_they_are_stored(decoder, pipe, tmp_path):
    frames = []
    for shape in ("1", "16/15", "64/45"):
        path = tmp_path / f"{len(frames)}.mp4"
        run_ffmpeg(
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=180x144:r=10:d=0.4",
            "-vf",
            f"setsar={shape}",
            *X264,
            "-pix_fmt",
            "yuv420p",
            str(path),
        )
        header = ffmpeg.probe(path)
        assert (header.width, header.height) == (180, 144)
        frames += [frame_of(decoder, path), frame_of(pipe, path), frame_of(decoder, copy_of(path))]
        assert "SAR 1:1" in header_of(copy_of(path))
    for frame in frames[1:]:
        np.testing.assert_array_equal(frame, frames[0])


def test_film_grain_is_part_of_the_picture(decoder, pipe, tmp_path):
    path = tmp_path / "grain.mp4"
    source = ("-f", "lavfi", "-i", "color=gray:s=192x144:r=10:d=0.8,noise=alls=20:allf=t,format=yuv420p")
    run_ffmpeg(
        *source, "-c:v", "libsvtav1", "-crf", "40", "-preset", "10", "-svtav1-params", "film-grain=40", str(path)
    )
    frame = frame_of(decoder, path)
    reading = ("-ss", "0.4", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    bare = np.frombuffer(run_ffmpeg("-c:v", "libdav1d", "-filmgrain", "0", *reading), np.uint8).reshape(frame.shape)
    assert np.abs(frame - bare).mean() > 2, "no grain"
    np.testing.assert_array_equal(frame, frame_of(pipe, path))
    assert np.abs(frame - frame_of(decoder, copy_of(path))).max() <= 2


@pytest.mark.parametrize(
    "tags", ["bt709:color_primaries=bt709:color_trc=bt709", "bt2020nc:color_primaries=smpte432:color_trc=linear"]
)
def test_copies_bear_labels_of_their_own(tmp_path, tags):
    path = write_clip(
        tmp_path / "a.mp4", "yuv420p", planes_of("yuv420p"), ("-vf", f"setparams=colorspace={tags}", *X264)
    )
    assert "(tv, smpte170m, progressive)" in header_of(copy_of(path))
