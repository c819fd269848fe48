"""The nodes that a cluster file allows: of `ray up` (AWS, GCP, Azure) or of KubeRay (RayCluster, RayJob)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from cluster.ceiling import MOST_NODES
from pipeline.console import UserError

_SUFFIXES = {
    "": 1,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "m": 1e-3,
}
_QUANTITY = re.compile(r"([0-9.]+(?:e[0-9]+)?)([A-Za-z]*)$")
_TYPE_LABELS = (
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "cloud.google.com/machine-family",
)
_SPOT_LABELS = {
    "cloud.google.com/gke-spot": "true",
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """Nodes of one kind.

    Attributes:
        name: Name in the file.
        kind: Instance or machine type; empty if the file does not say.
        cpus: Logical CPUs of a node.
        gpus: GPUs of a node.
        most: Nodes, at most.
        spot: They can be taken back at any time.
        gpu: Kind of the GPUs, if the file says.
    """

    name: str
    kind: str
    cpus: float
    gpus: float
    most: int
    spot: bool = False
    gpu: str = ""


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        source: Where this is from, for the user.
        provider: `aws`, `gcp`, `azure`, `kubernetes`, or empty for this machine.
        region: Region of the cloud, if the file says.
        head: The node of the driver, which computes what one process does; its CPUs are counted if it has any for Ray.
        groups: The other nodes; a spot group and its on-demand fall-back of the same kind are one.
        idle_s: Seconds that idle nodes stay.
    """

    source: str
    provider: str
    region: str
    head: Group
    groups: tuple[Group, ...]
    idle_s: float = 300.0

    @property
    def nodes(self) -> tuple[Group, ...]:
        """All groups, with the head."""
        return (self.head, *self.groups)

    @property
    def cpus(self) -> float:
        """CPUs of all nodes."""
        return sum(group.cpus * group.most for group in self.nodes)

    @property
    def gpus(self) -> float:
        """GPUs of all nodes."""
        return sum(group.gpus * group.most for group in self.nodes)


def this_machine() -> Cluster:
    """This machine as a cluster of one node without a price."""
    gpus = len([name for name in os.listdir("/dev") if re.fullmatch(r"nvidia\d+", name)])  # noqa: PTH208 - names alone
    cpus = max(2, len(os.sched_getaffinity(0)))
    return Cluster("this machine", "", "", Group("this machine", "", cpus, gpus, 1), ())


