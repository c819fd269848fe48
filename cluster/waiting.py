"""Wait until a cluster of a fixed size is complete: `python -m cluster.waiting NODES`, with `RAY_ADDRESS` set.

Batch systems start all machines at the same time, but a run that began on the first one would size itself by that one alone.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable

from cluster import ClusterError
from cluster.joining import chosen

_EVERY_S = 2.0


def wait(
    nodes: int, patience_s: float, living: Callable[[], int], sleep: Callable[[float], None] = time.sleep
) -> float:
    """Return the seconds until `living` counts `nodes` nodes.

    Raises:
        ClusterError: They are not there in time.
    """
    waited = 0.0
    while (there := living()) < nodes:
        if waited >= patience_s:
            raise ClusterError(
                f"{there} of {nodes} nodes joined in {patience_s:.0f} s: look for the first `ray start` that failed above"
            )
        sleep(_EVERY_S)
        waited += _EVERY_S
    return waited


def _address() -> str:
    place = chosen(None)
    if place.address is None:
        raise ClusterError("RAY_ADDRESS is not set: nothing says which cluster to wait for")
    return place.address


def main(arguments: list[str]) -> int:
    """Wait; return 0, or 3 if not all nodes come."""
    parser = argparse.ArgumentParser(prog="python -m cluster.waiting", description=__doc__)
    parser.add_argument("nodes", type=int, metavar="NODES")
    parser.add_argument("--patience", type=float, default=900.0, metavar="S", help="seconds to wait (default 900)")
    options = parser.parse_args(arguments)
    import ray

    try:
        ray.init(address=_address(), log_to_driver=False, logging_level=logging.ERROR)
        seconds = wait(options.nodes, options.patience, lambda: sum(node["Alive"] for node in ray.nodes()))  # type: ignore[no-untyped-call]
    except (ClusterError, ConnectionError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a program of its own
        return 3
    print(f"{options.nodes} nodes after {seconds:.0f} s", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
