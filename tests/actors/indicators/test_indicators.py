"""The nine indicators: the order of constructed clips, FFmpeg's own SI and TI, and one decode for everything."""

import re
from itertools import pairwise

import cv2
import ffmpeg as graph
import numpy as np
import pytest

from actors.indicators import INDICATORS, Meter
from actors.indicators.instant import Instant
from actors.indicators.motion import ti
from actors.indicators.picture import si
from actors.media import ffmpeg
from actors.media.decode import Decoder
from actors.media.decode_child import second_positions
from actors.media.views import SampleSpec
from actors.sample import Decode


def measured(*frames):
    """Indicators of a clip that has one instant: its first frame and its second (or the first again)."""
    meter = Meter()
    meter.add(frames[0], frames[-1])
    return dict(zip(INDICATORS, meter.result().tolist(), strict=True))


def grey(plane):
    return np.repeat(np.clip(np.rint(plane), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def texture(seed=0, size=192):
    """Flat random blobs with sharp borders: no grid, no noise."""
    blobs = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(size, size)), (0, 0), 9)
    return 128 + 60 * np.sign(blobs) + 30 * np.sign(np.roll(blobs, 40))


def blocky(plane, weight):
    """Mix a picture with its 8x8 block means."""
    small = cv2.resize(plane, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    return (1 - weight) * plane + weight * cv2.resize(small, plane.shape[::-1], interpolation=cv2.INTER_NEAREST)


def detail(size=192):
    """Detail of every size with equal weight, as in pictures of nature (1/f)."""
    generator = np.random.default_rng(2)
    fields = [cv2.GaussianBlur(generator.normal(size=(size, size)), (0, 0), sigma) for sigma in (0.5, 1, 2, 4, 8, 16)]
    return 128 + 20 * sum(field / field.std() for field in fields)


SMOOTH = cv2.GaussianBlur(texture(), (0, 0), 2)
NOISE = np.random.default_rng(1).normal(size=(192, 192))
TINT = np.stack([NOISE, -NOISE, NOISE[::-1]], axis=2)
MOVED = [np.roll(SMOOTH, shift, axis=1) for shift in range(0, 9, 2)]


def updated(blocks):
    """A frame, and the same with the first `blocks` of its 16x16 macroblocks 30 levels brighter."""
    after = SMOOTH.copy() * 0.5
    before = after.copy()
    for number in range(blocks):
        top, left = 16 * (number // 12), 16 * (number % 12)
        after[top : top + 16, left : left + 16] += 30
    return grey(before), grey(after)


# indicator -> clips in the order in which it must rise
ORDERS = {
    "blockiness": [(grey(blocky(SMOOTH, weight)),) for weight in (1.0, 0.75, 0.5, 0.25, 0.0)],
    "blur": [(grey(cv2.GaussianBlur(detail(), (0, 0), sigma)),) for sigma in (1.0, 0.8, 0.6, 0.5, 0.3)],
    "contrast": [(grey(128 + factor * (SMOOTH - 128)),) for factor in (0.0, 0.2, 0.4, 0.8, 1.0)],
    "noise": [(grey(SMOOTH * 0.6 + 50 + sigma * NOISE),) for sigma in (0, 2, 5, 10, 20)],
    "flicker": [updated(blocks) for blocks in (0, 10, 40, 90, 144)],
    "colourfulness": [(np.clip(128 + 30 * share * TINT, 0, 255).astype(np.uint8),) for share in (0, 0.2, 0.5, 1.0)],
    "luminance": [(grey(SMOOTH * 0.2 + level),) for level in (0, 40, 90, 150, 200)],
    "si": [(grey(cv2.GaussianBlur(texture(), (0, 0), sigma)),) for sigma in (8.0, 4.0, 2.0, 1.0, 0.5)],
    "ti": [(grey(MOVED[0]), grey(moved)) for moved in MOVED],
}


def test_every_indicator_is_tested_on_clips_of_known_order():
    assert set(ORDERS) == set(INDICATORS)


@pytest.mark.parametrize("name", INDICATORS)
def test_the_order_of_constructed_clips(name):
    values = [measured(*frames)[name] for frames in ORDERS[name]]
    assert all(np.diff(values) > 0), values
    assert values[-1] > 1.2 * values[0] + 0.05, "the clips differ visibly"


def test_known_values():
    flat = measured(np.full((64, 64, 3), 77, np.uint8))
    assert flat == pytest.approx({**dict.fromkeys(INDICATORS, 0.0), "blockiness": 1.0, "luminance": 77.0})
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = (200, 200, 200)
    assert measured(halves)["contrast"] == pytest.approx(100)
    red = np.full((16, 16, 3), (255, 0, 0), np.uint8)
    assert measured(red)["colourfulness"] == pytest.approx(0.3 * np.hypot(255, 127.5))
    assert measured(red)["luminance"] == pytest.approx(85)
    assert measured(*updated(36))["flicker"] == pytest.approx(36 / 144)
    sigma = measured(grey(128 + 8 * NOISE))["noise"]
    assert sigma == pytest.approx(8, rel=0.05), "Immerkaer's estimate is the deviation of white noise"


def siti(path):
    """SI and TI of every frame as FFmpeg's filter gives them."""
    node = ffmpeg.source(path)["V:0"].filter("siti").filter("metadata", mode="print")
    log = ffmpeg.run(ffmpeg.arguments(graph.output(node, "pipe:1", f="null")), timeout_s=60)
    values = {name: [float(hit) for hit in re.findall(rf"siti\.{name}=([\d.]+)", log)] for name in ("si", "ti")}
    return values["si"], values["ti"]


def test_si_and_ti_are_those_of_ffmpeg_on_the_same_frames(make, clip):
    # Full range keeps the filter from stretching the luma, grey RGB keeps the decoder from mixing in colour.
    path = make("siti.mkv", "-i", str(clip), "-vf", "format=gray", "-c:v", "ffv1")
    node = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24")
    frames = list(ffmpeg.read_frames(node, 176, 144, timeout_s=60))
    spatial, temporal = siti(path)
    assert len(spatial) == len(frames) == 18
    assert min(spatial) > 5
    assert max(temporal) > 2
    assert [si(Instant(frame, frame)) for frame in frames] == pytest.approx(spatial, abs=0.02)
    ours = [ti(Instant(before, after)) for before, after in pairwise(frames)]
    assert ours == pytest.approx(temporal[1:], abs=0.02)


def test_si_and_ti_of_a_decoded_colour_clip_are_near_those_of_ffmpeg(clip):
    """Ours: luma of the RGB picture, once per second. The filter: the coded luma stretched to full range, every frame."""
    meter = Meter()
    with Decoder(timeout_s=60) as decoder:
        decoder.decode(clip, meter=meter)
    values = dict(zip(INDICATORS, meter.result().tolist(), strict=True))
    spatial, temporal = siti(clip)
    places = second_positions(18, 15.0)
    assert places == [0, 15]
    assert values["si"] == pytest.approx(max(spatial[at] for at in places), rel=0.02)
    assert values["ti"] == pytest.approx(max(temporal[at + 1] for at in places), rel=0.02)


@pytest.mark.parametrize(
    ("count", "fps", "places"),
    [
        (30, 10.0, [0, 10, 20]),
        (31, 10.0, [0, 10, 20, 29]),  # the last frame has no successor, the one before it has
        (90, 29.97, [0, 30, 60, 88]),
        (89, 29.97, [0, 30, 60]),
        (5, 30.0, [0]),
        (1, 30.0, [0]),
        (1, 0.0, [0]),
        (3, 0.5, [0, 1]),
    ],
)
def test_one_instant_for_every_second(count, fps, places):
    assert second_positions(count, fps) == places


class Recorder(Meter):
    """A meter that keeps its inputs."""

    def __init__(self):
        super().__init__()
        self.pairs = []

    def add(self, frame, following):
        self.pairs.append((round(float(frame.mean()) / 8), round(float(following.mean()) / 8)))
        super().add(frame, following)

    def clear(self):
        super().clear()
        self.pairs.clear()


def test_the_meter_sees_the_seconds_in_the_one_decode(numbered, tmp_path):
    dead = tmp_path / "dead.py"
    dead.write_text("import os\nos._exit(139)\n")
    results = []
    for child in (None, dead):
        meter = Recorder()
        with Decoder(timeout_s=60, **({"child": child} if child else {})) as decoder:
            spec = SampleSpec(key_frames=2, motion_frames=3)
            plain, sample = decoder.decode(numbered, spec=spec), decoder.decode(numbered, spec=spec, meter=meter)
            np.testing.assert_array_equal(plain.key, sample.key)
            np.testing.assert_array_equal(plain.luma, sample.luma)
            assert meter.pairs == [(0, 1), (10, 11), (20, 21)]
            results.append(meter.result())
            decoder.decode(numbered, 2.9, 0.0, spec, meter=meter)
            assert meter.pairs == [(29, 29)], "a window of one frame; what was there before is forgotten"
    np.testing.assert_allclose(*results)


def test_odd_files_have_finite_indicators(odd_files):
    meter = Meter()
    with Decoder(timeout_s=60) as decoder:
        for name, path in odd_files.items():
            decoder.decode(path, meter=meter)
            assert np.isfinite(meter.result()).all(), name


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 40), (40, 1), (3, 3), (9, 17)])
def test_tiny_pictures_have_finite_indicators(size):
    values = measured(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    assert all(np.isfinite(value) for value in values.values()), values


def test_a_decoding_actor_measures_when_it_is_asked_to(clip, tmp_path):
    row = {"video_id": "v", "uri": str(clip), "start_s": 0.0, "duration_s": 0.0, "recipe": "", "still": False}
    actor = Decode(SampleSpec(key_frames=1, motion_frames=2), measure=True)
    good, bad = actor(row), actor({**row, "uri": str(tmp_path / "none.mp4")})
    actor.decoder.close()
    assert good["status"] == "ok"
    assert good["si"] > 5
    assert bad["status"] == "failed"
    assert set(good) == set(bad), "all rows of a block have one schema"
    assert all(np.isnan(bad[name]) for name in INDICATORS)


def test_where_a_plane_lies_in_memory_changes_no_digit():
    frame = grey(detail())
    sizes = np.random.default_rng(0).integers(1_000, 400_000, 60)
    planes_alive = []
    results = set()
    for size in sizes:
        planes_alive = [*planes_alive[-20:], np.empty(size, np.uint8)]  # the next planes come to lie elsewhere
        results.add(tuple(measured(frame).values()))
    assert len(results) == 1
