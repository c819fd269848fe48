import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.distortions import encoders
from actors.distortions.maker import Setting
from actors.media import ffmpeg
from actors.media.decode import Decoder
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from trainers.student.lite.freeze import STILL_SCENE, freeze, held_steps


def moving(count, speed=2.0, residual=0.0, held=()):
    """Steps of a clip whose pictures move by `speed`, but for the `held` ones, which move by `residual`."""
    steps = np.full(count, speed)
    steps[list(held)] = residual
    return steps


@pytest.mark.parametrize("residual", [0.0, 0.05, 0.2])
def test_held_pictures_are_seen_through_what_coding_leaves_on_them(residual):
    held = [4, 9, 10, 17, 22]
    certainty = held_steps(moving(30, residual=residual, held=held))
    assert (certainty[held] > 0.95).all()
    assert np.delete(certainty, held).max() < 0.01


def test_a_hold_of_a_second_is_seen_from_its_first_picture_to_its_last():
    held = range(10, 35)
    certainty = held_steps(moving(60, residual=0.02, held=held))
    assert (certainty[10:35] > 0.95).all()
    assert np.delete(certainty, held).max() < 0.01


def test_pictures_shown_three_times_each_are_held_two_times_of_three():
    steps = np.tile([3.0, 0.1, 0.1], 10)
    assert held_steps(steps).mean() == pytest.approx(2 / 3, abs=0.01)


def test_slow_parts_are_not_held_but_for_the_border_of_a_fast_one():
    certainty = held_steps(np.r_[np.full(20, 1.0), np.full(20, 5.0)])
    assert np.delete(certainty, range(16, 20)).max() < 0.01
    assert certainty.max() <= 0.5


def test_nothing_is_held_where_nothing_moves_visibly():
    assert (held_steps(moving(30, speed=STILL_SCENE, held=[3, 8])) == 0).all()
    assert held_steps(moving(30, speed=0.29, held=[3, 8]), still=0.3).max() == 0


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.floats(1, 1e3))
def test_certainty_is_a_share_and_does_not_change_with_the_contrast_of_a_moving_clip(steps, factor):
    steps = np.array([5.0, *steps, 5.0, 5.0])
    certainty = held_steps(steps, still=0.0)
    assert ((certainty >= 0) & (certainty <= 1)).all()
    assert held_steps(factor * steps, still=0.0) == pytest.approx(certainty, abs=1e-9)


@pytest.mark.parametrize(
    ("coder", "value"),
    [
        (encoders.h264, 32),
        (encoders.h265, 30),
        (encoders.vp9, 36),
        (encoders.av1, 40),
        (encoders.mpeg2, 8),
        (encoders.mjpeg, 8),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_encoder_leaves_held_pictures_to_be_seen(coder, value, tmp_path):
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (24, 40)).astype(np.float64)
    scene = np.kron(coarse, np.ones((12, 12)))  # 288 x 480, moved by 4 pixels a picture under a window of 192 x 320
    position = np.arange(25)
    held = [5, 6, 12, 13, 14, 15, 20]
    for at in held:
        position[at] = position[at - 1]
    frames = [np.repeat(scene[2 * k : 2 * k + 192, 4 * k : 4 * k + 320, None], 3, axis=2) for k in position]
    options = EncodeOptions(x265_preset="fast")
    codec = coder(value, Setting(width=320, height=192, options=options)).codec
    path = tmp_path / "held.mkv"
    with ffmpeg.FrameWriter(
        ffmpeg.target(ffmpeg.raw_source(320, 192, 25), path, codec, "matroska"), timeout_s=60
    ) as out:
        for frame in frames:
            out.write(frame.astype(np.uint8))
    with Decoder(timeout_s=60) as decoder:
        luma = decoder.decode(path, 0.0, 1.0, SampleSpec(key_frames=1)).luma.astype(np.float32)
    certainty = held_steps(np.abs(np.diff(luma, axis=0)).mean(axis=(1, 2)))
    assert certainty[np.array(held) - 1].mean() > 0.9
    assert np.delete(certainty, np.array(held) - 1).max() < 0.1


def test_the_features_of_a_clip_that_holds_pictures_tell_their_share():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (20, 32, 32), np.uint8)
    shown = np.array([0, 1, 2, 2, 2, 5, 6, 7, 8, 9, 10, 10, 12, 13, 14, 15, 16, 17, 18, 19])
    share, staleness, jump = freeze(pictures[shown])
    assert share == pytest.approx(3 / 19, abs=1e-3)
    assert staleness == pytest.approx(np.log1p((1 + 2 + 1) / 20), abs=1e-3)
    assert jump > staleness
