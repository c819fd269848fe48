"""MinimalisticVQA, Models VII and IX, against numbers recorded from the released code."""

from functools import lru_cache

import pytest
import torch
from parity_kit import assert_close, cases, catch, clip, filled, net_input, record, widened

from actors.media import network_views as views
from actors.media.network_views import plans
from actors.networks.inputs import IMAGENET_UNIT, KINETICS, clips_of, pictures_of
from actors.networks.minimalistic import MinimalisticVQA, published
from trainers.student.language.slowfast import FastPathway

FILE = ("teachers", "minimalisticvqa.json")
RECORD = record(*FILE)
TOLERANCE = RECORD["tolerance"]
SHAPES = {given["name"]: given["shape"] for given in RECORD["inputs"]}


@lru_cache(maxsize=1)
def networks(seed, dtype=torch.float32):
    """Both models; they have one backbone, as its names and so its formula weights are the same."""
    plain = filled(MinimalisticVQA(motion=False), seed, dtype)
    with torch.device("meta"):
        moving = MinimalisticVQA(motion=True)
    moving.feature_extraction = plain.feature_extraction
    moving.quality = moving.quality.to_empty(device="cpu")
    wrapped = torch.nn.ModuleDict({"quality": moving.quality})
    filled(wrapped, seed, dtype)
    return {"Model_VII": plain, "Model_IX": moving.eval()}


def scores_of(model, name, seed, frames, check=None, dtype=torch.float32):
    """Quality of the first frames of a case; the backbone's features of frame 0 are compared."""
    pictures = net_input("frames", SHAPES["frames"], seed)[0, :frames].to(dtype)
    motion = net_input("motion", SHAPES["motion"], seed)[0, :frames].to(dtype) if name == "Model_IX" else None
    seen = catch(model, [*check[0], "quality.0"]) if check else {}
    first = model(pictures[:1], None if motion is None else motion[:1])
    if check:
        for entry, summary in check[0].items():
            value = first[:, None] if entry == "quality" else seen[entry]
            assert_close(summary, value, check[1], entry)
    rest = [
        model(pictures[place : place + 1], None if motion is None else motion[place : place + 1])
        for place in range(1, frames)
    ]
    return torch.cat([first, *rest])


@pytest.mark.parametrize("name", ["Model_VII", "Model_IX"])
def test_minimalistic_has_the_released_entries(name):
    with torch.device("meta"):
        built = MinimalisticVQA(motion=name == "Model_IX")
    entries = {entry: list(value.shape) for entry, value in built.state_dict().items()}
    expected = {entry: shape for entry, shape, _ in RECORD["state_dict"]["Model_VII"]}
    if name == "Model_IX":
        expected["quality.0.weight"] = [128, 1280]
    assert entries == expected
    assert list(entries) == list(expected)
    assert sum(parameter.numel() for parameter in built.parameters()) == RECORD["counts"][name]["parameters"]


@pytest.mark.parametrize("name", ["Model_VII", "Model_IX"])
@torch.inference_mode()
def test_minimalistic_first_frame_in_float32(name):
    case = RECORD["cases"][0]
    expected = case["outputs"][name]
    features = expected["features_frame0"] | {"quality.0": expected["frame0_regressor_hidden"]}
    model = networks(case["weight_seed"])[name]
    scores = scores_of(model, name, case["input_seed"], 1, (features, TOLERANCE["float32_tensor"]))
    assert scores.tolist() == pytest.approx(expected["frame_scores"][:1], abs=TOLERANCE["float32_score"])


