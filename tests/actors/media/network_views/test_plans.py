"""Views on videos that the recorded numbers do not cover: tiny, short, still."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from actors.media import network_views as views
from actors.media.views import SampleSpec

ROOT = Path(__file__).resolve().parents[4]
ODD = [
    (1, 1, 1, 0.0),
    (1, 40, 30, 0.0),
    (3, 20, 300, 25.0),
    (40, 223, 225, 59.94),
    (7, 33, 2000, 1.0),
    (500, 240, 320, 23.976),
]


@pytest.mark.parametrize("size", ODD)
@pytest.mark.parametrize("name", views.VIEWS)
def test_every_view_of_odd_videos_can_be_planned_and_cut(name, size):
    clip = views.Clip(*size)
    view = views.VIEWS[name](clip, views.seeded("id"))
    assert len(view.frames) == len(view.groups)
    # less than a second shows the student no motion
    assert len(view.frames) > 0 or (name == "student_clips" and clip.frames < max(2, clip.rate))
    assert set(view.frames) <= set(range(clip.frames))
    frame = np.full((clip.height, clip.width, 3), 200, np.uint8)
    picture = view.cut(0, frame)
    assert picture.shape == (*view.size, 3)
    # Enlarging truncates, and the bicubic kernel overshoots at the edge to the padding.
    assert 199 <= picture[view.size[0] // 2, view.size[1] // 2].min() <= 210


def test_offsets_depend_on_the_videos_id_alone():
    clip = views.Clip(600, 720, 1280, 30.0)
    one, again, other = (views.plan(["dover_fragments"], clip, key)["dover_fragments"] for key in ("a", "a", "b"))
    beside = views.plan(["dover_whole", "fastvqa_fragments", "dover_fragments"], clip, "a")["dover_fragments"]
    frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    assert np.array_equal(one.frames, again.frames)
    assert np.array_equal(one.cut(1, frame), beside.cut(1, frame))
    assert not np.array_equal(one.frames, other.frames)
    assert not np.array_equal(one.cut(1, frame), other.cut(1, frame))


def test_a_picture_takes_less_memory_than_the_frame_that_it_is_made_from():
    frame = np.random.default_rng(4).integers(0, 256, (2160, 3840, 3), dtype=np.uint8)
    for name, view in views.plan(views.VIEWS, views.Clip(48, 2160, 3840, 24.0), "id").items():
        assert view.cut(0, frame).shape == (*view.size, 3), name  # libraries are loaded
        tracemalloc.start()
        view.cut(0, frame)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < frame.nbytes, f"{name}: {peak / 2**20:.0f} MiB"


def test_no_view_loads_torch():
    program = """
import sys, numpy as np
from actors.media import network_views as views
for size in ((48, 64), (270, 480)):
    for view in views.plan(views.VIEWS, views.Clip(48, *size, 24.0), "id").values():
        view.cut(0, np.zeros((*size, 3), np.uint8))
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_an_unknown_view_is_refused():
    with pytest.raises(ValueError, match="'nothing' is none of fastvqa_fragments"):
        SampleSpec(views=("nothing",))
