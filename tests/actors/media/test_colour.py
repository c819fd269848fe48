"""What a file's colours mean: both decode paths and the copies against the formulas of the standards."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from actors.distortions.apply import apply
from actors.media import colour, ffmpeg, ffmpeg_log
from actors.media.colour import Rendering, Tags
from actors.media.decode import Decoder
from actors.media.outcome import Failure
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.probe import Probe

ONE = SampleSpec(key_frames=1, motion_frames=1)
ROWS, COLUMNS, SIDE = 4, 8, 16  # patches of one colour, pixels
SIZE = f"{COLUMNS * SIDE}x{ROWS * SIDE}"
LUMA = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}  # Kr, Kb
CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
X264 = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
X265 = ("-c:v", "libx265", "-x265-params", "lossless=1:log-level=none", "-preset", "ultrafast")


@pytest.fixture(scope="module")
def decoder():
    with Decoder(timeout_s=60) as one:
        yield one


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    """A decoder whose decord has died, so that every frame comes through FFmpeg's pipe."""
    dead = tmp_path_factory.mktemp("dead") / "dead.py"
    dead.write_text("import os\nos._exit(1)\n")
    with Decoder(timeout_s=60, child=dead) as one:
        yield one


def _frame(decoder, path, rendering=colour.AS_USUAL):
    spec = SampleSpec(key_frames=1, motion_frames=1, rendering=rendering)
    return decoder.decode(path, spec=spec).key[0, 0].astype(int)


def _copy(path, rendering=colour.AS_USUAL):
    """The pristine reference of a whole file."""
    target = path.with_name(f"{path.stem}-{rendering.interlaced}-copy.mkv")
    apply("", 0, path, 0.0, 0.0, target, 0, options=EncodeOptions(rendering=rendering))
    return target


def _run(*args, data=None):
    command = [ffmpeg.binary(), "-y", "-hide_banner", "-loglevel", "error", *args]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def _header(path):
    done = subprocess.run(
        [ffmpeg.binary(), "-hide_banner", "-i", str(path)], capture_output=True, text=True, check=False
    )
    return next(line for line in done.stderr.splitlines() if "Video:" in line)


def _planes(pixels, seed=3):
    """Y', Cb and Cr of the patches: black, white, greys, and colours that RGB can hold."""
    scale = 2 ** (_bits(pixels) - 8)
    rng = np.random.default_rng(seed)
    luma = rng.integers(60 * scale, 190 * scale, (ROWS, COLUMNS))
    chroma = [rng.integers(104 * scale, 152 * scale, (ROWS, COLUMNS)) for _ in range(2)]
    luma[0, :4] = np.array([16, 235, 128, 64]) * scale
    for plane in chroma:
        plane[0, :4] = 128 * scale
    return [luma, *chroma]


def _bits(pixels):
    return 10 if "10" in pixels else 12 if "12" in pixels else 8


def _rgb(planes, matrix, bits, full):
    """R'G'B' 0 to 255 of Y'CbCr code values (ITU-R BT.601, BT.709, BT.2020; quantisation as BT.2100, table 9)."""
    kr, kb = LUMA[matrix]
    top, scale = 2**bits - 1, 2 ** (bits - 8)
    y = planes[0] / top if full else (planes[0] - 16 * scale) / (219 * scale)
    cb, cr = ((plane - 128 * scale) / (top if full else 224 * scale) for plane in planes[1:])
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return 255 * np.clip(np.stack([red, green, blue], -1), 0, 1)


