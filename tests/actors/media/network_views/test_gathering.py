"""Views as a decoder gathers them: in this process and in the decoder's child, which loads the package by path."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from actors.media import decode_child, ffmpeg
from actors.media import network_views as views
from actors.media.decode import Decoder
from actors.media.decode_child import key_positions
from actors.media.network_views import pictures as resizing
from actors.media.rows import pack, unpack
from actors.media.views import SampleSpec


def test_a_gatherer_hands_pictures_on_and_keeps_none():
    clip = views.Clip(40, 48, 64, 10.0)
    plan = views.plan(views.VIEWS, clip, "id")
    taken = []
    passing = views.Gatherer(plan, lambda *given: taken.append(given))
    frames = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), dtype=np.uint8)
    for number in passing.needed:
        passing.add(number, frames[number])
    kept = views.gather(frames, plan)
    assert not passing.pictures
    for name, view in plan.items():
        places = sorted(place for other, some, _ in taken if other == name for place in some)
        assert places == list(range(len(view.frames)))
        assert all(
            np.array_equal(kept[name][place], picture)
            for other, some, picture in taken
            if other == name
            for place in some
        )


def test_a_decoder_holds_the_sample_and_one_frame(tmp_path):
    """Of a window that FFmpeg reads: NumPy's memory, which is what grows with the frames."""
    file = tmp_path / "large.mp4"
    node = ffmpeg.target(ffmpeg.raw_source(1920, 1080, 8).filter("format", "yuv420p"), file, ffmpeg.lossless(1), "mp4")
    with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
        for number in range(64):
            writer.write(np.full((1080, 1920, 3), number, np.uint8))
    names = ("dover_whole", "dover_fragments", "key_frames", "squares", "motion_clips")
    with Decoder() as decoder:
        tracemalloc.start()
        sample = decoder.decode(file, spec=SampleSpec(3, 8, views=names))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    frame = 1080 * 1920 * 3
    kept = sample.key.nbytes + sample.luma.nbytes + sum(view.nbytes for view in sample.views.values())
    assert sample.key.nbytes == 6 * frame
    assert peak - kept < 2.5 * frame, f"{(peak - kept) / frame:.1f} frames beside what is kept"


def test_the_decoding_process_does_not_grow_with_the_video(tmp_path):
    names = ("motion_clips", "dover_whole")
    peaks = []
    for seconds in (2, 32):
        file = tmp_path / f"{seconds}.mp4"
        node = ffmpeg.target(ffmpeg.raw_source(64, 48, 8).filter("format", "yuv420p"), file, ffmpeg.lossless(1), "mp4")
        with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
            for number in range(8 * seconds):
                writer.write(np.full((48, 64, 3), number % 200, np.uint8))
        with Decoder() as decoder:
            sample = decoder.decode(file, spec=SampleSpec(views=names))
            status = Path(f"/proc/{decoder._child.process.pid}/status").read_text()
        peaks.append(int(status.split("VmHWM:")[1].split()[0]) / 1024)
    assert sample.views["motion_clips"].nbytes > 140 * 2**20
    assert peaks[1] - peaks[0] < 20, "MiB more for pictures of 116 MiB more"


def test_a_window_too_large_to_be_held_passes_one_frame_at_a_time_and_is_the_same(tmp_path):
    import decord

    file = tmp_path / "large.mp4"
    node = ffmpeg.target(ffmpeg.raw_source(1920, 1080, 8).filter("format", "yuv420p"), file, ffmpeg.lossless(1), "mp4")
    ramp = np.linspace(0, 80, 1920, dtype=np.uint8)[None, :, None]
    with ffmpeg.FrameWriter(node, timeout_s=60) as writer:
        for number in range(96):
            writer.write(np.broadcast_to(ramp + np.array([0, 30, 60], np.uint8) + np.uint8(number), (1080, 1920, 3)))
    with Decoder() as decoder:
        sample = decoder.decode(file, 2.0, 10.0, SampleSpec(2, 4, views=("squares", "key_frames")))
        status = Path(f"/proc/{decoder._child.process.pid}/status").read_text()
    reader = decord.VideoReader(str(file), num_threads=1)
    first, second = (16 + position for position in key_positions(80, 2))
    expected = reader.get_batch([first, first + 1, second, second + 1]).asnumpy()
    assert np.array_equal(sample.key.reshape(expected.shape), expected)
    window = reader.get_batch(range(16, 96, 8)).asnumpy()
    assert np.array_equal(sample.views["squares"], np.stack([resizing.square_picture(frame) for frame in window]))
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    assert peak < 300, "MiB while 80 frames of 6 MiB pass"


