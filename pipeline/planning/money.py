"""Time and money of a step on a cluster: which nodes it uses, for how long, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.capacity import Bundle, whole
from pipeline.costs.rates import SHARE_OF_PEAK, Rates
from pipeline.planning.cluster_file import Cluster, Group
from pipeline.planning.prices import Prices
from pipeline.run_folder.step import Load

USUAL_GPU = "H200"  # the one of the paper, where nothing says which it is


@dataclass(frozen=True)
class Estimate:
    """What a step takes.

    Attributes:
        cpu_s: CPU seconds.
        gpu_s: GPU seconds.
        wall_s: Wall-clock seconds, without those of nodes that have to boot first.
        nodes: Group -> nodes that work.
    """

    cpu_s: float
    gpu_s: float
    wall_s: float
    nodes: dict[str, int]


@dataclass(frozen=True)
class Bill:
    """The price of a step: with on-demand nodes only, and with spot nodes where the cluster file allows them."""

    on_demand: float
    spot: float
    wall_s: float


class Site:
    """A cluster with its prices and the rates of its work.

    Args:
        cluster: The cluster.
        rates: What a unit of work costs.
        prices: Prices of nodes, and peaks of GPUs.
    """

    def __init__(self, cluster: Cluster, rates: Rates, prices: Prices) -> None:
        self.cluster = cluster
        self.rates = rates
        self.prices = prices
        spare = [group for group in cluster.nodes if group.cpus and not group.gpus]
        # work without GPUs keeps off the nodes that have some, where there are others (`cluster.capacity`)
        self._plain = spare if sum(group.cpus * group.most for group in spare) >= 2 else _with_cpus(cluster.nodes)

    def estimate(self, load: Load, needs: Sequence[Bundle], actors: int, memory_gib: float = 0.0) -> Estimate:
        """Time and nodes of a step.

        Args:
            load: Its work.
            needs: The processes that it cannot work without.
            actors: Processes that it starts.
            memory_gib: Memory of a GPU that each process needs.
        """
        cpu_s = self._cpu_seconds(load, actors)
        wanted = whole(needs).gpus
        on_gpus = (
            self._gpu_group(load, wanted, memory_gib) if any(name.startswith("gpu ") for name in load.amounts) else None
        )
        groups = self._plain if on_gpus is None else [*self._plain, *([] if on_gpus in self._plain else [on_gpus])]
        cpus = min(sum(group.cpus * group.most for group in groups), max(1.0, load.most))
        gpu_s, at_once = self._gpu_seconds(load, on_gpus), max(1.0, wanted)  # of those that it lacks, if there are none
        if on_gpus is not None and load.starts != "train":
            at_once = max(at_once, min(on_gpus.gpus * on_gpus.most, load.most))
        start = self.rates.start[load.starts] if load.starts else 0.0
        wall = start + max(cpu_s / max(cpus, 1.0), gpu_s / at_once)
        return Estimate(cpu_s, gpu_s, wall, self._nodes(cpus, at_once, on_gpus))

    def _cpu_seconds(self, load: Load, actors: int) -> float:
        amounts = {name: amount for name, amount in load.amounts.items() if not name.startswith("gpu ")}
        if load.starts == "pools":
            amounts["actor"] = actors
        return sum(self.rates.cpu_seconds(name) * amount for name, amount in amounts.items())

    def _gpu_seconds(self, load: Load, group: Group | None) -> float:
        gpu = self.prices.gpus[self.gpu_of(group)]
        total = 0.0
        for name, amount in load.amounts.items():
            if name.startswith("gpu "):
                rate = self.rates.gpu_work(name)
                total += amount * rate.tera / (getattr(gpu, rate.precision) * SHARE_OF_PEAK)
        return total

    def gpu_of(self, group: Group | None) -> str:
        """Kind of the GPUs of a group: by the file, by its price, or the usual one."""
        if group is None:
            return USUAL_GPU
        price = self.prices.of(self.cluster.provider, group.kind or group.name)
        names = [group.gpu, price.gpu if price else ""]
        for kind in sorted(self.prices.gpus, key=len, reverse=True):  # L40S before L4
            if any(kind.lower() in name.lower() for name in names):
                return kind
        return USUAL_GPU

    def _gpu_group(self, load: Load, wanted: float, memory_gib: float) -> Group | None:
        """The group whose GPUs a step uses: of those that have enough the cheapest for its work, else the one with the most."""
        groups = [group for group in self.cluster.nodes if group.gpus]
        enough = [
            group
            for group in groups
            if group.gpus * group.most >= wanted and self.prices.gpus[self.gpu_of(group)].memory >= memory_gib
        ]
        if enough:
            return min(
                enough, key=lambda group: (self.hourly(group) or 1.0) * self._gpu_seconds(load, group) / group.gpus
            )
        return max(groups, key=lambda group: group.gpus * group.most, default=None)

    def _nodes(self, cpus: float, gpus: float, on_gpus: Group | None) -> dict[str, int]:
        """Nodes that work: those with GPUs, then as many others as have the rest of the CPUs."""
        nodes: dict[str, int] = {}
        if on_gpus is not None and gpus:
            nodes[on_gpus.name] = min(on_gpus.most, math.ceil(gpus / on_gpus.gpus))
            cpus -= nodes[on_gpus.name] * on_gpus.cpus
        for group in self._plain:
            if group.cpus and cpus > 0 and group.name not in nodes:
                nodes[group.name] = min(group.most, math.ceil(cpus / group.cpus))
                cpus -= nodes[group.name] * group.cpus
        return nodes

    def hourly(self, group: Group, *, spot: bool = False) -> float | None:
        """Price of a node an hour; None if it is not known."""
        price = self.prices.of(self.cluster.provider, group.kind or group.name)
        if price is None:
            return None
        return self.prices.spot(price) if spot and group.spot else price.hour

    @property
    def unpriced(self) -> list[Group]:
        """Groups without a price."""
        return [group for group in self.cluster.nodes if self.hourly(group) is None]

    def bill(self, before: Estimate | None, one: Estimate, after: Estimate | None) -> Bill:
        """The price of a step between two others: nodes boot that are not there yet, and idle that are not needed again."""
        busy = {name for name, count in one.nodes.items() if count}
        there = set(before.nodes) if before else set()
        head = self.cluster.head
        boot = self.rates.start["boot"] if self.cluster.provider and busy - there - {head.name} else 0.0
        wall = one.wall_s + boot
        totals = []
        for spot in (False, True):
            money = (self.hourly(head) or 0.0) * wall
            for group in self.cluster.groups:
                count = one.nodes.get(group.name, 0)
                goes = after is None or not after.nodes.get(group.name)
                seconds = wall + (self.cluster.idle_s if goes else 0.0)
                money += count * (self.hourly(group, spot=spot) or 0.0) * seconds
            totals.append(money / 3600)
        return Bill(totals[0], totals[1], wall)

    def lacks(self, needs: Sequence[Bundle]) -> str:
        """What a step needs at the same time and the cluster never has, such as `8 GPUs, and there are 0`; empty for nothing."""
        wants = whole(needs)
        pairs = ((math.ceil(wants.gpus), self.cluster.gpus, "GPUs"), (wants.cpus, self.cluster.cpus, "CPUs"))
        return "; ".join(f"{need:g} {what}, and there are {there:g}" for need, there, what in pairs if need > there)


def _with_cpus(groups: Sequence[Group]) -> list[Group]:
    return [group for group in groups if group.cpus]
