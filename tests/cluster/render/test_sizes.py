"""Sizes: whole machines of the provider's table, and a line where they do not fit."""

import pytest

from cluster import ClusterError
from cluster.render.sizes import KUBERNETES, LAUNCHED, PROVIDERS, SERVICES, Sizes, shape_of, table


def test_gpus_become_whole_machines_spot_first():
    groups = {group.name: group for group in shape_of("aws", Sizes(gpus=16, gpu="H200", cpus=33)).groups}
    assert set(groups) == {"cpu-spot", "cpu", "gpu-spot", "gpu"}
    assert (groups["gpu"].machine, groups["gpu"].gpus, groups["gpu"].most) == ("p5en.48xlarge", 8, 2)
    assert groups["cpu"].most == 3, "33 CPUs are three machines of 16"
    assert groups["gpu-spot"].priority > groups["gpu"].priority
    assert groups["gpu-spot"].spot
    assert not groups["gpu"].spot


def test_the_totals_count_spot_and_on_demand_once():
    shape = shape_of("aws", Sizes(gpus=8, cpus=128))
    assert (shape.most_gpus, shape.most_cpus, shape.most_machines) == (8, 192 + 128, 9)


def test_without_spot_and_without_gpus_there_is_one_group():
    shape = shape_of("gcp", Sizes(gpus=0, cpus=16, spot=False))
    assert [(group.name, group.most) for group in shape.groups] == [("cpu", 1)]
    assert shape.most_gpus == 0


@pytest.mark.parametrize(("gpus", "said"), [(12, "give 16"), (1, "give 8")])
def test_a_number_that_is_no_multiple_of_a_machine_is_refused_with_the_next_one(gpus, said):
    with pytest.raises(ClusterError, match=said):
        shape_of("aws", Sizes(gpus=gpus, gpu="H100"))


def test_a_gpu_that_a_provider_has_not_is_refused_with_those_it_has():
    with pytest.raises(ClusterError, match="gcp has A100, H100, H200, L4"):
        shape_of("gcp", Sizes(gpu="A10G", gpus=1))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cpus": 0}, "--cpus 0"),
        ({"gpus": -8}, "--gpus -8"),
        ({"idle_minutes": 0}, "--idle-minutes"),
        ({"node_gpus": 0}, "--node-gpus"),
    ],
)
def test_numbers_below_the_least_are_refused(wrong, said):
    with pytest.raises(ClusterError, match=said):
        shape_of("slurm", Sizes(**wrong))


def test_nodes_of_a_computing_centre_are_for_slurm_only():
    shape = shape_of("slurm", Sizes(gpus=8, gpu="A100", node_gpus=4, node_cpus=64, node_memory=512))
    assert [(one.most, one.cpus, one.gpus, one.memory) for one in shape.groups] == [(2, 64, 4, 512)]
    with pytest.raises(ClusterError, match="--node-gpus: only Slurm"):
        shape_of("aws", Sizes(node_gpus=4))


@pytest.mark.parametrize("provider", KUBERNETES)
@pytest.mark.parametrize("service", SERVICES)
def test_pods_leave_room_for_the_system(provider, service):
    for group in shape_of(provider, Sizes(), service).groups:
        machines = table()[table()[service]["machines"]]
        row = machines["gpus"]["H200"] if group.gpus else machines["cpu"]
        assert group.cpus <= row["cpus"] - 1
        assert group.memory <= row["memory"] - 4


def test_batch_systems_take_machines_of_one_kind():
    for provider in ("skypilot", "slurm"):
        assert [group.gpus for group in shape_of(provider, Sizes()).groups] == [8]


def test_the_table_is_complete():
    for provider in LAUNCHED:
        for row in [table()[provider]["head"], table()[provider]["cpu"], *table()[provider]["gpus"].values()]:
            assert row["machine"]
            assert row["cpus"] > 0 < row["memory"]
    for service in SERVICES:
        kinds = set(table()[table()[service]["machines"]]["gpus"])
        labelled = table()[service].get("gpu_values", dict.fromkeys(kinds))
        assert set(labelled) == kinds, service
    assert len(PROVIDERS) == 6