def _write(path, pixels, planes, codec, *tags):
    """A file of four frames whose planes decode to exactly these patches; ``tags`` describe what is fed."""
    across, down = {"420": (2, 2), "422": (2, 1)}.get(pixels[3:6], (1, 1))
    kind = np.uint8 if _bits(pixels) == 8 else np.dtype("<u2")
    sizes = [(SIDE, SIDE), *[(SIDE // down, SIDE // across)] * 2]
    parts = planes[:1] if pixels.startswith("gray") else planes
    raw = b"".join(
        np.kron(plane, np.ones(size)).astype(kind).tobytes() for plane, size in zip(parts, sizes, strict=False)
    )
    fed = ("-f", "rawvideo", "-pix_fmt", pixels, "-s", SIZE, "-r", "10", *tags)
    _run(*fed, "-i", "-", *codec, str(path), data=raw * 4)
    return path


def _centres(frame):
    return frame[SIDE // 2 :: SIDE, SIDE // 2 :: SIDE]


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
    planes = _planes(pixels)
    tags = [*(("-colorspace", matrix) if matrix else ()), *(("-color_range", extent) if extent else ())]
    path = _write(tmp_path / "a.mp4", pixels, planes, X264 if _bits(pixels) == 8 else X265, *tags)
    exact = _rgb(planes, matrix or "smpte170m", _bits(pixels), extent == "pc")
    frame, copy = _frame(decoder, path), _frame(decoder, _copy(path))
    np.testing.assert_array_equal(frame, _frame(pipe, path))
    wrong, apart = np.abs(_centres(frame) - exact), np.abs(_centres(frame) - _centres(copy))
    print(
        f"\n{pixels} {matrix or '-'} {extent or '-'}: standard {wrong.max():.1f} {wrong.mean():.2f}, copy {apart.max()}"
    )
    assert wrong.max() < (1 if pixels == "yuv444p" else 4)
    assert wrong.mean() < 1.5
    # of full 8-bit chroma and full range a copy holds less than the file
    assert apart.max() <= (3 if pixels == "yuv444p" or extent == "pc" else 2)
    if _bits(pixels) > 8:
        np.testing.assert_array_equal(frame, copy)
        patches = copy.reshape(ROWS, SIDE, COLUMNS, SIDE, 3)[:, 4:-4, :, 4:-4]
        assert np.ptp(patches, axis=(1, 3)).max() == 0, "a copy is dithered"


@pytest.mark.parametrize("extent", ["tv", "pc"])
@pytest.mark.parametrize("pixels", ["gray", "gray10le"])
def test_grey_has_the_range_of_its_tag_on_both_paths_and_in_the_copy(decoder, pipe, tmp_path, pixels, extent):
    planes = _planes(pixels)
    path = _write(tmp_path / "a.mp4", pixels, planes, X265, "-color_range", extent)
    assert ffmpeg.probe(path).tags.pix_fmt == pixels
    frame = _frame(decoder, path)
    np.testing.assert_array_equal(frame, _frame(pipe, path))
    scale = 2 ** (_bits(pixels) - 8)
    grey = planes[0] / (2 ** _bits(pixels) - 1) if extent == "pc" else (planes[0] - 16 * scale) / (219 * scale)
    assert np.abs(_centres(frame) - 255 * grey[..., None]).max() <= 2
    assert np.abs(frame - _frame(decoder, _copy(path))).max() <= 2


def test_untagged_rgb_of_16_bits_is_full_range(decoder, pipe, tmp_path):
    exact = _rgb(_planes("yuv444p"), "bt709", 8, False).round().astype(int)
    raw = np.kron(exact * 257, np.ones((SIDE, SIDE, 1))).astype("<u2").tobytes() * 4
    path = tmp_path / "a.nut"
    _run(
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
    frame = _frame(decoder, path)
    np.testing.assert_array_equal(frame, _frame(pipe, path))
    assert np.abs(_centres(frame) - exact).max() <= 4
    np.testing.assert_array_equal(frame, _frame(decoder, _copy(path)))


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", ("-c:v", "libx264rgb", "-qp", "0")), ("a.mov", ("-c:v", "qtrle"))]
)
def test_rgb_is_exact_on_both_paths(decoder, pipe, tmp_path, name, codec):
    exact = _rgb(_planes("yuv444p"), "bt709", 8, False).round().astype(np.uint8)
    raw = np.kron(exact, np.ones((SIDE, SIDE, 1), np.uint8)).tobytes() * 4
    path = tmp_path / name
    _run("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", SIZE, "-r", "10", "-i", "-", *codec, str(path), data=raw)
    frame = _frame(decoder, path)
    np.testing.assert_array_equal(_centres(frame), exact)
    np.testing.assert_array_equal(frame, _frame(pipe, path))
    assert np.abs(_centres(frame) - _centres(_frame(decoder, _copy(path)))).max() <= 4


def test_alpha_is_ignored_on_both_paths_and_in_the_copy(decoder, pipe, tmp_path):
    for name, form in (("solid", "rgb24"), ("clear", "argb")):
        veil = "format=rgba,colorchannelmixer=aa=0.3," if name == "clear" else ""
        source = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.4")
        _run(*source, "-vf", f"{veil}format={form}", "-c:v", "qtrle", str(tmp_path / f"{name}.mov"))
    solid, clear = tmp_path / "solid.mov", tmp_path / "clear.mov"
    assert "argb" in _header(clear)
    for one in (decoder, pipe):
        assert np.abs(_frame(one, solid) - _frame(one, clear)).max() <= 1
    assert np.abs(_frame(decoder, _copy(solid)) - _frame(decoder, _copy(clear))).max() <= 3


def _pq(nits):
    """ITU-R BT.2100, table 4: cd/m2 to code values 0 to 1."""
    light = (nits / 10000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * light) / (1 + 2392 / 128 * light)) ** (2523 / 32)


def _hlg(nits):
    """ITU-R BT.2100, table 5: cd/m2 on a display of 1,000 cd/m2 (system gamma 1.2) to code values 0 to 1."""
    luminance = (nits @ [0.2627, 0.6780, 0.0593])[..., None] / 1000
    scene = nits / 1000 * luminance ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def _tone_mapped(nits):
    """The documented rule, R'G'B' 0 to 255 of BT.2020 light in cd/m2."""
    to_709 = np.array(  # ITU-R BT.2087, its inverse
        [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
    )
    light = nits / 203 @ to_709.T
    top = np.maximum(light.max(-1, keepdims=True), 1e-6)
    knee, peak = 0.8, 1000 / 203
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    curve = (b**2 + 2 * b * knee + knee**2) / (b - a) * (top + a) / (top + b)
    return 255 * np.clip(light / top * np.where(top <= knee, top, curve), 0, 1) ** (1 / 2.4)


def _hdr(path, transfer, nits):
    """A lossless 10-bit BT.2100 file of patches of this light, cd/m2."""
    signal = (_pq if transfer == "smpte2084" else _hlg)(nits)
    kr, kb = LUMA["bt2020nc"]
    y = signal @ [kr, 1 - kr - kb, kb]
    cb, cr = (signal[..., 2] - y) / (2 - 2 * kb), (signal[..., 0] - y) / (2 - 2 * kr)
    planes = [np.rint(876 * y + 64), np.rint(896 * cb + 512), np.rint(896 * cr + 512)]
    fed = ("-colorspace", "bt2020nc", "-color_range", "tv")
    return _write(
        path, "yuv420p10le", planes, ("-vf", f"setparams=color_primaries=bt2020:color_trc={transfer}", *X265), *fed
    )


def _light():
    rng = np.random.default_rng(0)
    greys = np.array([0.05, 1, 5, 20, 58, 100, 150, 162, 203, 300, 500, 1000])[:, None] * np.ones(3)
    mild = rng.uniform(0.4, 1, (20, 1)) * rng.uniform(60, 400, (20, 3))
    return np.concatenate([greys, mild]).reshape(ROWS, COLUMNS, 3)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_tone_mapped_by_the_documented_rule(decoder, pipe, tmp_path, transfer):
    path = _hdr(tmp_path / "a.mp4", transfer, _light())
    expected = _tone_mapped(_light())
    frame, copy = _frame(decoder, path), _copy(path)
    np.testing.assert_array_equal(frame, _frame(pipe, path))
    np.testing.assert_array_equal(frame, _frame(decoder, copy))
    # as exact as 8-bit 4:2:0 can be when it is read exactly, and a level or two darker as decoders read it
    reading = ("-vf", f"scale=flags={colour.SCALER}", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    read = np.frombuffer(_run("-i", str(copy), *reading), np.uint8).reshape(frame.shape)
    assert np.abs(_centres(read) - expected).max() < 5  # in the dark channel of saturated colours
    assert np.abs(_centres(read) - expected).mean() < 1
    assert np.abs(_centres(frame) - expected).max() < 7
    assert "smpte2084" not in _header(copy)
    assert "arib" not in _header(copy)
    assert "bt2020" not in _header(copy)


def test_every_frame_of_a_window_of_hlg_is_tone_mapped(decoder, tmp_path):
    path = _hdr(tmp_path / "a.mp4", "arib-std-b67", _light())
    whole = decoder.decode(path, spec=SampleSpec(1, 48)).luma
    later = decoder.decode(path, 0.2, 0.0, SampleSpec(1, 48)).luma
    assert (len(whole), len(later)) == (4, 2)
    assert np.ptp(np.concatenate([whole, later]).reshape(6, -1), axis=0).max() == 0


def test_hdr_is_refused_where_the_settings_say_so(decoder, tmp_path):
    refusing = Rendering(hdr="refuse")
    path = _hdr(tmp_path / "a.mp4", "arib-std-b67", _light())
    with pytest.raises(Failure, match=r"colour: .*HDR \(arib-std-b67\).*corpus.hdr=tonemap"):
        _frame(decoder, path, refusing)
    with pytest.raises(Failure, match="colour: "):
        _copy(path, refusing)
    _frame(decoder, _write(tmp_path / "sdr.mp4", "yuv420p10le", _planes("yuv420p10le"), X265), refusing)
    row = Probe(10**6, rendering=refusing)({"video_id": "a", "uri": str(path)})
    assert (row["status"], row["error_kind"]) == ("failed", "colour"), "ingest takes it for usable"


def test_a_pq_clip_looks_like_its_twin_of_standard_range(decoder, clip, tmp_path):
    path = tmp_path / "pq.mp4"
    given = "zscale=matrixin=170m:rangein=limited:primariesin=709:transferin=709:npl=203"
    _run(
        "-i",
        str(clip),
        "-vf",
        f"{given}:matrix=2020_ncl:primaries=2020:transfer=smpte2084,format=yuv420p10le",
        *X265,
        str(path),
    )
    assert ffmpeg.probe(path).tags.is_hdr
    twin, frame = _frame(decoder, clip), _frame(decoder, path)
    as_sdr = np.frombuffer(
        _run("-ss", "0.6", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"), np.uint8
    )
    assert np.abs(frame - twin).mean() < 6  # all of it above the knee, where SDR has no room for highlights
    assert np.abs(as_sdr.reshape(twin.shape) - twin).mean() > 24


@pytest.mark.skipif(not CASES.is_dir(), reason="the real HDR clip and its twin are not here (../shared/cases)")
def test_the_real_pq_clip_scores_like_its_twin(decoder):
    from actors.teachers import load_teacher

    samples = [decoder.decode(CASES / name) for name in ("hdr_pq.mp4", "sdr_hevc10.mp4")]
    for teacher, most in (
        ("brisque", 3),
        ("sharpness", 2),
        ("exposure", 0.5),
        ("artefact", 4),
    ):  # as SDR: 10, 5, 2.6, 0.2
        first, second = (load_teacher(teacher).score_video("", "", sample) for sample in samples)
        assert abs(first - second) < most, teacher


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
    ("crop", "schedule"), [((288, 220, -16, 10), (15, 220, 8, 288)), ((305, 240, 15, 0), (0, 240, 14, 304))]
)
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_what_the_container_crops_is_shown_nowhere(decoder, pipe, tmp_path, container, crop, shown):
    plain, path = tmp_path / "plain.mp4", tmp_path / "cropped.mp4"
    _run("-f", "lavfi", "-i", "testsrc2=s=320x240:r=10:d=0.4", *X264, "-pix_fmt", "yuv420p", str(plain))
    width, height, across, down = crop  # ISO/IEC 14496-12, clean aperture: sizes, and offsets of its centre in halves
    path.write_bytes(
        _boxed(plain.read_bytes(), struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, across, 2, down, 2))
    )
    if container == "mkv":
        _run("-i", str(path), "-c", "copy", str(path.with_suffix(".mkv")))
        path = path.with_suffix(".mkv")
    top, height, left, width = shown
    header = ffmpeg.probe(path)
    assert (header.width, header.height) == (width, height)
    whole, frame = _frame(decoder, plain), _frame(decoder, path)
    np.testing.assert_array_equal(frame, _frame(pipe, path))
    even = top - top % 2
    assert np.abs(frame - whole[even : even + height, left : left + width]).mean() < 1
    assert np.abs(_frame(decoder, _copy(path)) - frame[: height - height % 2, : width - width % 2]).mean() < 1


def test_dolby_vision_without_a_base_picture_is_refused(decoder, tmp_path):
    plain = _write(tmp_path / "plain.mp4", "yuv420p10le", _planes("yuv420p10le"), (*X265, "-tag:v", "hvc1"))
    for profile in (5, 8):
        box = struct.pack(">I4sBBHB19x", 32, b"dvcC", 1, 0, profile << 9 | 6 << 3 | 0b101, 0)
        (tmp_path / f"{profile}.mp4").write_bytes(_boxed(plain.read_bytes(), box))
    with pytest.raises(Failure, match=r"colour: .*Dolby Vision profile 5"):
        _frame(decoder, tmp_path / "5.mp4")
    np.testing.assert_array_equal(_frame(decoder, tmp_path / "8.mp4"), _frame(decoder, plain))


def test_a_matrix_that_cannot_be_converted_is_refused_by_name(decoder, tmp_path):
    path = _write(tmp_path / "a.mp4", "yuv420p", _planes("yuv420p"), ("-vf", "setparams=colorspace=bt2020c", *X264))
    with pytest.raises(Failure, match=r"colour: .*colour matrix bt2020c"):
        _frame(decoder, path)


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
    _run(
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
        frame = _frame(decoder, interlaced, rendering)
        np.testing.assert_array_equal(frame, _frame(pipe, interlaced, rendering))
        copy = _copy(interlaced, rendering)
        assert np.abs(frame - _frame(decoder, copy)).mean() < 1
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
        _run(
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
        frames += [_frame(decoder, path), _frame(pipe, path), _frame(decoder, _copy(path))]
        assert "SAR 1:1" in _header(_copy(path))
    for frame in frames[1:]:
        np.testing.assert_array_equal(frame, frames[0])


def test_film_grain_is_part_of_the_picture(decoder, pipe, tmp_path):
    path = tmp_path / "grain.mp4"
    source = ("-f", "lavfi", "-i", "color=gray:s=192x144:r=10:d=0.8,noise=alls=20:allf=t,format=yuv420p")
    _run(*source, "-c:v", "libsvtav1", "-crf", "40", "-preset", "10", "-svtav1-params", "film-grain=40", str(path))
    frame = _frame(decoder, path)
    reading = ("-ss", "0.4", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    bare = np.frombuffer(_run("-c:v", "libdav1d", "-filmgrain", "0", *reading), np.uint8).reshape(frame.shape)
    assert np.abs(frame - bare).mean() > 2, "no grain"
    np.testing.assert_array_equal(frame, _frame(pipe, path))
    assert np.abs(frame - _frame(decoder, _copy(path))).max() <= 2


@pytest.mark.parametrize(
    "tags", ["bt709:color_primaries=bt709:color_trc=bt709", "bt2020nc:color_primaries=smpte432:color_trc=linear"]
)
def test_copies_bear_labels_of_their_own(tmp_path, tags):
    path = _write(tmp_path / "a.mp4", "yuv420p", _planes("yuv420p"), ("-vf", f"setparams=colorspace={tags}", *X264))
    assert "(tv, smpte170m, progressive)" in _header(_copy(path))