def read_cluster(path: str) -> Cluster:
    """Read a cluster file.

    Raises:
        UserError: It cannot be read, or is no file of a known form.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            documents = [one for one in yaml.safe_load_all(file) if isinstance(one, Mapping)]
    except OSError as error:
        raise UserError(f"--cluster {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f"--cluster {path}: this is not valid YAML ({next(iter(str(error).splitlines()), '')})"
        ) from error
    try:
        for one in documents:
            if "available_node_types" in one:
                return _merged(_ray_up(one, path))
            if one.get("kind") in ("RayJob", "RayCluster", "RayService"):
                return _merged(_kuberay(one, path))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"--cluster {path}: this cluster file is not complete: {said}") from error
    raise UserError(
        f"--cluster {path}: neither a file for `ray up` (available_node_types) nor a RayCluster or RayJob of KubeRay"
    )


def _merged(cluster: Cluster) -> Cluster:
    """The cluster with groups of the same kind as one: a fall-back to on-demand nodes adds none to what spot nodes can be."""
    kinds: dict[tuple[str, float, float], Group] = {}
    for group in cluster.groups:
        key = (group.kind or group.name, group.cpus, group.gpus)
        known = kinds.get(key)
        if known is None:
            kinds[key] = group
        else:
            kinds[key] = replace(known, most=max(known.most, group.most), spot=known.spot or group.spot)
    return replace(
        cluster, groups=tuple(group for group in kinds.values() if group.most and (group.cpus or group.gpus))
    )


def _ray_up(tree: Tree, path: str) -> Cluster:
    provider = tree["provider"]
    kind = str(provider["type"])
    left = int(tree.get("max_workers", 2))  # Ray's own defaults say 2 where the file says nothing
    groups: list[Group] = []
    head = Group("head", "", 0, 0, 1)
    for name, node in tree["available_node_types"].items():
        config = node.get("node_config") or {}
        found = node.get("resources") or {}
        if "CPU" not in found and "GPU" not in found:
            raise UserError(
                f"--cluster {path}: node type {name} does not say its resources; write resources: {{CPU: n, GPU: n}}, "
                "which GCP needs anyway"
            )
        is_head = name == tree["head_node_type"]
        most = 1 if is_head else min(int(node.get("max_workers", left)), left)
        group = Group(
            str(name),
            str(config.get("InstanceType") or str(config.get("machineType", "")).rpartition("/")[2] or _azure(config)),
            float(found.get("CPU", 0)),
            float(found.get("GPU", 0)),
            most,
            _is_spot(config),
        )
        if is_head:
            head = group
        else:
            groups.append(group)
    region = str(provider.get("region") or provider.get("location") or "")
    idle_s = 60.0 * float(tree.get("idle_timeout_minutes", 5))
    cluster = Cluster(path, kind, region, head, tuple(groups), idle_s)
    nodes = sum(group.most for group in _merged(cluster).groups)
    return cluster if nodes <= left else replace(cluster, groups=_within(_merged(cluster).groups, left))


def _within(groups: tuple[Group, ...], left: int) -> tuple[Group, ...]:
    """Groups that together keep the limit of the whole cluster, in their order."""
    result = []
    for group in groups:
        most = min(group.most, left)
        left -= most
        result.append(replace(group, most=most))
    return tuple(result)


def _azure(config: Tree) -> str:
    return str((config.get("azure_arm_parameters") or {}).get("vmSize", ""))


def _is_spot(config: Tree) -> bool:
    if (config.get("InstanceMarketOptions") or {}).get("MarketType") == "spot":
        return True
    scheduling = config.get("scheduling") or []
    for one in scheduling if isinstance(scheduling, list) else [scheduling]:
        if one.get("preemptible") is True or one.get("provisioningModel") == "SPOT":
            return True
    return str((config.get("azure_arm_parameters") or {}).get("priority", "")).lower() == "spot"


def _kuberay(tree: Tree, path: str) -> Cluster:
    spec = tree["spec"]
    spec = spec.get("rayClusterSpec") or spec.get("rayClusterConfig") or spec
    head = _pod_group("head", spec["headGroupSpec"], 1)
    if str((spec["headGroupSpec"].get("rayStartParams") or {}).get("num-cpus", "")) == "0":
        head = replace(head, cpus=0.0)
    groups = []
    for one in spec.get("workerGroupSpecs") or []:
        most = (
            one.get("maxReplicas", one.get("replicas", 0))
            if spec.get("enableInTreeAutoscaling")
            else one.get("replicas", 0)
        )
        hosts = int(one.get("numOfHosts", 1))
        groups.append(_pod_group(str(one["groupName"]), one, min(int(most), MOST_NODES) * hosts))
    idle_s = float((spec.get("autoscalerOptions") or {}).get("idleTimeoutSeconds", 60))
    return Cluster(path, "kubernetes", "", head, tuple(groups), idle_s)


def _pod_group(name: str, group: Tree, most: int) -> Group:
    pod = group["template"]["spec"]
    resources = pod["containers"][0].get("resources") or {}
    found = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    own = {str(key): value for key, value in (group.get("resources") or {}).items()}
    gpus = next((_quantity(value) for key, value in found.items() if str(key).endswith("/gpu")), 0.0)
    selector = {str(key): str(value) for key, value in (pod.get("nodeSelector") or {}).items()}
    kind = next((selector[label] for label in _TYPE_LABELS if label in selector), "")
    spot = any(selector.get(label) == value for label, value in _SPOT_LABELS.items())
    cpus = _quantity(own.get("CPU", found.get("cpu", 0)))
    gpu = selector.get("cloud.google.com/gke-accelerator", "") or selector.get("nvidia.com/gpu.product", "")
    return Group(name, kind, cpus, _quantity(own.get("GPU", gpus)), most, spot, gpu)


def _quantity(value: object) -> float:
    """A quantity of Kubernetes: `500m`, `8`, `16Gi`."""
    match = _QUANTITY.match(str(value))
    if match is None or match[2] not in _SUFFIXES:
        raise ValueError(f"{value!r} is no quantity")
    return float(match[1]) * _SUFFIXES[match[2]]
