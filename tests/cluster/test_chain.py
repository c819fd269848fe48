"""What a chain asks Ray Data for, and what Ray's autoscalers start for it."""

import pytest
from growing_run import CLUSTER
from scaler import started_for_waiting

from cluster import capacity
from cluster.capacity import Capacity
from cluster.ceiling import AUTOSCALER, PRESENT, kind, total
from cluster.chain import chain, sizes
from cluster.pools import Pool, Room


class Recorder:
    """In place of a data set: what its maps were given."""

    def __init__(self):
        self.given = []

    def map(self, work, **arguments):
        self.given.append(arguments)
        return self


def work(row):
    return row


def test_actors_with_gpus_are_packed_and_others_are_spread():
    recorder = Recorder()
    room = Room(cpus=4, gpus=2, where={"kind": "mine"})
    chain(recorder, [Pool(work), Pool(work, gpus=0.25), Pool(work, gpus=1)], room, rows=100)
    assert [given.get("scheduling_strategy") for given in recorder.given] == [None, "DEFAULT", "DEFAULT"]
    assert [given["label_selector"] for given in recorder.given] == [{"kind": "mine"}] * 3
    assert [bool(given["num_cpus"]) for given in recorder.given] == [True, False, False]


def test_a_chain_without_labels_may_run_anywhere():
    recorder = Recorder()
    chain(recorder, [Pool(work, memory_gib=2)], Room(cpus=4), rows=100)
    assert "label_selector" not in recorder.given[0]


SMALL = CLUSTER["groups"]
MANY = {"gpu": ({"CPU": 8, "GPU": 1}, 3), "cpu": ({"CPU": 3}, 5)}
ONLY_GPUS = {"gpu": ({"CPU": 2, "GPU": 1}, 3)}


@pytest.fixture
def waiting(monkeypatch):
    """The actors of a chain on a cluster that grows from its head: groups and pools -> the resources that each asks for."""

    def actors(groups, head, pools):
        monkeypatch.setattr(capacity, "present", lambda: total([kind(head)], PRESENT))
        monkeypatch.setattr(capacity, "_living", lambda: [{"NodeID": "head", "Resources": {**head, "memory": 2.0**33}}])
        most = total([kind(head), *(kind(one, count) for one, count in groups.values())], AUTOSCALER)
        plan = sizes(pools, Capacity(most, print).room(pools), rows=1000)
        return [
            {"GPU": pool.gpus} if pool.gpus else {"CPU": plan.share}
            for pool, count in zip(pools, plan.most, strict=True)
            for _ in range(count)
        ]

    return actors


@pytest.mark.parametrize("weights", [[6, 2], [6, 0.1], [1, 1], [5, 1, 1], [1]])
@pytest.mark.parametrize("groups", [SMALL, MANY], ids=["small", "many"])
def test_no_node_with_a_gpu_is_started_for_actors_without_any(waiting, groups, weights):
    actors = waiting(groups, CLUSTER["head"], [Pool(work, weight=weight) for weight in weights])
    assert started_for_waiting(groups, CLUSTER["head"], actors) == [{"cpu": groups["cpu"][1]}] * 2


def test_an_actor_without_a_place_would_start_a_node_with_a_gpu():
    head, shares = CLUSTER["head"], [{"CPU": 0.36}] * 10  # 3.6 of 4 CPUs, of which a node of one CPU holds two
    assert started_for_waiting(SMALL, head, shares) == [{"cpu": 2, "gpu": 1}] * 2
    assert started_for_waiting(SMALL, head, shares[1:]) == [{"cpu": 2}] * 2


def test_where_all_nodes_have_gpus_they_do_all_the_work(waiting):
    actors = waiting(ONLY_GPUS, {"CPU": 0}, [Pool(work, weight=6), Pool(work, weight=2)])
    assert started_for_waiting(ONLY_GPUS, {"CPU": 0}, actors) == [{"gpu": 3}] * 2


def test_gpus_are_asked_for_by_those_that_need_them(waiting):
    actors = waiting(SMALL, CLUSTER["head"], [Pool(work), *[Pool(work, gpus=1)] * 3])
    assert [actor for actor in actors if "GPU" in actor] == [{"GPU": 1}] * 3
