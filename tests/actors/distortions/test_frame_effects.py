"""The frame functions against their formulas."""

from __future__ import annotations

import itertools
from fractions import Fraction

import cv2
import ffmpeg as graph
import numpy as np
import pytest

from actors.distortions import frame_effects as effects
from actors.distortions.maker import Setting
from actors.distortions.table import DISTORTIONS
from actors.media import ffmpeg
from actors.media.scenes import make_clip
from actors.media.window import EncodeOptions


@pytest.fixture(scope="module")
def picture():
    """A picture with detail at all scales, far from black and white."""
    generator = np.random.default_rng(3)
    layers = [
        cv2.resize(generator.standard_normal((size, size, 3)), (128, 96), interpolation=cv2.INTER_CUBIC)
        for size in (3, 6, 12, 24, 48, 96)
    ]
    total = np.sum(layers, axis=0)
    return np.clip(128 + 22 * (total - total.mean()) / total.std(), 0, 255).astype(np.uint8)


def _psnr(first, second):
    error = float(np.mean((first.astype(float) - second) ** 2))
    return 10 * np.log10(255**2 / max(error, 1e-9))


@pytest.mark.parametrize("name", ["resize", "gaussian_blur", "gaussian_noise", "darken", "brighten"])
def test_spatial_severity_is_monotone(name, picture):
    row = DISTORTIONS[name]
    quality = [_psnr(picture, row.make(value, Setting(5))(picture)) for value in row.levels]
    assert all(better > worse + 0.3 for better, worse in itertools.pairwise(quality)), quality
    assert quality[-1] < 32


def test_the_weakest_blur_is_the_identity(picture):
    np.testing.assert_array_equal(effects.gaussian_blur(0.1, Setting())(picture), picture)


def test_noise_has_the_variance_that_it_names():
    grey = np.full((200, 200, 3), 128, np.uint8)
    for variance in DISTORTIONS["gaussian_noise"].levels:
        noisy = effects.gaussian_noise(variance, Setting(1))(grey).astype(float) / 255
        assert np.var(noisy - 128 / 255) == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("amount", [-0.8, -0.4, -0.1, 0.2, 0.7, 1.1])
def test_tone_follows_the_parabola_in_lab(amount):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)

    def lightness(frame):
        return cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0].astype(float) / 100

    before = lightness(ramp)
    expected = np.clip(before + 2 * amount * before * (1 - before), 0, 1)
    assert np.abs(lightness(effects.tone(amount)(ramp)) - expected).max() < 0.01
    assert effects.tone(amount)(ramp)[0, 0].max() <= 1
    assert effects.tone(amount)(ramp)[0, 255].min() >= 254


def test_jitter_is_a_displaced_crop_within_its_reach(picture):
    shake = effects.jitter(0.04, Setting(2))
    reach = round(0.04 * 96)
    size = (128 - 2 * reach, 96 - 2 * reach)
    candidates = [
        cv2.resize(picture[y : y + size[1], x : x + size[0]], (128, 96), interpolation=cv2.INTER_CUBIC)
        for y in range(2 * reach + 1)
        for x in range(2 * reach + 1)
    ]
    places = set()
    for _ in range(12):
        frame = shake(picture)
        hits = [at for at, candidate in enumerate(candidates) if np.array_equal(frame, candidate)]
        assert len(hits) == 1
        places.add(hits[0])
    assert len(places) > 4


def _run(effect, count):
    return [int(effect(np.full((1, 1, 3), number, np.uint8))[0, 0, 0]) for number in range(count)]


def test_stutter_freezes_on_the_shown_frame_or_on_the_original_one():
    frozen, formula = (
        _run(effects.stutter(0.6, Setting(4, options=EncodeOptions(hold_output=hold))), 200) for hold in (True, False)
    )
    held = [number for number in range(1, 200) if formula[number] == number - 1]
    assert 90 < len(held) < 150
    assert all(formula[number] in {number, number - 1} for number in range(200))
    assert all(frozen[number] == (frozen[number - 1] if number in held else number) for number in range(1, 200))


def test_stutter_rate_is_the_probability():
    for probability in DISTORTIONS["stutter"].levels:
        numbers = [
            number for seed in range(8) for number in np.diff(_run(effects.stutter(probability, Setting(seed)), 250))
        ]
        assert np.mean(np.array(numbers) == 0) == pytest.approx(probability, abs=0.04)


