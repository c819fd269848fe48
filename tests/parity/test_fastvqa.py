"""FAST-VQA against numbers recorded from the released code."""

from functools import lru_cache

import pytest
import torch
from parity_kit import assert_close, cases, catch, clip, filled, net_input, record

from actors.media import network_views as views
from actors.media.network_views import plans
from actors.networks.fastvqa import FastVQA, published
from actors.networks.inputs import IMAGENET, clips_of

FILE = ("teachers", "fastvqa.json")
RECORD = record(*FILE)
TOLERANCE = RECORD["tolerance"]
SHAPE = RECORD["inputs"][0]["shape"]


@lru_cache(maxsize=1)
def network(seed, dtype=torch.float32):
    return filled(FastVQA(), seed, dtype)


def in_recorded_layout(name, features):
    """Channels second, except inside a stage."""
    return features if ".blocks." in name or features.shape[1] in (64, 768) else features.movedim(-1, 1)


def check_features(recorded, seen, tolerance):
    for name, summary in recorded.items():
        assert_close(summary, in_recorded_layout(name, seen[name]), tolerance, name)


@torch.inference_mode()
def run(case, clips):
    """The first clips of a case; features are those of clip 0."""
    outputs = case["outputs"]
    model = network(case["weight_seed"])
    inputs = net_input("fragments", SHAPE, case["input_seed"])[:clips]
    features = outputs.get("features", {})
    seen = catch(model, features)
    means = []
    for number, one in enumerate(inputs):
        scores = model(one[None])
        means.append(scores)
        if number == 0:
            check_features(features, seen, TOLERANCE["float32_tensor"])
    scores = torch.cat(means)
    expected = outputs["clip_means"][:clips]
    assert scores.mean(dim=(1, 2, 3, 4)).tolist() == pytest.approx(expected, abs=TOLERANCE["float32_score"])
    if clips == len(outputs["clip_means"]):
        assert_close(outputs["score_map"], scores, TOLERANCE["float32_tensor"], "score map")
        assert scores.mean().item() == pytest.approx(outputs["raw_score"], abs=TOLERANCE["float32_score"])
        assert published(scores.mean().item()) == pytest.approx(outputs["published_score"], abs=1e-4)


def test_fastvqa_has_the_released_entries():
    with torch.device("meta"):
        built = FastVQA()
    entries = [[name, list(value.shape), str(value.dtype)[6:]] for name, value in built.state_dict().items()]
    assert entries == RECORD["state_dict"]
    assert sum(parameter.numel() for parameter in built.parameters()) == RECORD["counts"]["parameters"]


def test_fastvqa_first_clip_in_float32():
    run(RECORD["cases"][0], clips=1)


CASES = [
    pytest.param(case, id=f"{origin}-{number}", marks=[pytest.mark.heavy] if origin == "recorded" else [])
    for number, (origin, case) in enumerate(cases(*FILE))
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.timeout(900)
def test_fastvqa_whole_case(case):
    run(case, len(case["outputs"]["clip_means"]))


@pytest.mark.heavy
@pytest.mark.timeout(900)
@torch.inference_mode()
def test_fastvqa_first_clip_in_float64():
    expected = RECORD["float64_clip0"]
    model = network(expected["weight_seed"], torch.float64)
    seen = catch(model, expected["features"])
    scores = model(net_input("fragments", SHAPE, expected["input_seed"])[:1].double())
    check_features(expected["features"], seen, TOLERANCE["float64_tensor"])
    assert_close(expected["score_map"], scores, TOLERANCE["float64_tensor"], "score map")
    assert scores.mean().item() == pytest.approx(expected["clip_mean"], abs=TOLERANCE["float64_score"])


@pytest.mark.heavy
@pytest.mark.timeout(900)
@torch.inference_mode()
def test_fastvqa_from_frames_to_score():
    frames = clip(64, 270, 480, 1)
    plan = {"view": plans.fastvqa_fragments(views.Clip(64, 270, 480, 30.0), views.zero)}
    inputs = clips_of(views.gather(frames, plan)["view"], IMAGENET)
    scores = network(1)(inputs)
    expected = RECORD["end_to_end"]
    assert_close(expected["score_map"], scores, TOLERANCE["float32_tensor"], "score map")
    assert scores.mean(dim=(1, 2, 3, 4)).tolist() == pytest.approx(
        expected["clip_means"], abs=TOLERANCE["float32_score"]
    )
    assert scores.mean().item() == pytest.approx(expected["raw_score"], abs=TOLERANCE["float32_score"])
    assert published(scores.mean().item()) == pytest.approx(expected["published_score"], abs=1e-9)


@pytest.mark.parametrize("check", RECORD["postprocessing"]["checks"])
def test_fastvqa_published_score(check):
    assert published(check["raw"]) == pytest.approx(check["published"], abs=1e-12)


def test_fastvqa_published_score_of_extreme_values():
    assert published(-1e9) == 0
    assert published(1e9) == 1
