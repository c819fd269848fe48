"""What the tests of odd files share: a folder for them, and all the ways in which a window is shown."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from actors.distortions.apply import apply
from actors.distortions.table import PRISTINE
from actors.media.decode import Decoder
from actors.media.views import Sample, SampleSpec
from actors.media.window import EncodeOptions

SPEC = SampleSpec(key_frames=2, motion_frames=1000)
Shown = Callable[..., list[Sample]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """``shown(path, start, length)``: the samples of the usual path, of FFmpeg's pipe, and of a copy."""
    dead = tmp_path_factory.mktemp("child") / "dead.py"
    dead.write_text("import os\nos._exit(139)\n")
    places = itertools.count()
    copies = tmp_path_factory.mktemp("copies")
    with Decoder(timeout_s=60) as usual, Decoder(timeout_s=60, child=dead) as by_pipe:

        def samples(path, start_s=0.0, duration_s=0.0):
            copy = copies / f"{next(places)}.mkv"
            apply(PRISTINE, 0, path, start_s, duration_s, copy, 0, options=EncodeOptions())
            window = (start_s, duration_s, SPEC)
            return [usual.decode(path, *window), by_pipe.decode(path, *window), by_pipe.decode(copy, spec=SPEC)]

        yield samples


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
