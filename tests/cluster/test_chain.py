"""What a chain asks Ray Data for."""

import math

from cluster.chain import chain
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


def test_a_chain_without_labels_may_run_anywhere():
    recorder = Recorder()
    chain(recorder, [Pool(work, memory_gib=2)], Room(cpus=4, nodes_gib=(math.inf,)), rows=100)
    assert "label_selector" not in recorder.given[0]
