"""Q-Align against numbers recorded from the released code, with a shrunk network."""

import math
from functools import lru_cache

import numpy as np
import pytest
import torch
from parity_kit import assert_close, cases, catch, clip, filled, net_input, record

from actors.media import network_views as views
from actors.media.network_views import plans
from actors.networks import qalign
from actors.networks.inputs import CLIP_MODEL, pictures_of

FILE = ("teachers", "qalign.json")
RECORD = record(*FILE)
TOLERANCE = RECORD["tolerance"]
SHAPES = {given["name"]: given["shape"] for given in RECORD["inputs"]}
# The recorded tables of sines are float32 of a processor with AVX-512, ours are rounded from double. They differ by one
# unit in the last place of a number below 1, 2**-24; twice that is allowed.
TABLE_TOLERANCE = 2.0**-23
# What follows from the tables inherits that: up to 2e-7 of a tensor's rms in float64 (measured). A wrong epsilon of a
# LayerNorm, the smallest mistake that the records name, moves it by 1e-5.
BEHIND_TABLES, SCORE_BEHIND_TABLES = 1e-6, 1e-7


@lru_cache(maxsize=1)
def network(seed, dtype=torch.float32):
    return filled(qalign.build(RECORD["config_shrunk"]), seed, dtype)


def split(ids):
    place = ids.index(RECORD["image_token_index"])
    return torch.tensor(ids[:place]), torch.tensor(ids[place + 1 :])


def check(expected, seed, input_seed, tolerance, score, dtype=torch.float32, vision=None):
    """Compare a case; `vision` is the tolerance of what comes before the tables, if it is another."""
    model = network(seed, dtype)
    for kind, outputs in expected.items():
        pictures = net_input(
            "video" if kind == "video" else "images", SHAPES["video" if kind == "video" else "images"], input_seed
        )
        pictures = (pictures[None] if kind == "video" else pictures[:, None]).to(dtype)
        seen = catch(model, outputs["features"])
        before, after = split(RECORD["input_ids"][kind])
        logits = model(before, pictures, after)
        for name, summary in outputs["features"].items():
            before_tables = name.startswith("model.vision_model")
            assert_close(summary, seen[name], (before_tables and vision) or tolerance, f"{kind} {name}")
        assert_close(outputs["logits_last_token"], logits, tolerance, kind)
        assert seen["model.norm"].shape[1] == outputs["sequence_length"]
        assert logits.argmax(dim=-1).tolist() == outputs["argmax_token"]
        levels = logits[:, list(qalign.LEVEL_TOKENS)]
        rms = (outputs["logits_last_token"]["mean"] ** 2 + outputs["logits_last_token"]["std"] ** 2) ** 0.5
        torch.testing.assert_close(
            levels.double(), torch.tensor(outputs["level_logits"], dtype=torch.float64), rtol=0, atol=tolerance * rms
        )
        assert qalign.published(levels).tolist() == pytest.approx(outputs["score_0_1"], abs=score)
        assert (1 + 4 * qalign.published(levels)).tolist() == pytest.approx(outputs["score_1_5"], abs=4 * score)


def shapes(built):
    return {name: list(value.shape) for name, value in built.state_dict().items()}


def test_qalign_has_the_released_entries():
    with torch.device("meta"):
        small, large = qalign.build(RECORD["config_shrunk"]), qalign.build({})
    assert list(shapes(small).items()) == [(name, shape) for name, shape, _ in RECORD["state_dict"]]
    assert sum(parameter.numel() for parameter in small.parameters()) == RECORD["counts"]["parameters"]
    official = RECORD["counts_official_size"]
    assert sum(parameter.numel() for parameter in large.parameters()) == official["total"]
    assert len(shapes(large)) == official["state_dict_entries"]
    assert (
        shapes(large).items()
        >= {name: shape for name, shape, _ in RECORD["state_dict_official_size_last_block"]}.items()
    )


@pytest.mark.parametrize("dim", [128, 1024])
def test_qalign_position_tables(dim):
    from actors.networks.mplug_owl2 import AbstractorAttention, AbstractorConfig

    attention = AbstractorAttention(AbstractorConfig(hidden_size=dim, encoder_hidden_size=dim))
    for name, summary in RECORD["position_tables"][str(dim)].items():
        # assert_close counts in units of the root mean square
        assert_close(
            summary, getattr(attention, name), TABLE_TOLERANCE / np.hypot(summary["mean"], summary["std"]), name
        )


def test_qalign_position_tables_are_the_same_on_every_processor():
    from actors.networks.mplug_owl2 import sine_table

    table = sine_table(1024, np.arange(64, dtype=np.float32))
    # The C library's functions, one number at a time: no vector unit is involved.
    rates = [np.float32(1) / np.float32(math.pow(10000, k / 512)) for k in range(512)]
    angles = [[float(np.float32(place) * rate) for rate in rates] for place in range(64)]
    one_by_one = [[*map(math.sin, row), *map(math.cos, row)] for row in angles]
    assert np.array_equal(table, np.array(one_by_one).astype(np.float32))


def test_qalign_question_is_the_official_one():
    expected = RECORD["prompt_token_ids"]["scorer, video"]["ids"]
    assert [*qalign.BEFORE, RECORD["image_token_index"], *qalign.AFTER] == expected
    assert dict(zip(qalign.LEVELS, qalign.LEVEL_TOKENS, strict=True)) == RECORD["level_token_ids"]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{origin}-{number}") for number, (origin, case) in enumerate(cases(*FILE))]
)
@torch.inference_mode()
def test_qalign_case_in_float32(case):
    expected = case["outputs"]
    check(expected, case["weight_seed"], case["input_seed"], TOLERANCE["float32_tensor"], TOLERANCE["float32_score"])


@torch.inference_mode()
def test_qalign_in_float64():
    expected = RECORD["float64"]
    seeds = expected["weight_seed"], expected["input_seed"]
    tolerance = (BEHIND_TABLES, SCORE_BEHIND_TABLES, torch.float64, TOLERANCE["float64_tensor"])
    check(expected["outputs"], *seeds, *tolerance)


@torch.inference_mode()
def test_qalign_from_frames_to_score():
    plan = {"view": plans.squares(views.Clip(64, 270, 480, 30.0), views.zero)}
    pictures = views.gather(clip(64, 270, 480, 1), plan)["view"]
    levels = qalign.level_logits(network(1), pictures_of(pictures, CLIP_MODEL)[None])
    expected = RECORD["end_to_end"]
    assert levels[0].tolist() == pytest.approx(expected["level_logits"][0], abs=2e-5)
    assert qalign.published(levels).tolist() == pytest.approx(expected["score_0_1"], abs=TOLERANCE["float32_score"])


@pytest.mark.parametrize("check", RECORD["postprocessing"]["checks"])
def test_qalign_published_score(check):
    logits = torch.tensor([check["level_logits"]], dtype=torch.float64)
    assert qalign.published(logits).item() == pytest.approx(check["score_0_1"], abs=1e-12)
    assert 1 + 4 * qalign.published(logits).item() == pytest.approx(check["score_1_5"], abs=1e-12)
