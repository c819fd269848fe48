"""KubeRay's RayJob and RayCluster: keys and types, the operator's rules, security, and parts that must fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cluster.preflight import RAY
from cluster.validation import kuberay_rules as rules
from cluster.validation.finding import Finding, Path, at, mapping, sequence
from cluster.validation.schema import complaints, shipped
from cluster.validation.security import image_pinned

GROUP = "ray.io/v1"
KINDS = ("RayJob", "RayCluster")
_SOURCE = "KubeRay 1.7.0, custom resource"


def check(tree: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with one RayJob or RayCluster."""
    kind = tree.get("kind")
    yield from complaints(tree, _schema(str(kind)), _SOURCE)
    if kind == "RayJob":
        yield from rules.job(tree)
    else:
        yield from rules.name_of(tree, rules.LONGEST_CLUSTER, "ValidateRayClusterMetadata")
        yield from rules.cluster_spec(mapping(tree, "spec"), mapping(tree, "metadata", "annotations"), ("spec",))
    spec, path = cluster_of(tree)
    if spec:
        yield from _security(spec, path)
        yield from _versions(spec, path)
        yield from _sizes(spec, path)


def _schema(kind: str) -> dict[str, Any]:
    job = shipped("kuberay.schema.json")
    if kind == "RayJob":
        return job
    cluster = job["properties"]["spec"]["properties"]["rayClusterSpec"]
    return {**job, "properties": {**job["properties"], "spec": cluster}}


def cluster_of(tree: Any) -> tuple[dict[str, Any], Path]:
    """The RayClusterSpec in a document, and its path."""
    if at(tree, "kind") == "RayJob":
        return mapping(tree, "spec", "rayClusterSpec"), ("spec", "rayClusterSpec")
    return mapping(tree, "spec"), ("spec",)


def _security(spec: dict[str, Any], path: Path) -> Iterator[Finding]:
    if at(spec, "authOptions", "mode") != "token":
        yield Finding(
            (*path, "authOptions") if "authOptions" in spec else path,
            "Ray runs without a token: every pod that reaches the head runs code on all nodes",
            "authOptions: {mode: token}",
        )
    head = mapping(spec, "headGroupSpec")
    service = head.get("serviceType")
    if service in ("NodePort", "LoadBalancer") or head.get("enableIngress") is True:
        yield Finding(
            (*path, "headGroupSpec"),
            "the head can be reached from outside the cluster",
            "serviceType: ClusterIP without an ingress, and kubectl port-forward",
        )
    for where, group, name in rules.groups_of(spec, path):
        pod = mapping(group, "template", "spec")
        inside = [pod.get("securityContext"), *(at(one, "securityContext") for one in sequence(pod, "containers"))]
        if not any(at(context, "runAsNonRoot") is True or at(context, "runAsUser") for context in inside):
            yield Finding(
                (*where, "template", "spec"),
                f"group {name} may run as root",
                "securityContext: {runAsNonRoot: true}",
                error=False,
            )
        if any(at(context, "privileged") is True for context in inside):
            yield Finding(
                (*where, "template", "spec"), f"group {name} is privileged", "no part of this project needs it"
            )


def _versions(spec: dict[str, Any], path: Path) -> Iterator[Finding]:
    version = spec.get("rayVersion")
    if version != RAY:
        yield Finding((*path, "rayVersion"), f"{version}, but this project runs on Ray {RAY}", f'write "{RAY}"')
    images: dict[str, Path] = {}
    for where, group, _ in rules.groups_of(spec, path):
        for index, one in enumerate(sequence(group, "template", "spec", "containers")[:1]):
            place = (*where, "template", "spec", "containers", index, "image")
            image = at(one, "image")
            if isinstance(image, str) and image not in images:
                yield from image_pinned(place, image)
                images[image] = place
    if len(images) > 1:
        yield Finding(
            path, f"{len(images)} images: {', '.join(sorted(images))}", "all nodes need the same code and the same Ray"
        )


def _sizes(spec: dict[str, Any], path: Path) -> Iterator[Finding]:
    head = mapping(spec, "headGroupSpec")
    if at(head, "rayStartParams", "num-cpus") != "0":
        yield Finding(
            (*path, "headGroupSpec", "rayStartParams") if "rayStartParams" in head else (*path, "headGroupSpec"),
            "the head takes work; a head that is out of memory ends the cluster",
            'num-cpus: "0"',
            error=False,
        )
    for where, group, name in rules.groups_of(spec, path)[1:]:
        first = at(group, "template", "spec", "containers", 0, "resources")
        start = mapping(group, "rayStartParams")
        asked = mapping(first, "limits") or mapping(first, "requests") or mapping(group, "resources")
        if not asked and not start.get("num-cpus"):
            yield Finding(
                where, f"group {name} says nothing of its CPUs and GPUs, so it is not started from zero", "write limits",
                source="kuberay#863, #2071, #321",
            )  # fmt: skip
        least, most = group.get("minReplicas"), group.get("maxReplicas")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield Finding(where, f"minReplicas {least} is above maxReplicas {most}", "lower minReplicas")
        if group.get("priority"):
            yield Finding(
                (*where, "priority"), f"Ray {RAY} does not read the priority of group {name}",
                "prefer nodes by an affinity of its pods", error=False,
                source="ray/autoscaler/_private/kuberay/autoscaling_config.py",
            )  # fmt: skip
        yield from _counts(where, group, name, least, most)


def _counts(where: Path, group: dict[str, Any], name: str, least: object, most: object) -> Iterator[Finding]:
    count = group.get("replicas")
    inside = all(isinstance(one, int) for one in (least, count, most))
    if inside and not least <= count <= most:  # type: ignore[operator] # all are int
        yield Finding(
            (*where, "replicas"),
            f"{count} is not between {least} and {most}",
            f"group {name}: correct one of the three",
        )


def is_ray(tree: Any) -> bool:
    """Whether a document is a RayJob or a RayCluster."""
    return isinstance(tree, dict) and tree.get("apiVersion") == GROUP and tree.get("kind") in KINDS


def pods_of(tree: dict[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    """The pod templates of a RayJob or RayCluster, with their paths."""
    spec, path = cluster_of(tree)
    found = [((*where, "template"), mapping(group, "template")) for where, group, _ in rules.groups_of(spec, path)]
    if at(tree, "spec", "submitterPodTemplate"):
        found.append((("spec", "submitterPodTemplate"), mapping(tree, "spec", "submitterPodTemplate")))
    return found
