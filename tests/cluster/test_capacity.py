import threading

import pytest

from cluster import ClusterError, capacity
from cluster.capacity import Capacity, Wants, duration, least, missing_text, whole
from cluster.ceiling import AUTOSCALER, PRESENT, Ceiling
from cluster.pools import Pool

MOST = Ceiling(cpus=12, gpus=3, spare_cpus=6, nodes=6, source=AUTOSCALER)
WANTS = Wants(cpus=4, gpus=3, least_cpus=1, least_gpus=2)


class Cluster:
    """A cluster that gives what is asked of it, and remembers what that was."""

    def __init__(self, monkeypatch, cpus=2.0, gpus=0.0, grows=True):
        self.asked, self.now, self.grows = [], (cpus, gpus), grows
        self.came = threading.Event()
        monkeypatch.setattr(capacity._Request, "_ask", staticmethod(self.ask))
        monkeypatch.setattr(capacity, "present", self.present)
        monkeypatch.setattr(capacity, "_living", self.living)
        monkeypatch.setattr(capacity, "_keep_janitor", lambda: None)
        monkeypatch.setattr(capacity, "RENEW_S", 0.01)

    def ask(self, bundles):
        self.asked.append(bundles)
        gpus = sum(bundle.get("GPU", 0) for bundle in bundles)
        if self.grows:
            self.now = (max(2, len(bundles) - gpus), gpus)

    def present(self):
        cpus, gpus = self.now
        return Ceiling(cpus, gpus, cpus, 1, PRESENT)

    def living(self):
        cpus, gpus = self.now
        nodes = [("cpu", {"CPU": cpus, "memory": 2.0**33})] + [("gpu", {"CPU": 1.0, "GPU": 1.0})] * int(gpus)
        return [{"NodeID": name, "Resources": resources} for name, resources in nodes]


