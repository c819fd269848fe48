"""The fast pathway of SlowFast R50 against numbers recorded from the released extractor."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_kit import clip

from actors.network_views import motion_picture
from trainers.student import formula
from trainers.student.slowfast import FastPathway, normalise_clip

FILE = Path("student", "slowfast.json")
RECORD = json.loads((Path(__file__).parents[1] / "data" / "parity" / FILE).read_text())


def _cases():
    folder = os.environ.get("PARITY_CASES")
    sources = [("recorded", RECORD)]
    if folder and (Path(folder) / FILE).is_file():
        sources.append(("given", json.loads((Path(folder) / FILE).read_text())))
    return [
        pytest.param(
            name,
            result,
            result.get("seed", source["results"].get("seed", source.get("seed", 1))),
            id=f"{origin}-{name}",
        )
        for origin, source in sources
        for name, result in source["results"].items()
        if isinstance(result, dict)
    ]


@pytest.fixture(scope="module")
def network():
    built = {}

    def get(seed):
        if seed not in built:
            built[seed] = FastPathway()
            formula.fill(built[seed], seed)
        return built[seed]

    return get


def test_slowfast_keys_are_those_of_the_hub():
    ours = {key: list(value.shape) for key, value in FastPathway().state_dict().items()}
    hub = {key: shape for key, shape, _ in RECORD["state_dict"] if ".multipathway_blocks.1." in key and key[7] < "5"}
    assert ours == hub


@pytest.mark.parametrize(("name", "result", "seed"), _cases())
@torch.inference_mode()
def test_slowfast_fast_feature(network, name, result, seed):
    if name == "tensor_clip":
        seen = torch.from_numpy(formula.inputs("slowfast.clip", (1, 3, 32, 224, 224), seed))
    else:
        start = 25 if name == "video_clip1" else 0
        frames = clip(40, 270, 480, seed)[np.minimum(np.arange(start, start + 32), 39)]
        seen = normalise_clip(np.stack([motion_picture(frame) for frame in frames]))[None]
    np.testing.assert_allclose(seen.flatten()[:8], result["input"]["first8"], rtol=0, atol=1e-6)
    feature = network(seed)(seen)[0]
    np.testing.assert_allclose(feature, result["fast_feature"], rtol=0, atol=RECORD["tolerance"]["fast_feature_abs"])
