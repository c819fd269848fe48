"""Films and photographs are turned and mirrored as a player turns them, on both decode paths and in copies."""

from __future__ import annotations

from collections.abc import Callable

import numbered as clips
import numpy as np
import pytest

from actors.media.views import Sample

COPY = ("-c", "copy")
Shown = Callable[..., list[Sample]]

CORNER = "drawbox=4:4:24:8:white:fill,drawbox=4:36:8:8:gray:fill"
MATRICES = {
    "90": ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
    "180": ((-1, 0, 0, -1), lambda frame: np.rot90(frame, 2)),
    "270": ((0, -1, 1, 0), lambda frame: np.rot90(frame, 1)),
    "mirror": ((-1, 0, 0, 1), lambda frame: frame[:, ::-1]),
    "upside down mirror": ((1, 0, 0, -1), lambda frame: frame[::-1]),
    "mirror and 90": ((0, 1, 1, 0), lambda frame: frame.T),
    "mirror and 270": ((0, -1, -1, 0), lambda frame: frame[::-1, ::-1].T),
}
MESSAGES = {
    "rotate=90": lambda frame: np.rot90(frame, 1),
    "rotate=180": lambda frame: np.rot90(frame, 2),
    "rotate=270": lambda frame: np.rot90(frame, -1),
    "flip=horizontal": lambda frame: frame[:, ::-1],
    "flip=vertical": lambda frame: frame[::-1],
    "rotate=90:flip=horizontal": lambda frame: np.rot90(frame[:, ::-1], 1),
}


def upright(folder):
    """A film whose corners differ."""
    path = folder / "corner.mp4"
    return path if path.exists() else clips.write(path, [0] * 20, 10, *clips.X264, "-qp", "5", filters=CORNER)


def assert_turned(samples, wanted):
    for sample in samples:
        assert sample.luma.shape[1:] == wanted.shape
        assert {float(np.abs(frame.astype(int) - wanted).max()) for frame in sample.luma} <= {0.0, 1.0, 2.0}


@pytest.mark.parametrize("name", MATRICES)
def test_a_display_matrix_turns_and_mirrors(name, folder, shown):
    matrix, turn = MATRICES[name]
    plain = shown(upright(folder))[1].luma[0]
    path = clips.with_matrix(upright(folder), folder / f"{name}.mp4", matrix)
    assert_turned(shown(path, 0.5, 1.0), turn(plain))


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_the_stream_turns_and_mirrors_every_picture(name, folder, shown):
    plain = shown(upright(folder))[1].luma[0]
    path = folder / f"{name.replace(':', '-')}.mp4"
    clips.run("-i", upright(folder), *COPY, "-bsf:v", f"h264_metadata=display_orientation=insert:{name}", path)
    assert_turned(shown(path), MESSAGES[name](plain))
    assert_turned(shown(path, 0.5, 1.0), MESSAGES[name](plain))


def test_an_angle_that_is_no_quarter_turn_keeps_the_frame(folder, shown):
    path = clips.with_matrix(upright(folder), folder / "45.mp4", (0.7071, 0.7071, -0.7071, 0.7071))
    samples = shown(path, 0.5, 1.0)
    assert {sample.key.shape[2:4] for sample in samples} == {(48, 64)}
    assert samples[0].luma[0, 0, 0] < 40, "the corners that the turned picture leaves are black"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_photograph_is_that_of_its_exif_tag(orientation, folder, shown):
    plain = folder / "plain.jpg"
    clips.run("-i", upright(folder), "-frames:v", "1", "-q:v", "2", plain)
    frame = shown(plain)[0].luma[0]
    turns = [frame, frame[:, ::-1], frame[::-1, ::-1], frame[::-1], frame.T, np.rot90(frame, -1), frame[::-1, ::-1].T,
             np.rot90(frame, 1)]  # fmt: skip
    sample = shown(clips.with_exif_orientation(plain, folder / f"{orientation}.jpg", orientation))[0]
    assert_turned([sample], turns[orientation - 1])
