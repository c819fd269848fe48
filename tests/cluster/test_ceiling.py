import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.ceiling import (
    AUTOSCALER,
    MOST_NODES,
    PRESENT,
    SETTINGS,
    Nodes,
    allowed,
    bounded,
    groups_of,
    kind,
    total,
    within,
)

HEAD = Nodes(cpus=2, gpus=0, count=1)
GPUS, CPUS = Nodes(cpus=8, gpus=1, count=3), Nodes(cpus=16, gpus=0, count=2)
LIMITS = st.none() | st.integers(1, 500)


def test_a_ceiling_is_the_sum_of_its_groups():
    most = total([HEAD, GPUS, CPUS], AUTOSCALER)
    assert (most.cpus, most.gpus, most.spare_cpus, most.nodes) == (2 + 24 + 32, 3, 2 + 32, 6)


@given(LIMITS, LIMITS)
def test_settings_limit_the_autoscaler_and_take_nothing_away_that_is_there(max_cpus, max_gpus):
    most, now = total([HEAD, GPUS, CPUS], AUTOSCALER), total([HEAD, Nodes(8, 1, 1)], PRESENT)
    found = bounded(most, now, max_cpus, max_gpus)
    assert now.cpus <= found.cpus <= most.cpus
    assert now.gpus <= found.gpus <= most.gpus
    assert found.spare_cpus <= found.cpus
    assert max_cpus is None or found.cpus in (min(max_cpus, most.cpus), now.cpus)


@given(LIMITS, LIMITS)
def test_where_a_cluster_does_not_say_the_settings_do(max_cpus, max_gpus):
    now = total([HEAD], PRESENT)
    found = allowed(now, max_cpus, max_gpus)
    assert found.cpus == max(2, max_cpus or 0)
    assert found.gpus == (max_gpus or 0)
    assert found.spare_cpus == 2, "nothing is known of the nodes that will come"
    assert found.source == (SETTINGS if found.cpus > 2 or max_gpus else PRESENT)


@given(st.lists(st.builds(Nodes, st.integers(0, 8), st.just(0.0), st.integers(1, 5)), max_size=5), st.integers(0, 100))
def test_the_first_nodes_that_have_enough_cpus(groups, cpus):
    found = within(groups, cpus)
    there, all_ = (sum(group.cpus * group.count for group in part) for part in (found, groups))
    assert there >= min(cpus, all_)
    largest = max((group.cpus for group in groups), default=0)
    assert there < cpus + max(1, largest), "no node more than that"


@given(LIMITS)
def test_nodes_that_nobody_knows_are_the_smallest_there_are(max_cpus):
    found = allowed(total([HEAD], PRESENT), max_cpus, None)
    assert sum(group.cpus * group.count for group in found.groups) == found.cpus
    assert within(found.groups, found.spare_cpus) == [HEAD]


def cluster_file(**groups):
    types = {"head": {"resources": {"CPU": 2}, "max_workers": 0}, **groups}
    return {"groups": types, "max_workers": 4, "head": "head"}


def test_groups_of_a_cluster_file_are_those_that_can_have_nodes():
    gpu = {"resources": {"CPU": 8, "GPU": 1, "memory": 2**34}, "max_workers": 3}
    assert groups_of(cluster_file(gpu=gpu, none={"resources": {"CPU": 4}, "max_workers": 0})) == [
        Nodes(8.0, 1.0, 3, 16.0)
    ]


def test_the_limit_of_the_whole_cluster_shortens_its_groups():
    group = {"resources": {"CPU": 1}, "max_workers": 3}
    assert [one.count for one in groups_of(cluster_file(first=group, second=group))] == [3, 1]
    unlimited = {"resources": {"CPU": 1}, "max_workers": None}
    assert [one.count for one in groups_of(cluster_file(first=unlimited))] == [4]


def test_a_group_without_a_limit_has_a_finite_size():
    unlimited = {"resources": {"CPU": 1}, "max_workers": 2_147_483_647}
    groups = groups_of({**cluster_file(first=unlimited), "max_workers": 2_147_483_647})
    assert total(groups, AUTOSCALER).cpus == MOST_NODES
    assert math.isfinite(total(groups, AUTOSCALER).nodes)


@pytest.mark.parametrize("resources", [{}, {"CPU": 4.0}, {"CPU": 4.0, "GPU": 2.0, "memory": 2.0**33, "node:1": 1.0}])
def test_a_node_without_a_resource_has_none_of_it(resources):
    found = kind(resources)
    assert (found.cpus, found.gpus) == (resources.get("CPU", 0.0), resources.get("GPU", 0.0))
    assert found.memory_gib == resources.get("memory", 0.0) / 2**30