def test_one_decode_fills_every_view(numbered, clip):
    names = tuple(views.VIEWS)
    with Decoder() as decoder:
        sample = decoder.decode(numbered, spec=SampleSpec(views=names), seed="id")
        part = decoder.decode(numbered, 1.0, 0.8, SampleSpec(views=("key_frames",)), seed="id")
        textured = decoder.decode(clip, spec=SampleSpec(views=names), seed="id")
    assert tuple(sample.views) == names
    # 30 frames at 10 per second, frame n of level 8 n: the views tell which frames they hold.
    level = {
        name: pictures[:, pictures.shape[1] // 2, pictures.shape[2] // 2, 0] / 8
        for name, pictures in sample.views.items()
    }
    assert level["key_frames"].tolist() == pytest.approx([5, 15, *[25] * 6], abs=0.4)
    assert level["squares"].tolist() == pytest.approx([0, 10, 20], abs=0.4)
    assert level["motion_clips"][:33].tolist() == pytest.approx([*range(10), *[9] * 22, 10], abs=0.4)
    assert level["fastvqa_fragments"][:32].tolist() == pytest.approx([*range(30), 0, 1], abs=0.4)
    assert level["student_frames"].tolist() == pytest.approx([0, 10, 20], abs=0.4)
    starts = np.minimum(np.arange(3)[:, None] * 10 + np.arange(32), 29)
    assert level["student_clips"].tolist() == pytest.approx(starts.ravel().tolist(), abs=0.4)
    assert part.views["key_frames"][:, 0, 0, 0].tolist() == pytest.approx([8 * 15] * 8, abs=3)
    again = unpack(pack(textured))
    assert {name: array.tobytes() for name, array in again.views.items()} == {
        name: array.tobytes() for name, array in textured.views.items()
    }


def test_a_still_and_a_file_read_by_ffmpeg_have_the_same_views(make, odd_files):
    names = ("fastvqa_fragments", "key_frames", "squares", "motion_clips", "student_frames", "student_clips")
    still = make("still.png", "-f", "lavfi", "-i", "color=red:s=300x260:d=1", "-frames:v", "1")
    with Decoder() as decoder:
        sample = decoder.decode(still, spec=SampleSpec(views=names), seed="id")
    assert {name: array.shape for name, array in sample.views.items()} == {
        "fastvqa_fragments": (128, 224, 224, 3),
        "key_frames": (8, 384, 384, 3),
        "squares": (1, 448, 448, 3),
        "motion_clips": (256, 224, 224, 3),
        "student_frames": (1, 384, 384, 3),
        "student_clips": (0, 224, 224, 3),
    }


def test_the_package_can_be_loaded_by_path_and_imports_nothing_of_the_project(tmp_path):
    program = """
import importlib.util, pathlib, sys
import numpy as np
folder = pathlib.Path(sys.argv[1])
spec = importlib.util.spec_from_file_location("network_views", folder / "__init__.py")
views = sys.modules["network_views"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(views)
plan = views.plan(views.VIEWS, views.Clip(48, 48, 64, 24.0), "id")
pictures = views.gather(np.zeros((48, 48, 64, 3), np.uint8), plan)
print(len(pictures), sorted({name.split(".")[0] for name in sys.modules} & {"actors", "pipeline", "cluster", "trainers"}))
"""
    folder = Path(decode_child.__file__).with_name("network_views")
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(folder)], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.strip() == f"{len(views.VIEWS)} []"
