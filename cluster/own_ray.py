"""A Ray of this process's own on this machine: where its files lie, how large its object store is, and patience while it starts."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from cluster import ClusterError

_SHORT = 40  # longest temporary path, in characters, for which Ray's socket names still fit
_MIB = 1 << 20
_TOO_LATE = "timed out during startup"  # in the message of Ray's bare Exception
_T = TypeVar("_T")


def object_store_bytes() -> int:
    """Return the size of a local object store: a tenth of the memory, from 512 MiB to 1.5 GiB.

    Rows hold names and numbers, and the pixels of one or two windows per actor; FFmpeg needs the rest of the memory.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min(max(memory // 10, 512 * _MIB), 1536 * _MIB))


def start(cpus: int | None, *, verbose: bool) -> Path:
    """Start a Ray and connect to it; return its folder, which the caller removes.

    Args:
        cpus: Logical CPUs; default: those that this process may use, but at least two.
        verbose: Show Ray's log and the workers' output on the terminal.

    Raises:
        ClusterError: It does not start.
    """
    import ray

    base = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="w2s-", dir=base if len(base) <= _SHORT else "/tmp"))  # noqa: S108 - short
    read_switches()
    try:
        patiently(
            partial(
                ray.init,
                address="local",
                num_cpus=cpus or max(2, len(os.sched_getaffinity(0))),
                object_store_memory=object_store_bytes(),
                include_dashboard=False,
                log_to_driver=verbose,
                logging_level=logging.INFO if verbose else logging.ERROR,
                _temp_dir=str(folder),
            )
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def patiently(begin: Callable[[], _T], tries: int = 3) -> _T:
    """Begin something that starts a node of Ray, again if the node comes too late: Ray waits for half a minute only.

    Raises:
        ClusterError: It does not start, or comes too late every time.
    """
    for _ in range(tries):
        try:
            return begin()
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            line = next(iter(str(error).splitlines()), type(error).__name__)
            raise ClusterError(f"a local Ray does not start: {line}; run `python run.py doctor`") from error
        except Exception as error:
            if _TOO_LATE not in str(error):
                raise
            _end_half_started(error)
    raise ClusterError(
        f"a local Ray does not start: none of {tries} tries had a node in time, so this machine is too busy; "
        "run the same command again when it is less so"
    )


def _end_half_started(error: Exception) -> None:
    """End the processes of a node that came too late, which only the traceback still knows; else they live as long as this one."""
    from ray._private.node import Node

    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if isinstance(node, Node):
            node.kill_all_processes(check_alive=False, allow_graceful=False)


def read_switches() -> None:
    """Make Ray read its environment again: it keeps the values it read on import, which another module may have triggered."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined] # compiled

    AuthenticationTokenLoader.instance().reset_cache()
    Config.initialize("")
