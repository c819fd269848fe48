"""Pictures of whole frames against Pillow's, of the releases with which the weights were trained."""

from __future__ import annotations

import hashlib

import numpy as np
import PIL
import pytest
from PIL import Image

from actors.media.network_views import pictures as resizing

# SHA-256 (16 digits) of what Pillow 12.0.0 makes of `pattern` in one call: 224x224 bilinear, 384x384 bicubic, and 448x448
# bicubic of the padded square. Pillow 11.3.0 gives the same; 13.0.0 differs for five of the tall shapes.
RECORDED = {
    (480, 270): ("8cbe662aa2623a76", "5010a398a6ccf0c5", "afc139a7c1da4fbd"),
    (1920, 1080): ("f9085d0d549d9be5", "bc7fc9b1ffcceb2b", "52b29d0c3aac80f1"),
    (640, 360): ("027c04cb80c47079", "d223b7ec29316244", "b1355268f00ec8be"),
    (385, 383): ("ee5d121b39d44b70", "c75263b40e9aa50d", "54643cebad130b77"),
    (3000, 500): ("0f16e0e8e970e97d", "e1f3e3a41156cffd", "ec79a26b561160c0"),
    (540, 960): ("2c93444a07bfc367", "fcdebdec9733ac2a", "6b05b7a5d12cee39"),
    (30, 20): ("630e9053bf01c917", "f4ea097f32693952", "e127b5f86dbed4a5"),
    (448, 448): ("5ae0bca334722712", "794cb6f01dca3fcf", "8a8bc3ca159b8e8a"),
}


def pattern(height, width):
    """A frame by formula, with edges at every scale."""
    row, column, plane = np.ogrid[:height, :width, :3]
    return ((row * row * 7 + column * (31 + row % 11) + plane * 57) % 251).astype(np.uint8)


@pytest.mark.parametrize("size", RECORDED, ids=lambda size: f"{size[1]}x{size[0]}")
def test_frames_are_resized_as_pillow_12_does_whatever_their_shape_and_the_release(size):
    frame = pattern(*size)
    made = (resizing.motion_picture(frame), resizing.student_picture(frame), resizing.square_picture(frame))
    assert tuple(hashlib.sha256(one.tobytes()).hexdigest()[:16] for one in made) == RECORDED[size]


@pytest.mark.parametrize("size", [(5, 3), (448, 448), (129, 300), (540, 960), (480, 270), (3000, 500)])
def test_strips_give_what_pillow_makes_of_the_whole_frame(size):
    frame = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    padded = np.concatenate(list(resizing.square_strips(frame)))
    assert padded.shape == (max(size), max(size), 3)
    for made, given, side, kernel in (
        (resizing.motion_picture(frame), frame, 224, Image.Resampling.BILINEAR),
        (resizing.student_picture(frame), frame, 384, Image.Resampling.BICUBIC),
        (resizing.square_picture(frame), padded, 448, Image.Resampling.BICUBIC),
    ):
        height, width = given.shape[:2]
        if height > width and int(PIL.__version__.split(".")[0]) >= 13:
            continue  # its columns-first pass is what `RECORDED` guards against
        assert np.array_equal(made, np.asarray(Image.fromarray(given).resize((side, side), kernel)))