def test_frame_drop_loses_k_of_every_eight():
    for dropped in DISTORTIONS["frame_drop"].levels:
        numbers = _run(effects.frame_drop(dropped, Setting(9)), 80)
        lost = [number for number in range(80) if numbers[number] != number]
        per_group = [sum(at // 8 == group for at in lost) for group in range(1, 10)]
        assert per_group == [dropped] * 9
        assert all(numbers[number] == numbers[number - 1] for number in lost if number)
        assert len({at % 8 for at in lost}) > dropped  # irregular: not the same places in every group


def test_frame_rate_keeps_every_k_th_frame():
    for group in DISTORTIONS["frame_rate"].levels:
        assert _run(effects.frame_rate(group, Setting()), 40) == [number - number % group for number in range(40)]


def test_rebuffer_stalls_once_in_two_seconds_and_goes_on_at_the_live_edge():
    for share in DISTORTIONS["rebuffer"].levels:
        numbers = _run(effects.rebuffer(share, Setting(3, rate=Fraction(20))), 200)
        stalled = [number for number in range(200) if numbers[number] != number]
        for period in range(5):
            inside = [number for number in stalled if number // 40 == period]
            assert len(inside) == round(share * 40)
            assert inside == list(range(inside[0], inside[0] + len(inside))), "one stall, not many"
            assert inside[0] - 40 * period <= 10
            assert {numbers[number] for number in inside} == {inside[0] - 1}, "the last frame before it stays"
    lower, higher = (_run(effects.rebuffer(share, Setting(3, rate=Fraction(20))), 200) for share in (0.1, 0.5))
    assert {n for n in range(200) if lower[n] != n} < {n for n in range(200) if higher[n] != n}


def test_banding_leaves_few_levels_and_moves_none_by_more_than_half_a_step(picture):
    for step in DISTORTIONS["banding"].levels:
        frame = effects.banding(step, Setting())(picture)
        assert len(np.unique(frame)) <= 256 // step + 1
        assert np.abs(frame.astype(int) - picture).max() <= step / 2


def test_oversharpening_leaves_flats_and_overshoots_at_edges():
    edge = np.full((16, 32, 3), 100, np.uint8)
    edge[:, 16:] = 140
    frame = effects.oversharpen(4, Setting())(edge)
    assert frame[:, :8].ravel().tolist() == [100] * frame[:, :8].size
    assert frame[8, 15, 0] < 100 - 20
    assert frame[8, 16, 0] > 140 + 20


def test_colour_shift_moves_colour_and_keeps_lightness():
    grey = np.full((8, 8, 3), 128, np.uint8)
    directions = set()
    for seed in range(5):
        lab = cv2.cvtColor(effects.colour_shift(12, Setting(seed))(grey).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[
            0, 0
        ]
        assert lab[0] == pytest.approx(53.6, abs=0.7)
        assert np.hypot(lab[1], lab[2]) == pytest.approx(12, abs=0.8)
        directions.add(round(float(np.arctan2(lab[2], lab[1])), 1))
    assert len(directions) == 5


def test_severity_is_monotone_on_every_clip(scenes):
    """PSNR falls from level to level for every type that works on frames.

    Exceptions: `gaussian_blur` level 1 is the identity (its kernel weighs e^-50 outside the centre), jitter and frame_drop
    draw other places at every level, so that their mean over seeds is looked at.
    """
    for name, row in DISTORTIONS.items():
        if row.family == "streaming":
            continue
        for frames in scenes:
            seeds = range(8) if name in ("jitter", "frame_drop") else (3,)
            errors = [np.mean([_error(name, level, seed, frames) for seed in seeds]) for level in row.levels]
            assert all(np.diff(errors) > 0), (name, errors)
            assert errors[0] > 0 or name == "gaussian_blur", name


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Frames of three rendered clips that move, 256x192, 15 frames a second."""
    clips = []
    for index in range(3):
        path = tmp_path_factory.mktemp("scenes") / "clip.mp4"
        make_clip(index, 7, path, 256, 192, 1.2, 15.0)
        node = graph.output(ffmpeg.source(path)["V:0"], "pipe:1", f="rawvideo", pix_fmt="rgb24")
        clips.append(list(ffmpeg.read_frames(node, 256, 192, timeout_s=60)))
    return clips


def _error(name, level, seed, frames):
    """Mean squared error of a clip's copy: PSNR is 10 log10(255^2 / it)."""
    effect = DISTORTIONS[name].make(level, Setting(seed, rate=Fraction(15)))
    return float(np.mean([(effect(frame).astype(np.float64) - frame) ** 2 for frame in frames]))


@pytest.mark.parametrize("name", ["gaussian_noise", "jitter", "stutter", "frame_drop", "rebuffer", "colour_shift"])
def test_randomness_comes_from_the_seed_alone(name, picture):
    frames = [np.roll(picture, shift, axis=1) for shift in range(16)]
    runs = []
    for seed in (1, 1, 2):
        effect = DISTORTIONS[name].make(DISTORTIONS[name].levels[-1], Setting(seed))
        runs.append(np.stack([effect(frame) for frame in frames]))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
