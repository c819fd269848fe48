from dataclasses import replace

import pytest

from pipeline.costs.rates import built_in
from pipeline.planning.cluster_file import Cluster, Group
from pipeline.planning.money import Estimate, Site
from pipeline.planning.prices import NodePrice, Prices, prices_of
from pipeline.run_folder.step import Load

HEAD = Group("head", "small", 0, 0, 1)
CPU = Group("cpu", "plain", 10, 0, 4, spot=True)
GPU = Group("gpu", "fast", 5, 2, 3)
PRICES = Prices(
    date="2026-01-01",
    aws={"small": NodePrice(hour=1), "plain": NodePrice(hour=10, spot=4), "fast": NodePrice(hour=100, gpu="H100")},
    gpus=prices_of(None).gpus,
)
RATES = replace(
    built_in(), start={"pools": 10, "train": 20, "boot": 100}, cpu={"decode": 2.0, "actor": 3.0, "step": 1.0}
)


def site(*groups, prices=PRICES, idle_s=0.0):
    return Site(Cluster("test", "aws", "here", HEAD, groups, idle_s), RATES, prices)


def test_work_without_gpus_keeps_off_the_nodes_that_have_some():
    one = site(CPU, GPU).estimate(Load({"decode": 1000}, "pools", 1e6), [], actors=20)
    assert one.cpu_s == 2 * 1000 + 3 * 20
    assert one.wall_s == pytest.approx(10 + one.cpu_s / 40)
    assert one.nodes == {"cpu": 4}
    alone = site(GPU).estimate(Load({"decode": 1000}, "pools", 1e6), [], actors=20)
    assert alone.nodes == {"gpu": 3}, "there are no others"


def test_few_rows_take_few_nodes():
    one = site(CPU).estimate(Load({"decode": 100}, "pools", most=12), [], actors=0)
    assert one.nodes == {"cpu": 2}
    assert one.wall_s == pytest.approx(10 + 200 / 12)


def test_gpu_work_takes_as_long_as_its_operations_at_a_share_of_the_peak():
    load = Load({"gpu teacher fastvqa": 1000}, "pools", 1e6)
    one = site(CPU, GPU).estimate(load, [{"GPU": 1}], actors=0)
    assert one.gpu_s == pytest.approx(1000 * 0.56 / (67 * 0.35))
    assert one.wall_s == pytest.approx(10 + one.gpu_s / 6)
    assert one.nodes["gpu"] == 3


def test_a_training_takes_its_workers_and_no_more():
    load = Load({"gpu pair": 8000, "decode": 0}, "train", 4)
    one = site(CPU, GPU).estimate(load, [{"GPU": 1}] * 4, actors=0)
    assert one.nodes["gpu"] == 2
    assert one.wall_s == pytest.approx(20 + one.gpu_s / 4)


def test_of_two_kinds_of_gpu_the_cheapest_that_is_large_enough_works():
    small = Group("small-gpu", "cheap", 4, 1, 8)
    prices = PRICES.model_copy(update={"aws": {**PRICES.aws, "cheap": NodePrice(hour=1, gpu="L4")}})
    both = site(GPU, small, prices=prices)
    load = Load({"gpu pair": 1}, "train", 2)
    assert "small-gpu" in both.estimate(load, [{"GPU": 1}] * 2, 0, memory_gib=10).nodes
    assert "gpu" in both.estimate(load, [{"GPU": 1}] * 2, 0, memory_gib=60).nodes


def test_the_bill_is_nodes_times_hours_with_boot_and_idle_time():
    place = site(CPU, GPU, idle_s=360.0)
    work = Estimate(cpu_s=0, gpu_s=0, wall_s=3500.0, nodes={"cpu": 2})
    booted = place.bill(None, work, None)
    assert booted.wall_s == 3600.0
    assert booted.on_demand == pytest.approx(1 * 1 + 2 * 10 * 1.1)
    assert booted.spot == pytest.approx(1 * 1 + 2 * 4 * 1.1)
    between = place.bill(work, work, work)
    assert between.wall_s == 3500.0, "the nodes are there already"
    assert between.on_demand == pytest.approx((1 + 20) * 3500 / 3600), "and stay for the next step"


def test_a_spot_price_that_is_not_known_is_a_share_of_the_other():
    prices = Prices(date="x", spot_share=0.25, aws={"plain": NodePrice(hour=8)}, gpus=PRICES.gpus)
    assert site(CPU, prices=prices).hourly(CPU, spot=True) == 2
    assert site(CPU, prices=prices).hourly(replace(CPU, spot=False), spot=True) == 8
    assert [group.name for group in site(GPU, prices=prices).unpriced] == ["head", "gpu"]


def test_what_can_never_be_there_is_named():
    assert site(CPU, GPU).lacks([{"GPU": 1, "CPU": 1}] * 8) == "8 GPUs, and there are 6"
    assert site(CPU).lacks([{"GPU": 0.5}]) == "1 GPUs, and there are 0"
    assert site(CPU, GPU).lacks([{"GPU": 1, "CPU": 1}] * 6) == ""
    hours = site(CPU).estimate(Load({"gpu pair": 100}, "train", 8), [{"GPU": 1}] * 8, 0)
    assert hours.wall_s == pytest.approx(20 + hours.gpu_s / 8), "the time that it would take with them"
