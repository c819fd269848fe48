import os
import tempfile

import pytest
from ray._private.node import Node

from cluster import ClusterError
from cluster.own_ray import object_store_bytes, start

LATE = "The current node timed out during startup. This could happen because"


def test_the_object_store_is_bounded(monkeypatch):
    for gib, mib in ((1, 512), (8, 819), (1024, 1536)):
        pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": gib * (1 << 30) // 4096}
        monkeypatch.setattr(os, "sysconf", pages.__getitem__)
        assert object_store_bytes() >> 20 == mib


@pytest.fixture
def slow(monkeypatch, tmp_path):
    """``slow(late, words)``: Ray comes too late so many times; returns the nodes that were left and ended."""
    left, ended = [], []

    class SlowNode(Node):
        def __init__(self, words):
            left.append(self)
            raise Exception(words)  # noqa: TRY002 - as Ray does

        def kill_all_processes(self, **_options):
            ended.append(self)

    def prepare(late, words):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setattr("ray.init", lambda **_options: SlowNode(words) if len(left) < late else None)
        return left, ended

    return prepare


def test_a_ray_that_comes_too_late_is_started_again_and_leaves_no_process_behind(slow):
    left, ended = slow(2, LATE)
    folder = start(2, verbose=False)
    assert folder.is_dir()
    assert len(left) == 2
    assert ended == left


def test_a_machine_too_busy_for_any_ray_is_one_line_and_leaves_nothing(slow, tmp_path):
    left, ended = slow(100, LATE)
    with pytest.raises(ClusterError, match=r"none of 3 tries .* too busy; run the same command again"):
        start(2, verbose=False)
    assert ended == left
    assert not any(tmp_path.iterdir())


def test_another_error_of_a_start_is_not_taken_for_a_busy_machine(slow, tmp_path):
    left, _ = slow(100, "something else")
    with pytest.raises(Exception, match=r"^something else$"):
        start(2, verbose=False)
    assert len(left) == 1
    assert not any(tmp_path.iterdir())
