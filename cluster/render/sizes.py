"""How large a cluster is, and of which machines: what the user chooses, what follows from it, and where it does not fit."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from cluster import ClusterError

LAUNCHED = ("aws", "gcp")  # files of `ray up`
KUBERNETES = ("rayjob", "raycluster")
PROVIDERS = (*LAUNCHED, *KUBERNETES, "skypilot", "slurm")
SERVICES = ("gke", "eks", "generic")  # kinds of Kubernetes
_SYSTEM_SHARE = 0.1  # of a node that pods leave to Kubernetes: kubelet, daemons and eviction thresholds
_SYSTEM_CPUS, _SYSTEM_GIB = 1, 4
SPOT_FIRST = 10  # the autoscaler starts the group of the higher priority, and the other one where it cannot be had


@dataclass(frozen=True)
class Sizes:
    """What the user chooses.

    Attributes:
        cpus: Most CPUs of machines without GPUs; rounded up to whole machines.
        gpus: Most GPUs.
        gpu: Their kind, a name of the provider's table.
        spot: Use spot machines first, and machines on demand where none can be had.
        idle_minutes: A machine without work goes back after so many minutes.
    """

    cpus: int = 128
    gpus: int = 8
    gpu: str = "H200"
    spot: bool = True
    idle_minutes: int = 10


@dataclass(frozen=True)
class Group:
    """Machines of one kind that the autoscaler may start.

    Attributes:
        name: Of the group.
        machine: The provider's name of the machine.
        cpus: Of each machine, as Ray counts them.
        memory: Of each machine, GiB.
        gpus: Of each machine.
        gpu: Their kind, or None.
        most: Machines at most.
        spot: Whether they may be taken back at any time.
        priority: The autoscaler prefers the group of the higher one.
    """

    name: str
    machine: str
    cpus: int
    memory: int
    gpus: int
    gpu: str | None
    most: int
    spot: bool
    priority: int


@dataclass(frozen=True)
class Shape:
    """The head and the groups of a cluster."""

    head: Group
    groups: tuple[Group, ...]
    most_machines: int
    most_cpus: int
    most_gpus: int


@functools.cache
def table() -> dict[str, Any]:
    """The table of machines, `machines.yaml`."""
    text = resources.files("cluster.render").joinpath("machines.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def machines_of(provider: str, service: str) -> dict[str, Any]:
    """The part of the table whose machines a provider has; SkyPilot and Slurm take those of AWS for their sizes."""
    if provider in KUBERNETES:
        return dict(table()[table()[service]["machines"]])
    return dict(table()[provider if provider in LAUNCHED else "aws"])


def shape_of(provider: str, sizes: Sizes, service: str = "gke") -> Shape:
    """The groups that give at most the chosen CPUs and GPUs.

    Args:
        provider: One of `PROVIDERS`.
        sizes: What the user chose.
        service: Kind of Kubernetes, one of `SERVICES`.

    Raises:
        ClusterError: The provider has no such GPU, or its machines hold another number of them.
    """
    offered = machines_of(provider, service)
    for name, value, least in (("cpus", sizes.cpus, 1), ("gpus", sizes.gpus, 0), ("idle-minutes", sizes.idle_minutes, 1)):
        if value < least:
            raise ClusterError(f"--{name} {value}: give {least} or more")
    spot = sizes.spot and service != "generic" if provider in KUBERNETES else sizes.spot
    kinds = [("cpu", None, offered["cpu"], math.ceil(sizes.cpus / offered["cpu"]["cpus"]))]
    if sizes.gpus:
        kinds.append(("gpu", sizes.gpu, *_gpu_machines(provider, sizes, offered["gpus"])))
    pods = provider in KUBERNETES
    groups = tuple(
        _group(name + ("-spot" if on_spot else ""), row, gpu, most, spot=on_spot, pods=pods)
        for name, gpu, row, most in kinds
        for on_spot in ((True, False) if spot else (False,))
    )
    head = _group("head", offered["head"], None, 0, spot=False, pods=pods)
    plain = [group for group in groups if not group.spot]
    return Shape(
        head=head,
        groups=groups,
        most_machines=sum(group.most for group in plain),
        most_cpus=sum(group.most * group.cpus for group in plain),
        most_gpus=sizes.gpus,
    )


def _gpu_machines(provider: str, sizes: Sizes, offered: dict[str, Any]) -> tuple[dict[str, Any], int]:
    row = offered.get(sizes.gpu)
    if row is None:
        raise ClusterError(f"--gpu {sizes.gpu}: {provider} has {', '.join(sorted(offered))} (cluster/render/machines.yaml)")
    if sizes.gpus % row["gpus"]:
        whole = math.ceil(sizes.gpus / row["gpus"]) * row["gpus"]
        raise ClusterError(
            f"--gpus {sizes.gpus}: a machine with {sizes.gpu} ({row['machine']}) has {row['gpus']} of them; give {whole}"
        )
    return row, sizes.gpus // row["gpus"]


def _group(name: str, row: dict[str, Any], gpu: str | None, most: int, *, spot: bool, pods: bool) -> Group:
    cpus, memory = row["cpus"], row["memory"]
    if pods:
        cpus -= max(_SYSTEM_CPUS, math.ceil(cpus * _SYSTEM_SHARE))
        memory -= max(_SYSTEM_GIB, math.ceil(memory * _SYSTEM_SHARE))
    return Group(
        name, row["machine"], cpus, memory, row.get("gpus", 0), gpu, most, spot, SPOT_FIRST if spot else 0
    )
