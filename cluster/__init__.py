"""Where the work runs: the Ray session and the check of the machine before it."""

from __future__ import annotations


class ClusterError(Exception):
    """The machine or the cluster cannot run this. The message is one line: what, where, how to mend it."""
