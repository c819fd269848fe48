"""Decoding of windows in a child process that may die."""

from __future__ import annotations

import contextlib
import secrets
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actors.media import ffmpeg
from actors.media.decode import Decoder
from actors.media.decode_child import key_positions, luma_strip
from actors.media.outcome import Failure
from actors.media.views import SampleSpec

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def decoder():
    with Decoder(timeout_s=60) as one:
        yield one


def _numbers(sample):
    luma = [round(float(frame.mean()) / 8) for frame in sample.luma]
    return luma, [[round(float(frame.mean()) / 8) for frame in pair] for pair in sample.key]


def test_a_whole_clip(decoder, numbered):
    sample = decoder.decode(numbered, spec=SampleSpec(key_frames=3, motion_frames=12))
    luma, keys = _numbers(sample)
    assert luma == list(range(12))
    assert keys == [[5, 6], [15, 16], [25, 26]]
    assert sample.key.shape == (3, 2, 48, 64, 3)
    assert sample.key.dtype == sample.luma.dtype == np.uint8
    assert sample.fps == 10
    assert (sample.width, sample.height, sample.is_still) == (64, 48, False)


def test_a_window(decoder, numbered):
    luma, keys = _numbers(decoder.decode(numbered, 1.0, 0.8, SampleSpec(key_frames=2)))
    assert luma == list(range(10, 18))
    assert keys == [[12, 13], [16, 17]]


def test_decord_and_ffmpeg_see_the_same_sample(decoder, clip, numbered, tmp_path):
    dead = tmp_path / "dead.py"
    dead.write_text("import os\nos._exit(139)\n")
    with Decoder(timeout_s=60, child=dead) as without_decord:
        for path, window in ((clip, (0.0, 0.0)), (numbered, (0.7, 1.1))):
            first, second = decoder.decode(path, *window), without_decord.decode(path, *window)
            np.testing.assert_array_equal(first.key, second.key)
            np.testing.assert_array_equal(first.luma, second.luma)
            assert first.fps == pytest.approx(second.fps, abs=0.01)


def test_unusual_files(decoder, odd_files):
    shapes = {name: decoder.decode(path).key.shape[2:4] for name, path in odd_files.items()}
    assert shapes.pop("rotated") == (176, 144)
    assert shapes.pop("odd_444") == (143, 175)
    assert set(shapes.values()) == {(144, 176)}
    one = decoder.decode(odd_files["one_frame"])
    assert one.is_still
    np.testing.assert_array_equal(one.key[:, 0], one.key[:, 1])
    assert decoder.decode(odd_files["vfr"]).luma.shape[0] == 17, "14 pictures, three of them held for a step more"


def test_rotation_is_as_a_player_shows_it(decoder, clip, odd_files):
    upright = decoder.decode(clip, spec=SampleSpec(key_frames=1)).key[0, 0].astype(int)
    turned = decoder.decode(odd_files["rotated"], spec=SampleSpec(key_frames=1)).key[0, 0].astype(int)
    assert np.abs(np.rot90(upright, 1) - turned).mean() < 1
    assert np.abs(np.rot90(upright, -1) - turned).mean() > 10


def test_a_still(decoder, clip, tmp_path):
    path = tmp_path / "still.png"
    node = ffmpeg.target(ffmpeg.source(clip)["V:0"], path, {}, "image2pipe")
    ffmpeg.run(ffmpeg.arguments(node), timeout_s=60)
    sample = decoder.decode(path, 3.0, 2.0)
    assert sample.is_still
    assert sample.luma.shape == (1, 144, 176)
    assert sample.fps == 0
    np.testing.assert_array_equal(sample.key[0, 0], sample.key[2, 1])


def test_broken_files_are_named_and_the_decoder_lives_on(decoder, broken_files, clip):
    for name, path in broken_files.items():
        with pytest.raises(Failure) as caught:
            decoder.decode(path)
        assert caught.value.kind == name.split(".")[0], name
    assert decoder.decode(clip).luma.shape[0] == 18


