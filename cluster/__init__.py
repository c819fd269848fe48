"""Where the work runs: the Ray session, the actor pools, and the checks of the machine."""

from __future__ import annotations


class ClusterError(Exception):
    """The machine or the cluster cannot run this. The message is one line: what, where, and the remedy."""
