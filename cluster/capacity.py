"""Ask a cluster that grows for what a piece of work can use, begin with what is there, and give it back afterwards.

Ray's autoscaler keeps what `request_resources` last asked for until it is replaced. Ray Data asks as well, by an actor that
outlives its driver and repeats its own wish every 20 seconds. So the request here is renewed while the work runs, and a run that
is killed holds nothing for longer than those 20 seconds. What Ray Data would ask for by itself, one more node of every kind
while any resource is busy, is switched off (`cluster.session`): it keeps GPUs for work without any.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from cluster import ClusterError
from cluster.ceiling import PRESENT, Ceiling, Nodes, kind, total, within
from cluster.pools import Pool, Room

Say = Callable[[str], object]
Bundle = Mapping[str, float]  # resources of one process; processes of a piece of work run at the same time
RENEW_S = 1.0  # Ray Data replaces the request every 20 s, and the autoscaler takes nodes back that are idle in between
FIRST_WORD_S, NEXT_WORD_S = 5.0, 60.0  # of waiting
OFF_S = 900.0  # that work without GPUs waits for idle nodes with GPUs to go; longer than autoscalers keep such nodes
LEAST_CPUS = 2  # a stream of actors, and the tasks that feed it
_NODE_ID = "ray.io/node-id"  # label of every node


@dataclass(frozen=True)
class Wants:
    """What a piece of work can use, and what it cannot begin without."""

    cpus: float
    gpus: float
    least_cpus: float
    least_gpus: float
    off_gpus: bool = False  # it leaves nodes with GPUs alone


def whole(bundles: Sequence[Bundle]) -> Wants:
    """The wants of processes that only work together, such as the workers of a training."""
    cpus, gpus = (sum(bundle.get(name, 0.0) for bundle in bundles) for name in ("CPU", "GPU"))
    return Wants(cpus, gpus, cpus, gpus)


def least(pools: Sequence[Pool]) -> list[Bundle]:
    """One actor of each pool with GPUs: a chain of pools stands still until each has one."""
    return [{"GPU": pool.gpus} for pool in pools if pool.gpus]


class Capacity:
    """What the cluster of this process has and can have.

    Args:
        most: What it can have.
        say: Prints a line for the user.
    """

    def __init__(self, most: Ceiling, say: Say) -> None:
        self._most = most
        self.say = say
        self._request: _Request | None = None
        self._gpus_stay = False

    @property
    def grows(self) -> bool:
        """Whether nodes come and go as the run asks for them."""
        return self._most.source != PRESENT

    @property
    def most(self) -> Ceiling:
        """What the cluster can have; one that does not grow has what is there now."""
        return self._most if self.grows else present()

    def require(self, needs: Mapping[str, Sequence[Bundle]]) -> None:
        """Refuse, before any work, what can never run here.

        Args:
            needs: Name of each step -> the processes that it cannot work without.

        Raises:
            ClusterError: Names the first step that asks for too much.
        """
        most = self.most
        for step, bundles in needs.items():
            wants = whole(bundles)
            for what, need, there in (("GPUs", math.ceil(wants.gpus), most.gpus), ("CPUs", wants.cpus, most.cpus)):
                if need > there:
                    raise ClusterError(
                        f"step {step} needs {need:g} {what} at the same time, and there are never more than {there:g} "
                        f"({most.source}): {_ADVICE[what]}"
                    )

    def room(self, pools: Sequence[Pool]) -> Room:
        """What the actors of some pools may share: all, or for pools without GPUs, the nodes without any."""
        now, most = present(), self.most
        if not self._keeps_off(pools, most):
            nodes = _sized(within(most.groups, most.cpus))
            return Room(max(1, int(most.cpus)), most.gpus, nodes, _share(now.cpus, most.cpus))
        busy = [node["NodeID"] for node in _living() if node["Resources"].get("GPU")]
        where = {_NODE_ID: f"!in({','.join(busy)})"} if busy else {}
        nodes = _sized(within([group for group in most.groups if not group.gpus], most.spare_cpus))
        return Room(int(most.spare_cpus), 0.0, nodes, _share(now.spare_cpus, most.spare_cpus), where, off_gpus=True)

    def _keeps_off(self, pools: Sequence[Pool], most: Ceiling) -> bool:
        """Whether work without GPUs leaves the nodes with GPUs alone, so that the autoscaler takes them back."""
        on_gpus = any(pool.gpus for pool in pools)
        return self.grows and most.spare_cpus >= LEAST_CPUS and not on_gpus and not self._gpus_stay

    @contextmanager
    def held(self, wants: Wants) -> Iterator[None]:
        """Ask for what a piece of work wants, wait for the least of it, and release it after the block.

        Raises:
            ClusterError: The cluster can never have the least.
        """
        if not self.grows:
            yield
            return
        self.require({"at work": [{"CPU": wants.least_cpus, "GPU": wants.least_gpus}]})
        try:
            if not self._begun(wants):
                self._gpus_stay = True
                self.say("  nodes with GPUs do not go: work without GPUs uses them too from now on")
                self._begun(replace(wants, off_gpus=False))
            yield
        finally:
            self.release()

    def _begun(self, wants: Wants) -> bool:
        """Ask anew and wait for the least; false if nodes with GPUs stay in the way."""
        self.release()
        self._request = _Request(wants, self.say)
        return self._request.wait()

    def release(self) -> None:
        """Ask for nothing any more; the autoscaler takes idle nodes back in its own time."""
        request, self._request = self._request, None
        if request is not None:
            request.close()


_ADVICE = {
    "GPUs": "give the cluster more, or say with --set run.max_gpus=N that more can come, or ask for less "
    "(pools.score.gpus=0.25 lets networks share a GPU; training.workers)",
    "CPUs": "give the cluster more, or say with --set run.max_cpus=N that more can come, or ask for less (training.workers)",
}


class _Request:
    """A wish that is repeated until it is withdrawn."""

    def __init__(self, wants: Wants, say: Say) -> None:
        self._wants = wants
        self._say = say
        self._began = time.monotonic()
        self._next_word = FIRST_WORD_S
        self._complete = False
        self._ended = threading.Event()
        # Whole GPUs, since fractions share them; CPUs one by one, since they may lie on any node.
        self._bundles: list[dict[str, float]] = [{"GPU": 1}] * math.ceil(wants.gpus)
        self._bundles += [{"CPU": 1}] * math.ceil(wants.cpus)
        _keep_janitor()
        self._ask(self._wish(present()))
        self._thread = threading.Thread(target=self._renew, name="capacity", daemon=True)
        self._thread.start()

    def wait(self) -> bool:
        """Return true as soon as the least is there, or false if nodes with GPUs stay in the way of nodes without."""
        while True:
            now = present()
            if self._cpus(now) >= self._wants.least_cpus and now.gpus >= self._wants.least_gpus:
                return True
            if self._wants.off_gpus and now.gpus and time.monotonic() - self._began > OFF_S:
                return False
            time.sleep(0.5)

    def close(self) -> None:
        """Withdraw the wish."""
        self._ended.set()
        self._thread.join()
        self._ask([])

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_S):
            now = present()
            self._ask(self._wish(now))
            self._tell(now)

    def _wish(self, now: Ceiling) -> list[dict[str, float]]:
        # A CPU that is asked for keeps any node that has it, so nothing is asked for until idle GPUs have gone.
        return [] if self._wants.off_gpus and now.gpus else self._bundles

    def _cpus(self, now: Ceiling) -> float:
        return now.spare_cpus if self._wants.off_gpus else now.cpus

    def _tell(self, now: Ceiling) -> None:
        """Say what is missing: after some seconds, then once a minute, and when it is complete."""
        waited = time.monotonic() - self._began
        missing = missing_text(self._wants, self._cpus(now), now.gpus)
        if not missing:
            if not self._complete and self._next_word > FIRST_WORD_S:
                self._say(f"  complete after {duration(waited)}: {now.gpus:g} GPUs, {now.cpus:g} CPUs")
            self._complete = True
        elif not self._complete and waited >= self._next_word:
            self._next_word = waited + NEXT_WORD_S
            self._say(f"  waiting for {missing}, {duration(waited)}")

    @staticmethod
    def _ask(bundles: list[dict[str, float]]) -> None:
        from ray.autoscaler.sdk import request_resources
        from ray.exceptions import RayError

        # A cluster that is gone holds nothing, and the work itself says that it is gone.
        with contextlib.suppress(RayError, RuntimeError, ConnectionError):
            request_resources(bundles=bundles)


def missing_text(wants: Wants, cpus: float, gpus: float) -> str:
    """What is wanted and not there, such as `6 of 8 GPUs`; empty if nothing is missing."""
    pairs = ((math.ceil(wants.gpus), gpus, "GPUs"), (math.ceil(wants.cpus), cpus, "CPUs"))
    return ", ".join(f"{most - there:g} of {most:g} {what}" for most, there, what in pairs if there < most)


def duration(seconds: float) -> str:
    """Such as `40 s` or `2 min`."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds // 60:.0f} min"


def _share(now: float, most: float) -> float:
    return min(1.0, now / most) if most else 1.0


def _living() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def present() -> Ceiling:
    """What the cluster of this process has now."""
    return total([kind(node["Resources"]) for node in _living()], PRESENT)


def _sized(groups: Sequence[Nodes]) -> list[Nodes]:
    """The same nodes, each with its memory; nodes that do not say theirs are taken to be like the largest that is there."""
    largest = max(kind(node["Resources"]).memory_gib for node in _living())
    return [replace(group, memory_gib=group.memory_gib or largest) for group in groups]


def _keep_janitor() -> None:
    """Start Ray Data's coordinator: when this process is killed, it replaces the request that is left by its own."""
    from ray.data._internal.cluster_autoscaler import get_or_create_autoscaling_coordinator

    get_or_create_autoscaling_coordinator()  # type: ignore[no-untyped-call]
