import pytest

from pipeline.costs.large_student import training_gib
from pipeline.costs.rates import rates_of
from pipeline.planning.cluster_file import Cluster, Group
from pipeline.planning.forecast import forecast, of_folder
from pipeline.planning.money import Site
from pipeline.planning.prices import prices_of
from pipeline.run_folder.layout import RunLayout
from pipeline.settings.config import load

EIGHT_H200 = Cluster(
    "test", "aws", "", Group("head", "m7i.2xlarge", 0, 0, 1), (Group("gpu", "p5en.48xlarge", 192, 8, 1),)
)


def test_the_published_training_takes_what_the_paper_says(tmp_path):
    config = load("paper", videos="438000")
    site = Site(EIGHT_H200, rates_of(None), prices_of(None))
    run = of_folder(config, RunLayout.at(tmp_path / "run"))
    steps = {one.name: one for one in forecast(run, site, 438_000)}
    # Supplement: 19 hours on eight H200 for the 500,000 pairs of stage 1, 29 for the 700,000 of stage 3.
    assert [steps[f"train-{k}"].rows.count for k in (1, 2, 3)] == [500_000, 600_000, 700_000]
    hours = [steps[f"train-{k}"].estimate.wall_s / 3600 for k in (1, 2, 3)]
    assert hours[0] == pytest.approx(19, rel=0.01)
    assert hours[2] == pytest.approx(29, rel=0.1)
    train = steps["train-1"]
    assert (train.resources.actors, train.resources.gpus, train.estimate.nodes) == (8, 8.0, {"gpu": 1})
    assert train.resources.memory_gib == pytest.approx(8 * training_gib(config))
    assert not train.lacks


def test_memory_follows_from_what_is_trained_and_shared(tmp_path):
    shared = training_gib(load("paper", videos=str(tmp_path)))
    weights = 8.08e9 * 2 / 2**30
    assert weights / 8 < shared < weights / 8 + 5, "ZeRO-3 shares the weights; what is trained is small"
    whole = training_gib(load("paper", videos=str(tmp_path), overrides=["training.zero_stage=2"]))
    assert whole - shared == pytest.approx(weights * 7 / 8)
    full = training_gib(load("paper", videos=str(tmp_path), overrides=["student.options.trained=full"]))
    assert full - shared == pytest.approx((8.04e9 - 0.428e9) * 14 / 8 / 2**30)
