"""HDR: PQ and HLG are tone-mapped by the documented rule, alike on every path, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from coloured import (
    CASES,
    COLUMNS,
    LUMA,
    ROWS,
    X265,
    centres_of,
    copy_of,
    frame_of,
    header_of,
    planes_of,
    run_ffmpeg,
    write_clip,
)

from actors.media import colour, ffmpeg
from actors.media.colour import Rendering
from actors.media.outcome import Failure
from actors.media.views import SampleSpec
from actors.probe import Probe


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
    return write_clip(
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
    frame, copy = frame_of(decoder, path), copy_of(path)
    np.testing.assert_array_equal(frame, frame_of(pipe, path))
    np.testing.assert_array_equal(frame, frame_of(decoder, copy))
    # as exact as 8-bit 4:2:0 can be when it is read exactly, and a level or two darker as decoders read it
    reading = ("-vf", f"scale=flags={colour.SCALER}", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    read = np.frombuffer(run_ffmpeg("-i", str(copy), *reading), np.uint8).reshape(frame.shape)
    assert np.abs(centres_of(read) - expected).max() < 5  # in the dark channel of saturated colours
    assert np.abs(centres_of(read) - expected).mean() < 1
    assert np.abs(centres_of(frame) - expected).max() < 7
    assert "smpte2084" not in header_of(copy)
    assert "arib" not in header_of(copy)
    assert "bt2020" not in header_of(copy)


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
        frame_of(decoder, path, refusing)
    with pytest.raises(Failure, match="colour: "):
        copy_of(path, refusing)
    frame_of(decoder, write_clip(tmp_path / "sdr.mp4", "yuv420p10le", planes_of("yuv420p10le"), X265), refusing)
    row = Probe(10**6, rendering=refusing)({"video_id": "a", "uri": str(path)})
    assert (row["status"], row["error_kind"]) == ("failed", "colour"), "ingest takes it for usable"


def test_a_pq_clip_looks_like_its_twin_of_standard_range(decoder, clip, tmp_path):
    path = tmp_path / "pq.mp4"
    given = "zscale=matrixin=170m:rangein=limited:primariesin=709:transferin=709:npl=203"
    run_ffmpeg(
        "-i",
        str(clip),
        "-vf",
        f"{given}:matrix=2020_ncl:primaries=2020:transfer=smpte2084,format=yuv420p10le",
        *X265,
        str(path),
    )
    assert ffmpeg.probe(path).tags.is_hdr
    twin, frame = frame_of(decoder, clip), frame_of(decoder, path)
    as_sdr = np.frombuffer(
        run_ffmpeg("-ss", "0.6", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
        np.uint8,
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
