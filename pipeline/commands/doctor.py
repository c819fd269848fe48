"""Check that this machine, and the cluster at --address or RAY_ADDRESS, is ready.

One line per check, with a remedy for every fault.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from cluster import ClusterError
from cluster.preflight import Check, doctor
from pipeline.commands import address_argument
from pipeline.console import DONE, MACHINE, Console


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    address_argument(parser)


def main(options: argparse.Namespace) -> int:
    """Run the checks; return 0, or 3 if a needed check failed."""
    checks = doctor()
    if options.address is not None or os.environ.get("RAY_ADDRESS"):
        checks.append(check_cluster(options.address, verbose=options.debug))
    show(checks, Console(sys.stdout))
    return DONE if all(check.ok or not check.needed for check in checks) else MACHINE


def check_cluster(address: str | None, *, verbose: bool = False) -> Check:
    """The cluster answers and has enough CPUs for a stream of actors."""
    from cluster.capacity import present
    from cluster.session import SessionSettings, connect, describe

    try:
        with connect(address, SessionSettings(verbose=verbose)) as session:
            detail = describe(present(), session.capacity.most)
            enough = session.capacity.most.cpus >= 2
    except ClusterError as error:
        return Check("cluster", ok=False, detail=str(error), mend="see the line before")
    return Check("cluster", enough, detail, "" if enough else "a cluster needs two CPUs or more; add a node")


def show(checks: Sequence[Check], console: Console) -> None:
    """Print the table, then one line for each fault with its remedy."""
    rows = [(check.name, "ok" if check.ok else "FAILED" if check.needed else "note", check.detail) for check in checks]
    console.table("checks", ("check", "result", "found"), rows)
    for check in checks:
        if not check.ok and check.mend:
            console.line(f"{check.name}: {check.mend}")
    faults = sum(check.needed and not check.ok for check in checks)
    console.line(f"{faults} needed check(s) failed" if faults else "ready")