def test_what_is_asked_for_is_there_in_the_block_and_given_back_after_it(monkeypatch):
    cluster = Cluster(monkeypatch)
    with Capacity(MOST, print).held(WANTS):
        assert cluster.now == (4, 3)
    assert cluster.asked[0] == [{"GPU": 1}] * 3 + [{"CPU": 1}] * 4
    assert cluster.asked[-1] == []
    assert not [thread for thread in threading.enumerate() if thread.name == "capacity"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_it_is_given_back_after_an_error_and_after_ctrl_c(monkeypatch, error):
    cluster = Cluster(monkeypatch)
    held = Capacity(MOST, print)
    with pytest.raises(error), held.held(WANTS):
        raise error
    assert cluster.asked[-1] == []


def test_a_session_that_ends_gives_back_what_an_abandoned_stream_holds(monkeypatch):
    cluster = Cluster(monkeypatch)
    held = Capacity(MOST, print)

    def stream():
        with held.held(WANTS):
            yield 1

    abandoned = stream()
    assert next(abandoned) == 1
    held.release()
    assert cluster.asked[-1] == []
    count = len(cluster.asked)
    abandoned.close()
    assert cluster.asked[count:] == [], "given back once"


def test_a_later_request_replaces_an_earlier_one(monkeypatch):
    cluster = Cluster(monkeypatch)
    held = Capacity(MOST, print)
    with held.held(WANTS), held.held(Wants(1, 1, 1, 0)):
        assert cluster.now == (2, 1)
    assert cluster.asked[-1] == []


def test_the_request_is_repeated_because_ray_data_replaces_it(monkeypatch):
    cluster = Cluster(monkeypatch)
    with Capacity(MOST, print).held(WANTS):
        while len(cluster.asked) < 4:  # a request that is not repeated makes this test time out
            threading.Event().wait(0.01)
        assert cluster.asked[-1] == cluster.asked[0]


def test_a_cluster_that_does_not_grow_is_asked_for_nothing(monkeypatch):
    cluster = Cluster(monkeypatch, grows=False)
    fixed = Capacity(Ceiling(2, 0, 2, 1, PRESENT), print)
    with fixed.held(Wants(4, 0, 1, 0)):
        pass
    assert cluster.asked == []
    assert fixed.room([Pool(dict)]).cpus == 2


def test_what_can_never_come_is_refused_and_not_waited_for(monkeypatch):
    cluster = Cluster(monkeypatch)
    with pytest.raises(ClusterError, match="needs 4 GPUs"), Capacity(MOST, print).held(Wants(1, 4, 1, 4)):
        pass
    assert cluster.asked == []


def test_work_begins_with_the_least_and_says_what_it_waits_for(monkeypatch):
    cluster, said = Cluster(monkeypatch, grows=False), []
    monkeypatch.setattr(capacity, "FIRST_WORD_S", 0.0)

    def say(line):
        said.append(line)
        cluster.now = (4, 2) if len(said) == 1 else (4, 3)
        cluster.came.set()

    monkeypatch.setattr(capacity, "NEXT_WORD_S", 0.05)
    with Capacity(MOST, say).held(WANTS):
        assert cluster.present().gpus >= 2
        while len(said) < 2:
            threading.Event().wait(0.01)
    assert said[0] == "  waiting for 3 of 3 GPUs, 2 of 4 CPUs, 0 s"
    assert said[1].startswith("  waiting for 1 of 3 GPUs, ")


def test_work_without_gpus_keeps_off_the_nodes_that_have_some(monkeypatch):
    Cluster(monkeypatch, gpus=2.0)
    room = Capacity(MOST, print).room([Pool(dict)])
    assert (room.cpus, room.gpus) == (6, 0)
    assert room.where == {"ray.io/node-id": "!in(gpu,gpu)"}
    assert Capacity(MOST, print).room([Pool(dict, gpus=1.0)]).where == {}
    only_gpus = Ceiling(cpus=12, gpus=3, spare_cpus=0, nodes=3, source=AUTOSCALER)
    assert Capacity(only_gpus, print).room([Pool(dict)]).where == {}, "there is nowhere else"


def test_no_cpu_is_asked_for_while_idle_gpus_would_be_kept_for_it(monkeypatch):
    cluster = Cluster(monkeypatch, gpus=2.0, grows=False)
    with Capacity(MOST, print).held(Wants(4, 0, 1, 0, off_gpus=True)):
        assert not any(cluster.asked)
        cluster.now = (2, 0)
        while not cluster.asked[-1]:
            threading.Event().wait(0.01)
        assert cluster.asked[-1] == [{"CPU": 1}] * 4


def test_gpus_that_never_go_are_shared_after_a_while(monkeypatch):
    cluster, said = Cluster(monkeypatch, cpus=0.0, gpus=2.0, grows=False), []
    monkeypatch.setattr(capacity, "OFF_S", 0.0)
    monkeypatch.setattr(cluster, "living", lambda: [{"NodeID": "gpu", "Resources": {"CPU": 4.0, "GPU": 2.0}}])
    monkeypatch.setattr(capacity, "_living", cluster.living)
    monkeypatch.setattr(capacity, "present", lambda: Ceiling(4, 2, 0, 1, PRESENT))
    held = Capacity(MOST, said.append)
    assert held.room([Pool(dict)]).where
    with held.held(Wants(4, 0, 1, 0, off_gpus=True)):
        assert held.room([Pool(dict)]).where == {}
    assert "nodes with GPUs do not go" in said[0]
    assert cluster.asked[-1] == []


def test_workers_that_only_work_together_are_the_least():
    assert whole([{"CPU": 1.0, "GPU": 1.0}] * 8) == Wants(8, 8, 8, 8)
    assert least([Pool(dict), Pool(dict, gpus=0.25), Pool(dict, gpus=1.0)]) == [{"GPU": 0.25}, {"GPU": 1.0}]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (150, "2 min")])
def test_a_duration_is_short(seconds, text):
    assert duration(seconds) == text


def test_nothing_is_missing_where_all_is_there():
    assert missing_text(Wants(1.5, 0.5, 0, 0), 2, 1) == ""
    assert missing_text(Wants(1.5, 0.5, 0, 0), 2, 0) == "1 of 1 GPUs"
