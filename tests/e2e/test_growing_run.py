"""`run.py` on a cluster that grows and shrinks: what it holds in each step, and that its tables are those of one machine."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from autoscaling import AutoscalingCluster, during, follow
from growing_run import CLUSTER, write_config
from tables import digests_of

from pipeline.run_folder.layout import RunLayout

pytestmark = [pytest.mark.e2e, pytest.mark.heavy, pytest.mark.timeout(5400)]

PROJECT = Path(__file__).resolve().parents[2]


def command(config, root, *options):
    return [sys.executable, str(PROJECT / "run.py"), "--config", str(config), "--out", str(root), *options]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp("growing") / "growing.yaml")


@pytest.fixture(scope="module")
def grown(config, tmp_path_factory):
    """A run on the cluster that grows: its layout, and the record of its nodes."""
    root = tmp_path_factory.mktemp("grown") / "run"
    with AutoscalingCluster(**CLUSTER) as cluster:
        record = follow(command(config, root), cluster)
    assert record["code"] == 0, "\n".join(record["lines"])
    return SimpleNamespace(layout=RunLayout(root), record=record)


def test_it_grows_to_the_ceiling_to_score(grown):
    assert max(gpus for gpus, _ in during(grown.record, "score")) == 3


@pytest.mark.parametrize("step", ["distort-1", "pair-1"])
def test_a_node_with_a_gpu_that_went_does_not_come_back_in_a_step_without_any(grown, step):
    counts = [gpus for gpus, _ in during(grown.record, step)]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("step", ["distort-1", "pair-1"])
def test_no_node_with_a_gpu_is_left_when_a_step_without_any_ends(grown, step):
    assert during(grown.record, step)[-1:] in ([], [(0, 1)], [(0, 2)], [(0, 3)])


def test_it_grows_again_to_train_and_to_compare(grown):
    assert max(others for _, others in during(grown.record, "train-1")) > 1
    assert max(gpus for gpus, _ in during(grown.record, "mine-1")) >= 1


def test_a_minute_after_the_end_only_the_head_is_left(grown):
    assert grown.record["counts"][-1][1:] == (0, 1)


def test_its_tables_are_those_of_one_machine(grown, config, tmp_path):
    alone = RunLayout(tmp_path / "run")
    without_gpus = ("--set", "pools.score.gpus=0", "--set", "pools.compare.gpus=0")
    with AutoscalingCluster({}, {"CPU": 4}) as machine:
        record = follow(command(config, alone.root, *without_gpus), machine, until_head_s=0)
    assert record["code"] == 0, "\n".join(record["lines"])
    first, second = digests_of(grown.layout, 2), digests_of(alone, 2)
    assert {place for place in first.keys() | second.keys() if first.get(place) != second.get(place)} == set()
