import sys

import numpy as np
import pytest
from PIL import Image

from pipeline import load
from pipeline.console import UserError
from pipeline.student import pyiqa_metric

PACKAGE = {
    "__init__.py": """
import torch
from pyiqa.default_model_configs import DEFAULT_CONFIGS
from pyiqa.utils.registry import ARCH_REGISTRY

class InferenceModel(torch.nn.Module):
    def __init__(self, name, **options):
        super().__init__()
        facts = DEFAULT_CONFIGS[name]
        self.lower_better, self.score_range = facts["lower_better"], facts["score_range"]
        chosen = {**facts["metric_opts"], **options}
        self.net = ARCH_REGISTRY.get(chosen.pop("type"))(**chosen).eval()

    def forward(self, target):
        return self.net(target)

def create_metric(name, **options):
    return InferenceModel(name, **options)
""",
    "default_model_configs.py": "DEFAULT_CONFIGS = {}",
    "utils/__init__.py": "",
    "utils/registry.py": """
class Registry:
    def __init__(self):
        self.found = {}
    def register(self, thing, name):
        assert name not in self.found
        self.found[name] = thing
    def get(self, name):
        return self.found[name]
    def __contains__(self, name):
        return name in self.found
ARCH_REGISTRY = Registry()
""",
}


@pytest.fixture
def pyiqa(tmp_path, monkeypatch):
    """A small package with the part of pyiqa's interface that is used, as in release 0.1.16."""
    for name, text in PACKAGE.items():
        path = tmp_path / "library" / "pyiqa" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "library"))
    for module in ("pyiqa", "pyiqa.default_model_configs", "pyiqa.utils", "pyiqa.utils.registry"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    import pyiqa

    yield pyiqa
    for module in [name for name in sys.modules if name.partition(".")[0] == "pyiqa"]:
        del sys.modules[module]


def test_a_picture_scores_in_pyiqa_as_its_file_does(pyiqa, trained, tmp_path):
    import torch

    pyiqa_metric.register()
    pyiqa_metric.register()
    metric = pyiqa.create_metric("w2s", student=str(trained))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), np.uint8)
    found = metric(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    assert found.shape == (2, 1)
    for picture, score in zip(pixels, found[:, 0].tolist(), strict=True):
        Image.fromarray(picture).save(tmp_path / "still.png")
        assert score == pytest.approx(load(trained)(tmp_path / "still.png"), rel=1e-6)
    assert (metric.lower_better, metric.score_range) == (False, "~0, ~100")


def test_without_pyiqa_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    monkeypatch.setitem(sys.modules, "pyiqa.default_model_configs", None)
    with pytest.raises(UserError, match=r"needs the package pyiqa .*\[pyiqa\]"):
        pyiqa_metric.register()
