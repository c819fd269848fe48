"""CPU time of a process with everything that it started, from `/proc`."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class TreeClock:
    """CPU seconds of a process and of all its descendants, ended ones included.

    Args:
        process: Id of the process; default: this one.
    """

    def __init__(self, process: int | None = None) -> None:
        self._process = os.getpid() if process is None else process
        self._last: dict[tuple[int, int], float] = {}  # (id, start time) -> seconds, also of those that are gone

    def seconds(self) -> float:
        """CPU seconds so far.

        A process whose parent waited for it is counted by its parent; one that nobody waited for keeps what was last seen.
        """
        found: dict[int, tuple[int, int, float, float]] = {}
        for entry in os.listdir("/proc"):  # noqa: PTH208 - names alone
            if entry.isdigit() and (facts := _facts(entry)) is not None:
                found[int(entry)] = facts
        children: dict[int, list[int]] = {}
        for number, (parent, _, _, _) in found.items():
            children.setdefault(parent, []).append(number)
        tree, waiting = [], [self._process]
        while waiting:
            number = waiting.pop()
            if number in found:
                tree.append(number)
                waiting += children.get(number, [])
        for number in tree:
            _, start, own, waited = found[number]
            self._last[number, start] = own + waited
        return self._total({(number, found[number][1]) for number in tree}, found)

    def _total(self, alive: set[tuple[int, int]], found: dict[int, tuple[int, int, float, float]]) -> float:
        waited = sum(found[number][3] for number, _ in alive)
        gone = sum(seconds for key, seconds in self._last.items() if key not in alive)
        own = sum(found[number][2] for number, _ in alive)
        # what parents waited for includes most of those that are gone; the larger of the two counts both once
        return own + max(waited, gone)


def _facts(entry: str) -> tuple[int, int, float, float] | None:
    """Parent, start time, own seconds, and seconds of the children that were waited for."""
    try:
        text = (Path("/proc") / entry / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return None
    fields = text.rpartition(")")[2].split()
    own, waited = (sum(int(fields[k]) for k in pair) / _TICKS for pair in ((11, 12), (13, 14)))
    return int(fields[1]), int(fields[19]), own, waited
