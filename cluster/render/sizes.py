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
BATCH = ("skypilot", "slurm")  # all machines start and end together, so they are of one kind
PROVIDERS = (*LAUNCHED, *KUBERNETES, *BATCH)
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
        node_cpus: Slurm: CPUs of a node; None for those of a cloud's machine.
        node_gpus: Slurm: GPUs of a node.
        node_memory: Slurm: memory of a node, GiB.
    """

    cpus: int = 128
    gpus: int = 8
    gpu: str = "H200"
    spot: bool = True
    idle_minutes: int = 10
    node_cpus: int | None = None
    node_gpus: int | None = None
    node_memory: int | None = None


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
        spot: Whether they may be taken back at any time; of pods, whether they prefer such nodes.
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
    _check_numbers(provider, sizes)
    offered = machines_of(provider, service)
    if provider == "slurm":
        offered = _of_the_site(offered, sizes)
    kinds: list[tuple[str, str | None, dict[str, Any], int]] = [
        ("cpu", None, offered["cpu"], math.ceil(sizes.cpus / offered["cpu"]["cpus"]))
    ]
    if sizes.gpus:
        kinds.append(("gpu", sizes.gpu, *_gpu_machines(provider, sizes, offered["gpus"])))
    if provider in BATCH:
        kinds = kinds[-1:]
    pods = provider in KUBERNETES
    groups = tuple(
        _group(name + ("-spot" if on_spot and not pods else ""), row, gpu, most, spot=on_spot, pods=pods)
        for name, gpu, row, most in kinds
        for on_spot in _markets(provider, sizes, service)
    )
    head = _group("head", offered["head"], None, 0, spot=False, pods=pods)
    each = {group.machine: group for group in groups}
    return Shape(
        head=head,
        groups=groups,
        most_machines=sum(most for _, _, _, most in kinds),
        most_cpus=sum(most * each[row["machine"]].cpus for _, _, row, most in kinds),
        most_gpus=sizes.gpus,
    )


def _markets(provider: str, sizes: Sizes, service: str) -> tuple[bool, ...]:
    """A group for spot machines and one on demand, or one group.

    Ray 2.58 does not read KubeRay's `priority`, so two groups of pods would be filled in turn. There one group prefers spot
    nodes, and Kubernetes finds it others.
    """
    if provider in KUBERNETES:
        return (sizes.spot and "spot" in table()[service],)
    return (True, False) if sizes.spot and provider in LAUNCHED else (False,)


def _check_numbers(provider: str, sizes: Sizes) -> None:
    for name, least in (
        ("cpus", 1),
        ("gpus", 0),
        ("idle_minutes", 1),
        ("node_cpus", 1),
        ("node_gpus", 1),
        ("node_memory", 2),
    ):
        value, option = getattr(sizes, name), f"--{name.replace('_', '-')}"
        if value is not None and value < least:
            raise ClusterError(f"{option} {value}: give {least} or more")
        if value is not None and name.startswith("node_") and provider != "slurm":
            raise ClusterError(
                f"{option}: only Slurm has nodes of your own; {provider} has those of cluster/render/machines.yaml"
            )


def _of_the_site(offered: dict[str, Any], sizes: Sizes) -> dict[str, Any]:
    """The nodes of a computing centre, in the form of the table."""
    given = {"cpus": sizes.node_cpus, "memory": sizes.node_memory}
    own = {name: value for name, value in given.items() if value is not None}
    cards = {"gpus": sizes.node_gpus} if sizes.node_gpus is not None else {}
    usual = offered["gpus"].get(sizes.gpu, offered["gpus"]["H200"])
    return {
        **offered,
        "cpu": {**offered["cpu"], **own, "machine": "node"},
        "gpus": {**offered["gpus"], sizes.gpu: {**usual, **own, **cards, "machine": "node"}},
    }


def _gpu_machines(provider: str, sizes: Sizes, offered: dict[str, Any]) -> tuple[dict[str, Any], int]:
    row = offered.get(sizes.gpu)
    if row is None:
        raise ClusterError(
            f"--gpu {sizes.gpu}: {provider} has {', '.join(sorted(offered))} (cluster/render/machines.yaml)"
        )
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
    return Group(name, row["machine"], cpus, memory, row.get("gpus", 0), gpu, most, spot, SPOT_FIRST if spot else 0)
