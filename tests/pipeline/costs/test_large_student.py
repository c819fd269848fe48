import pytest

from pipeline.costs.large_student import training_gib, training_seconds
from pipeline.planning.forecast import (
    forecast,
    of_folder,
)
from pipeline.run_folder.layout import RunLayout
from pipeline.settings.config import load


def asked(config, folder):
    return of_folder(config, RunLayout.at(folder))


def test_the_published_training_takes_what_the_paper_says(tmp_path):
    config = load("paper", videos=str(tmp_path))
    # Supplement: 19 hours on eight GPUs for the 500,000 pairs of stage 1, 29 for the 700,000 of stage 3.
    assert training_seconds(config, 500_000) == pytest.approx(19 * 3600)
    assert training_seconds(config, 700_000) == pytest.approx(29 * 3600, rel=0.1)
    shared = training_gib(config)
    weights = 8.08e9 * 2 / 2**30
    assert weights / 8 < shared < weights / 8 + 5, "ZeRO-3 shares the weights; what is trained is small"
    whole = training_gib(load("paper", videos=str(tmp_path), overrides=["training.zero_stage=2"]))
    assert whole - shared == pytest.approx(weights * 7 / 8)
    full = training_gib(load("paper", videos=str(tmp_path), overrides=["student.options.trained=full"]))
    assert full - shared == pytest.approx((8.04e9 - 0.428e9) * 14 / 8 / 2**30)
    (tmp_path / "a.mp4").write_bytes(b"x")
    train = next(one for one in forecast(asked(config, tmp_path / "run"), 1000) if one.name == "train-1")
    assert (train.resources.actors, train.resources.gpus) == (8, 8.0)
    assert train.resources.memory_gib == pytest.approx(8 * shared)
