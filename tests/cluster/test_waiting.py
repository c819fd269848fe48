"""Waiting for a cluster of a fixed size."""

import pytest

from cluster import ClusterError
from cluster.waiting import main, wait


def test_it_returns_when_all_nodes_are_there():
    counts = iter([1, 1, 3])
    slept = []
    assert wait(3, 60.0, lambda: next(counts), slept.append) == sum(slept)
    assert len(slept) == 2


def test_nodes_that_do_not_come_are_named():
    with pytest.raises(ClusterError, match=r"1 of 3 nodes joined in 4 s"):
        wait(3, 4.0, lambda: 1, lambda _seconds: None)


def test_without_an_address_it_is_one_line(monkeypatch, capsys):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert main(["2"]) == 3
    assert capsys.readouterr().err.startswith("error: RAY_ADDRESS is not set")
