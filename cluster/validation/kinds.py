"""Kubernetes' own kinds and the Prometheus operator's beside the cluster, and whether they mean its pods."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

from cluster.validation import kuberay
from cluster.validation.finding import Finding, Path, at, mapping, sequence
from cluster.validation.schema import complaints

RELEASE = "1.33"  # of Kubernetes: KubeRay 1.7 supports it, and all large services have it
_MONITOR: dict[str, Any] = {
    # PodMonitor of monitoring.coreos.com/v1: the keys that these files use; others are refused on purpose.
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "PodMonitor"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["selector", "podMetricsEndpoints"],
            "properties": {
                "selector": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}},
                },
                "namespaceSelector": {"type": "object"},
                "jobLabel": {"type": "string"},
                "podTargetLabels": {"type": "array", "items": {"type": "string"}},
                "podMetricsEndpoints": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "port": {"type": "string"},
                            "path": {"type": "string"},
                            "interval": {"type": "string"},
                            "scheme": {"type": "string"},
                            "relabelings": {"type": "array"},
                        },
                    },
                },
            },
        },
    },
}


def check(tree: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with one document that is neither RayJob nor RayCluster."""
    if tree.get("kind") == "PodMonitor":
        yield from complaints(tree, _MONITOR, "monitoring.coreos.com/v1")
        return
    if importlib.util.find_spec("kubernetes_validate") is None:
        yield Finding((), f"{tree.get('kind')} is not checked", "pip install kubernetes-validate", error=False)
        return
    import kubernetes_validate

    source = f"Kubernetes {RELEASE}"
    try:
        kubernetes_validate.validate(tree, RELEASE, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield Finding(tuple(error.path), error.message, source=source)
    except (kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError):
        kind = f"{tree.get('apiVersion')} {tree.get('kind')}"
        yield Finding(
            ("kind",), f"{kind} is no kind of Kubernetes {RELEASE}", "correct apiVersion and kind", source=source
        )


def together(trees: Sequence[Any]) -> Iterator[tuple[int, Finding]]:
    """What does not fit between the documents of a file; with the position of the document at fault."""
    clusters = [(index, tree) for index, tree in enumerate(trees) if kuberay.is_ray(tree)]
    if not clusters:
        return
    policies = [tree for tree in trees if at(tree, "kind") == "NetworkPolicy"]
    accounts = {at(tree, "metadata", "name") for tree in trees if at(tree, "kind") == "ServiceAccount"}
    for index, tree in clusters:
        for path, pod in kuberay.pods_of(tree):
            labels = mapping(pod, "metadata", "labels")
            if policies and not any(_selects(at(policy, "spec", "podSelector"), labels) for policy in policies):
                yield (
                    index,
                    Finding(
                        (*path, "metadata"),
                        "no NetworkPolicy of this file means this pod",
                        "give it the policy's label",
                    ),
                )
            account = at(pod, "spec", "serviceAccountName")
            if accounts and account is not None and account not in accounts:
                yield (
                    index,
                    Finding(
                        (*path, "spec", "serviceAccountName"),
                        f"{account} is not in this file",
                        f"use {', '.join(map(str, accounts))}",
                        error=False,
                    ),
                )
        if not policies:
            yield (
                index,
                Finding(
                    (),
                    "no NetworkPolicy: every pod of the Kubernetes cluster reaches Ray's ports",
                    "add one as in cluster/rayjob.yaml",
                    error=False,
                ),
            )
    pods = [pod for _, tree in clusters for _, pod in kuberay.pods_of(tree)]
    for index, tree in enumerate(trees):
        if at(tree, "kind") == "PodMonitor":
            yield from ((index, finding) for finding in _monitored(tree, pods))


def _selects(selector: Any, labels: dict[str, Any]) -> bool:
    wanted = mapping(selector, "matchLabels")
    return isinstance(selector, dict) and all(labels.get(key) == value for key, value in wanted.items())


def _monitored(tree: dict[str, Any], pods: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    meant = [pod for pod in pods if _selects(at(tree, "spec", "selector"), mapping(pod, "metadata", "labels"))]
    if not meant:
        yield Finding(("spec", "selector"), "means no pod of this file", "use the label of the pods")
    ports = {
        at(port, "name")
        for pod in meant
        for container in sequence(pod, "spec", "containers")
        for port in sequence(container, "ports")
    }
    for position, endpoint in enumerate(sequence(tree, "spec", "podMetricsEndpoints")):
        if meant and at(endpoint, "port") not in ports:
            path: Path = ("spec", "podMetricsEndpoints", position, "port")
            yield Finding(
                path,
                f"{at(endpoint, 'port')} is no port of these pods",
                f"they have {', '.join(sorted(filter(None, ports)))}",
            )
