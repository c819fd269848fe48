"""DOVER against numbers recorded from the released code, and its formulas against published scores."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from parity_kit import assert_close, cases, catch, clip, filled, net_input, record, smooth

from actors.media import network_views as views
from actors.media.network_views import plans
from actors.networks.dover import Dover, aesthetic_score, fused_over_set, published, technical_score
from actors.networks.inputs import IMAGENET, clips_of

FILE = ("teachers", "dover.json")
RECORD = record(*FILE)
TOLERANCE = RECORD["tolerance"]
SHAPES = {given["name"]: given["shape"] for given in RECORD["inputs"]}
SIDES = ("technical", "aesthetic")


@lru_cache(maxsize=1)
def network(seed, dtype=torch.float32):
    return filled(Dover(), seed, dtype)


def in_recorded_layout(name, features):
    """Channels second; tokens of the technical backbone have them last."""
    tokens = name.startswith("technical_backbone.")
    return features.movedim(-1, 1) if tokens else features


def half(model, side, inputs):
    """Score maps of one view, clip by clip."""
    backbone, head = getattr(model, f"{side}_backbone"), getattr(model, f"{side}_head")
    return torch.cat([head(backbone(one[None])) for one in inputs])


def check_half(model, side, inputs, recorded, tolerance):
    """Run one view; compare the features, which are those of its first clip."""
    features = {name: summary for name, summary in recorded.items() if name.startswith(side)}
    seen = catch(model, features)
    first = half(model, side, inputs[:1])
    for name, summary in features.items():
        assert_close(summary, in_recorded_layout(name, seen[name]), tolerance, name)
    return torch.cat([first, half(model, side, inputs[1:])]) if len(inputs) > 1 else first


def view_inputs(case):
    count = {"technical": case.get("technical_clips"), "aesthetic": None}
    return {side: net_input(side, SHAPES[side], case["input_seed"])[: count[side]] for side in SIDES}


def test_dover_has_the_released_entries():
    with torch.device("meta"):
        built = Dover()
    entries = [[name, list(value.shape), str(value.dtype)[6:]] for name, value in built.state_dict().items()]
    assert entries == RECORD["state_dict"]
    assert sum(parameter.numel() for parameter in built.parameters()) == RECORD["counts"]["parameters"]


@torch.inference_mode()
def test_dover_first_clips_in_float32():
    case = RECORD["cases"][0]
    model, expected = network(case["weight_seed"]), case["outputs"]
    for side, inputs in view_inputs(case).items():
        scores = check_half(model, side, inputs[:1], expected["features"], TOLERANCE["float32_tensor"])
        mean = expected["technical_clip_means"][0] if side == "technical" else expected["aesthetic_raw"]
        assert scores.mean().item() == pytest.approx(mean, abs=TOLERANCE["float32_score"])


CASES = [
    pytest.param(case, id=f"{origin}-{number}", marks=[pytest.mark.heavy] if origin == "recorded" else [])
    for number, (origin, case) in enumerate(cases(*FILE))
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.timeout(900)
@torch.inference_mode()
def test_dover_whole_case(case):
    model, expected = network(case["weight_seed"]), case["outputs"]
    raw = {}
    for side, inputs in view_inputs(case).items():
        scores = check_half(model, side, inputs, expected.get("features", {}), TOLERANCE["float32_tensor"])
        assert_close(expected[f"{side}_map"], scores, TOLERANCE["float32_tensor"], side)
        raw[side] = scores.mean().item()
        assert raw[side] == pytest.approx(expected[f"{side}_raw"], abs=TOLERANCE["float32_score"])
    assert published(raw["technical"], raw["aesthetic"]) == pytest.approx(expected["fused_score"], abs=1e-4)


@pytest.mark.heavy
@pytest.mark.timeout(900)
@torch.inference_mode()
def test_dover_first_clips_in_float64():
    expected = RECORD["float64_clip0"]
    model = network(expected["weight_seed"], torch.float64)
    for side in SIDES:
        inputs = net_input(side, SHAPES[side], expected["input_seed"])[:1].double()
        scores = check_half(model, side, inputs, expected["features"], TOLERANCE["float64_tensor"])
        assert_close(expected[f"{side}_map"], scores, TOLERANCE["float64_tensor"], side)


@torch.inference_mode()
@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_dover_from_frames_to_score():
    frames, size = clip(64, 270, 480, 1), views.Clip(64, 270, 480, 30.0)
    plan = {"technical": plans.dover_fragments(size, views.zero), "aesthetic": plans.dover_whole(size, views.zero)}
    pictures = views.gather(frames, plan)
    antialiased = np.stack([smooth(frames[number]) for number in plan["aesthetic"].frames])
    model = network(1)
    technical = half(model, "technical", clips_of(pictures["technical"], IMAGENET))
    for antialias, whole in (("false", pictures["aesthetic"]), ("true", antialiased)):
        expected = RECORD["end_to_end"][f"antialias_{antialias}"]
        aesthetic = half(model, "aesthetic", clips_of(whole, IMAGENET))
        assert_close(expected["technical_map"], technical, TOLERANCE["float32_tensor"])
        assert_close(expected["aesthetic_map"], aesthetic, TOLERANCE["float32_tensor"])
        raw = technical.mean().item(), aesthetic.mean().item()
        assert raw == pytest.approx(
            (expected["technical_raw"], expected["aesthetic_raw"]), abs=TOLERANCE["float32_score"]
        )
        assert published(*raw) == pytest.approx(expected["fused_score"], abs=1e-4)
        assert technical_score(raw[0]) == pytest.approx(expected["technical_score"], abs=1e-4)
        assert aesthetic_score(raw[1]) == pytest.approx(expected["aesthetic_score"], abs=1e-4)


@pytest.mark.parametrize("check", RECORD["postprocessing"]["checks"])
def test_dover_published_scores(check):
    technical, aesthetic = check["technical_raw"], check["aesthetic_raw"]
    assert published(technical, aesthetic) == pytest.approx(check["fused"], abs=1e-12)
    assert technical_score(technical) == pytest.approx(check["technical"], abs=1e-12)
    assert aesthetic_score(aesthetic) == pytest.approx(check["aesthetic"], abs=1e-12)


def test_dover_over_a_set_standardises_each_view():
    random = np.random.default_rng(5)
    technical, aesthetic = random.normal(-0.1, 0.05, 50), random.normal(0.05, 0.08, 50)
    fused = fused_over_set(technical, aesthetic)
    assert fused.mean() == pytest.approx(0, abs=1e-12)
    assert fused_over_set(3 * technical - 1, aesthetic / 7 + 2) == pytest.approx(fused, abs=1e-9)
    alone = fused_over_set(technical, aesthetic, share=1.0)
    assert np.array_equal(alone.argsort(), technical.argsort())
    assert alone.std() == pytest.approx(1)
