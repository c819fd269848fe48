"""Where the work runs: the Ray session, the actor pools, and the checks of the machine."""

from __future__ import annotations

from collections.abc import Iterator

LIBRARIES = ("ray", "ray.data", "ray.train", "ray.tune", "ray.serve")  # names of their loggers


class ClusterError(Exception):
    """The machine or the cluster cannot run this. The message is one line: what, where, and the remedy."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, then what it wraps: Ray keeps a worker's exception in `cause`, Python in `__cause__`."""
    visited: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in visited:
        visited.add(id(current))
        yield current
        inner = getattr(current, "cause", None)
        current = inner if isinstance(inner, BaseException) else current.__cause__
