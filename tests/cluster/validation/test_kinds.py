"""Kubernetes' own kinds beside the cluster, and the Prometheus operator's."""

import pytest
from mutate import CLUSTER, REMOVED, errors, mutated, notes

from cluster.validation import kinds

ACCOUNT, POLICY, MONITOR = 1, 2, 3

ERRORS = {
    "a typo in a policy": (POLICY, ("spec/ingres", []), "ingres"),
    "a port that is a text of nothing": (POLICY, ("spec/egress/1/ports/0/port", [53]), "egress"),
    "a kind that is none": (ACCOUNT, ("kind", "ServiceAcount"), "v1 ServiceAcount is no kind of Kubernetes"),
    "a policy for others": (
        POLICY,
        ("spec/podSelector/matchLabels", {"a": "b"}),
        "no NetworkPolicy of this file means this pod",
    ),
    "a monitor for others": (MONITOR, ("spec/selector/matchLabels", {"a": "b"}), "means no pod of this file"),
    "a port that no pod has": (
        MONITOR,
        ("spec/podMetricsEndpoints/0/port", "metric"),
        "metric is no port of these pods",
    ),
    "a typo in a monitor": (MONITOR, ("spec/podMetricEndpoints", []), "did you mean podMetricsEndpoints?"),
    "a monitor of nothing": (MONITOR, ("spec/podMetricsEndpoints", REMOVED), "the key podMetricsEndpoints is missing"),
}


@pytest.mark.parametrize(("document", "change", "said"), ERRORS.values(), ids=ERRORS)
def test_a_mutation_beside_the_cluster_is_named(document, change, said):
    lines = errors(mutated("rayjob.yaml", change, document=document))
    assert any(said in line for line in lines), lines


def test_a_cluster_without_a_policy_is_a_note():
    only = mutated("rayjob.yaml").split("\n---\n")[0]
    assert errors(only) == []
    assert any("no NetworkPolicy" in line for line in notes(only))


def test_without_the_schemas_of_kubernetes_the_check_says_what_it_did_not_check(monkeypatch):
    find = kinds.importlib.util.find_spec
    monkeypatch.setattr(
        kinds.importlib.util, "find_spec", lambda name: None if name == "kubernetes_validate" else find(name)
    )
    lines = notes((CLUSTER / "rayjob.yaml").read_text(encoding="utf-8"))
    assert any("NetworkPolicy is not checked; pip install kubernetes-validate" in line for line in lines)