CASES = [
    pytest.param(case, id=f"{origin}-{number}", marks=[pytest.mark.heavy] if origin == "recorded" else [])
    for number, (origin, case) in enumerate(cases(*FILE))
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.timeout(900)
@torch.inference_mode()
def test_minimalistic_whole_case(case):
    for name, model in networks(case["weight_seed"]).items():
        expected = case["outputs"][name]
        features = expected["features_frame0"] | {"quality.0": expected["frame0_regressor_hidden"]}
        count = len(expected["frame_scores"])
        scores = scores_of(model, name, case["input_seed"], count, (features, TOLERANCE["float32_tensor"]))
        assert scores.tolist() == pytest.approx(expected["frame_scores"], abs=TOLERANCE["float32_score"])
        assert scores.mean().item() == pytest.approx(expected["score"], abs=TOLERANCE["float32_score"])
    joint = case["outputs"].get("end_to_end_two_frames")
    if joint:
        motion = filled(FastPathway(), case["weight_seed"])(net_input("clips", SHAPES["clips"], case["input_seed"])[:2])
        frames = net_input("frames", SHAPES["frames"], case["input_seed"])[0, :2]
        scores = networks(case["weight_seed"])["Model_IX"](frames, motion)
        assert scores.tolist() == pytest.approx(joint["frame_scores"], abs=TOLERANCE["float32_score"])


@pytest.mark.parametrize("name", ["Model_VII", "Model_IX"])
@pytest.mark.heavy
@pytest.mark.timeout(900)
@torch.inference_mode()
def test_minimalistic_first_frame_in_float64(name):
    expected = RECORD["float64"][name]
    model = networks(RECORD["float64"]["weight_seed"], torch.float64)[name]
    features = expected.get("features_frame0")
    check = (features, TOLERANCE["float64_tensor"]) if features else None
    scores = scores_of(model, name, RECORD["float64"]["input_seed"], 1, check, torch.float64)
    assert scores.item() == pytest.approx(expected["score_frame0"], abs=TOLERANCE["float64_score"])


@torch.inference_mode()
def test_minimalistic_from_frames_to_score():
    frames, size = clip(64, 270, 480, 1), views.Clip(64, 270, 480, 30.0)
    plan = {"key": plans.key_frames(size, views.zero), "motion": plans.motion_clips(size, views.zero)}
    pictures = views.gather(frames, plan)
    expected = RECORD["end_to_end"]
    # Items 1 to 7 are one and the same second, seen again.
    motion = filled(FastPathway(), 1)(clips_of(pictures["motion"][:64], KINETICS))
    for place, which in enumerate(("first", "second")):
        assert_close(expected[f"fast_feature_{which}_clip"], motion[place], TOLERANCE["float32_tensor"])
    keys = pictures_of(pictures["key"][:2], IMAGENET_UNIT)
    order = [0] + [1] * 7
    for name, model in networks(1).items():
        scores = model(keys, motion if name == "Model_IX" else None)[order]
        assert scores.tolist() == pytest.approx(expected[name]["frame_scores"], abs=TOLERANCE["float32_score"])
        assert scores.mean().item() == pytest.approx(expected[name]["score"], abs=TOLERANCE["float32_score"])


@pytest.mark.parametrize("check", RECORD["postprocessing"]["checks"])
def test_minimalistic_published_score(check):
    assert published(check["raw"], check["b"]) == pytest.approx(check["published"], abs=1e-9)


def test_minimalistic_published_score_of_extreme_values():
    assert published(-1e9, [90.0, 10.0, 0.3, 0.5]) == pytest.approx(10.0)
    assert published(1e9, [90.0, 10.0, 0.3, -0.5]) == pytest.approx(90.0)


# ---- the motion network


def test_slowfast_has_the_entries_of_the_fast_pathway():
    with torch.device("meta"):
        built = FastPathway()
    entries = [[name, list(value.shape), str(value.dtype)[6:]] for name, value in built.state_dict().items()]
    released = RECORD["state_dict"]["slowfast_r50_hub"]
    assert entries == [entry for entry in released if ".multipathway_blocks.1." in entry[0]]
    count = sum(parameter.numel() for parameter in built.parameters())
    assert count == RECORD["counts"]["slowfast_fast_pathway_only"]


def check_slowfast(model, inputs, expected, tolerance, score):
    blocks = [f"blocks.{number}" for number in range(5)]
    seen = catch(model, blocks)
    features = model(inputs)[0]
    if "features" in expected:
        for number, name in enumerate(blocks):
            assert_close(expected["features"][f"feature_extraction.{number}[1]"], seen[name], tolerance, name)
    assert_close(expected["fast_feature"], features[None, :, None, None, None], tolerance)
    # rms of the features is about 1: an absolute bound is the same as a relative one
    assert features.tolist() == pytest.approx(expected["fast_feature_256"], abs=score)


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{origin}-{number}") for number, (origin, case) in enumerate(cases(*FILE))]
)
@torch.inference_mode()
def test_slowfast_case_in_float32(case):
    inputs = net_input("clips", SHAPES["clips"], case["input_seed"])
    model = filled(FastPathway(), case["weight_seed"])
    for number, expected in enumerate(case["outputs"].get("slowfast", [])):
        check_slowfast(model, inputs[number : number + 1], expected, TOLERANCE["float32_tensor"], 2e-5)


@torch.inference_mode()
def test_slowfast_first_clip_in_float64():
    expected = RECORD["float64"]["slowfast"]
    inputs = net_input("clips", SHAPES["clips"], RECORD["float64"]["input_seed"])[:1].double()
    model = widened(FastPathway(), RECORD["float64"]["weight_seed"])
    check_slowfast(model, inputs, expected, TOLERANCE["float64_tensor"], TOLERANCE["float64_score"])
