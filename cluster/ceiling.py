"""What a cluster can have at most: by its autoscaler's configuration, by the settings of the run, or what is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster.joining import head_of, on_node

_ANSWER_S = 60.0
_GIB = 2**30
MOST_NODES = 1000  # stands for a group without a limit


@dataclass(frozen=True)
class Nodes:
    """Some nodes of one kind."""

    cpus: float
    gpus: float
    count: float
    memory_gib: float = 0.0  # of each; 0: unknown


@dataclass(frozen=True)
class Ceiling:
    """The most that a cluster can have.

    Attributes:
        cpus: Logical CPUs.
        gpus: GPUs.
        spare_cpus: Those of the CPUs whose nodes have no GPU.
        nodes: Number of nodes.
        source: Where this is from, for the user.
        groups: The nodes, by kind; empty where nothing is known of them.
    """

    cpus: float
    gpus: float
    spare_cpus: float
    nodes: float
    source: str
    groups: tuple[Nodes, ...] = ()


SETTINGS = "run.max_cpus, run.max_gpus"
AUTOSCALER = "the autoscaler's configuration"
PRESENT = "what is there"


def ceiling(max_cpus: int | None = None, max_gpus: int | None = None) -> Ceiling:
    """The most that the cluster of this process can have.

    Args:
        max_cpus: Setting `run.max_cpus`: no more CPUs than these, or as many, where the cluster itself does not say.
        max_gpus: Setting `run.max_gpus`, likewise.
    """
    import ray

    living: list[dict[str, Any]] = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    present = [kind(node["Resources"]) for node in living]
    groups = reported_groups() or configured_groups(living)
    if groups:
        head = head_of(living)
        heads = [kind(head["Resources"])] if head is not None else []
        return bounded(total([*heads, *groups], AUTOSCALER), total(present, PRESENT), max_cpus, max_gpus)
    return allowed(total(present, PRESENT), max_cpus, max_gpus)


def kind(resources: Mapping[str, float], count: float = 1) -> Nodes:
    """Nodes with these resources of Ray."""
    memory = resources.get("memory", 0.0) / _GIB
    return Nodes(float(resources.get("CPU", 0.0)), float(resources.get("GPU", 0.0)), count, memory)


def total(groups: Sequence[Nodes], source: str) -> Ceiling:
    """All nodes of some groups together."""

    def add(part: Callable[[Nodes], float]) -> float:
        return sum(part(group) * group.count for group in groups if part(group) and group.count)

    return Ceiling(
        cpus=add(lambda one: one.cpus),
        gpus=add(lambda one: one.gpus),
        spare_cpus=add(lambda one: 0.0 if one.gpus else one.cpus),
        nodes=add(lambda _one: 1.0),
        source=source,
        groups=tuple(group for group in groups if group.count),
    )


def within(groups: Sequence[Nodes], cpus: float) -> list[Nodes]:
    """The first of some nodes that have as many CPUs together, with those between them that have none."""
    found, left = [], cpus
    for group in groups:
        count = min(group.count, math.ceil(max(0.0, left) / group.cpus)) if group.cpus else group.count
        left -= count * group.cpus
        if count:
            found.append(replace(group, count=count))
    return found


def bounded(most: Ceiling, present: Ceiling, max_cpus: int | None, max_gpus: int | None) -> Ceiling:
    """The autoscaler's ceiling with the limits of the settings, which cannot take away what is there."""
    cpus = most.cpus if max_cpus is None else min(most.cpus, max(max_cpus, present.cpus))
    gpus = most.gpus if max_gpus is None else min(most.gpus, max(max_gpus, present.gpus))
    if (cpus, gpus) == (most.cpus, most.gpus):
        return most
    return replace(
        most, cpus=cpus, gpus=gpus, spare_cpus=min(cpus, most.spare_cpus), source=f"{AUTOSCALER}, {SETTINGS}"
    )


def allowed(present: Ceiling, max_cpus: int | None, max_gpus: int | None) -> Ceiling:
    """What is there, or more where the settings say that more can come."""
    cpus, gpus = max(present.cpus, max_cpus or 0), max(present.gpus, max_gpus or 0)
    if (cpus, gpus) == (present.cpus, present.gpus):
        return present
    # Nothing says which nodes will come, so only those that are there are known to have no GPU. What fits on nodes of one CPU
    # fits on larger ones, too.
    more = (Nodes(1.0, 0.0, cpus - present.cpus),) if cpus > present.cpus else ()
    nodes = max(present.nodes, cpus)
    return replace(present, cpus=cpus, gpus=gpus, nodes=nodes, source=SETTINGS, groups=(*present.groups, *more))


def reported_groups() -> list[Nodes]:
    """Groups of nodes that the autoscaler reported to the cluster; Ray's own autoscalers report none."""
    from ray._private.state import state

    report = state.get_cluster_config()
    if report is None:
        return []
    groups = [
        kind(dict(group.resources), MOST_NODES if group.max_count == -1 else min(group.max_count, MOST_NODES))
        for group in report.node_group_configs
    ]
    return [group for group in groups if group.count and (group.cpus or group.gpus)]


def configured_groups(living: Sequence[Mapping[str, Any]]) -> list[Nodes]:
    """Groups of nodes by the file that the autoscaler on the head was started with (`ray up`); empty where there is none.

    Args:
        living: Rows of `ray.nodes()`.
    """
    import ray
    from ray.exceptions import RayError

    head = head_of(living)
    if head is None:
        return []
    port = ray.get_runtime_context().gcs_address.rpartition(":")[2]
    try:
        found = ray.get(on_node(_reader(port), head["NodeID"]), timeout=_ANSWER_S)
    except RayError:
        return []  # a head that runs nothing: the settings say what can come
    return groups_of(found) if found else []


def groups_of(configuration: Mapping[str, Any]) -> list[Nodes]:
    """Groups of a cluster file as `ray up` takes it, without the head; limits of the whole cluster shorten them in order."""
    left = float(min(configuration["max_workers"], MOST_NODES))
    groups = []
    for name, group in configuration["groups"].items():
        if name != configuration["head"]:
            most = group["max_workers"]
            count = min(left if most is None else float(most), left)
            left -= count
            groups.append(kind(group["resources"], count))
    return [group for group in groups if group.count and (group.cpus or group.gpus)]


def _reader(port: str) -> Callable[[], dict[str, Any] | None]:
    def read() -> dict[str, Any] | None:
        # Runs on the head. The file may hold secrets of the cloud: only counts leave this function.
        from pathlib import Path

        import yaml

        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            options = dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
            ours = options.get("gcs-address", "").rpartition(":")[2] == port
            if ours and "autoscaling-config" in options and any(word.endswith("monitor.py") for word in words):
                tree = yaml.safe_load(Path(options["autoscaling-config"]).expanduser().read_text(encoding="utf-8"))
                types = tree["available_node_types"]
                groups = {
                    name: {
                        "resources": {
                            key: float(value)
                            for key, value in (one.get("resources") or {}).items()
                            if key in ("CPU", "GPU", "memory")
                        },
                        "max_workers": one.get("max_workers"),
                    }
                    for name, one in types.items()
                }
                return {"groups": groups, "max_workers": tree.get("max_workers", 0), "head": tree["head_node_type"]}
        return None

    return read