def test_damaged_copies_give_a_sample_or_a_failure(decoder, clip, tmp_path):
    data = clip.read_bytes()
    decoded = 0
    seed = secrets.randbits(32)  # new damage in every run
    print(f"seed {seed}")
    generator = np.random.default_rng(seed)
    path = tmp_path / "damaged.mp4"
    for _ in range(12):
        damaged = bytearray(data)
        for at in generator.integers(0, len(data), size=40):
            damaged[at] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        with contextlib.suppress(Failure):  # and nothing but a Failure
            decoded += decoder.decode(path).key.shape[:2] == (3, 2)
    path.unlink()
    assert decoded > 0
    assert decoder.decode(clip).luma.shape[0] == 18


def test_a_window_past_the_end_is_a_failure(decoder, clip):
    with pytest.raises(Failure) as caught:
        decoder.decode(clip, 100.0, 2.0)
    assert caught.value.kind == "decode"
    assert "start_s" in caught.value.message


def test_large_frames_are_refused(decoder, clip):
    with pytest.raises(Failure) as caught:
        decoder.decode(clip, spec=SampleSpec(max_pixels=1000))
    assert caught.value.kind == "too_large"


def test_a_hanging_child_is_killed(clip, tmp_path):
    hanging = tmp_path / "hanging.py"
    hanging.write_text("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n")
    with Decoder(timeout_s=1.5, child=hanging) as one:
        pids = []
        for _ in range(2):
            with pytest.raises(Failure) as caught:
                one.decode(clip)
            assert caught.value.kind == "timeout"
            assert one._child is None
            pids.append(caught.value.message)
    assert len(pids) == 2


def test_a_child_that_dies_on_one_file_is_replaced(clip, numbered, tmp_path):
    from actors.media.decode import CHILD

    moody = tmp_path / "moody.py"
    moody.write_text(
        textwrap.dedent(f"""
        import os, runpy
        program = runpy.run_path({str(CHILD)!r})
        read = program["read"]
        def fragile(request, *others):
            if "numbered" in request["path"]:
                os.kill(os.getpid(), 11)
            return read(request, *others)
        program["serve"].__globals__["read"] = fragile
        program["main"]()
        """)
    )
    with Decoder(timeout_s=60, child=moody) as one:
        one.decode(clip)
        assert one._child is not None
        before = one._child.process.pid
        assert one.decode(numbered).luma.shape[0] == 30  # FFmpeg took over
        one.decode(clip)
        assert one._child.process.pid != before


def test_nonsense_from_the_child_is_a_crash_when_ffmpeg_fails_too(clip, make, tmp_path):
    liar = tmp_path / "liar.py"
    liar.write_text("import sys, time\nsys.stdout.buffer.write(b'\\xff' * 64)\nsys.stdout.flush()\ntime.sleep(60)\n")
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=2")
    two = make("two_groups.mp4", *source, "-c:v", "libx264", "-g", "10", "-bf", "0", "-pix_fmt", "yuv420p").read_bytes()
    start, end = two.index(b"mdat") + 4, two.index(b"moov") - 4
    middle = (start + end) // 2  # the second group of pictures begins about here: its packets hold nothing
    blank = tmp_path / "blank.mp4"
    blank.write_bytes(two[:middle] + bytes(end - middle) + two[end:])
    with Decoder(timeout_s=30, child=liar) as one:
        assert one.decode(clip).luma.shape[0] == 18
        with pytest.raises(Failure) as caught:
            one.decode(blank, 1.0, 1.0)
    assert caught.value.kind == "crash"


@pytest.mark.parametrize(
    ("count", "keys", "expected"),
    [(1, 3, [0, 0, 0]), (2, 3, [0, 0, 0]), (6, 3, [1, 3, 4]), (30, 3, [5, 15, 25]), (7, 1, [3])],
)
def test_key_positions_leave_room_for_a_successor(count, keys, expected):
    assert key_positions(count, keys) == expected


def test_luma_is_never_enlarged():
    frame = np.zeros((20, 30, 3), np.uint8)
    assert luma_strip(frame, 144).shape == (20, 30)
    assert luma_strip(frame, 10).shape == (10, 15)


def test_spec_refuses_nonsense():
    with pytest.raises(ValueError, match="key_frames"):
        SampleSpec(key_frames=0)
