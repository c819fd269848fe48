"""Connecting to Ray: start a quiet local Ray, or join a running cluster without ever stopping it.

A local Ray starts no dashboard. Ray listens on every network interface, so it requires a token that exists only in the
environment of this session. Its files go to a separate folder with a short name (a socket path has at most 107 bytes),
which is removed at the end.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cluster import LIBRARIES, ClusterError
from cluster.capacity import Capacity, Say, present
from cluster.ceiling import PRESENT, Ceiling, ceiling
from cluster.joining import OWN, PROJECT, RayAddress, check_nodes, chosen, travelling
from cluster.metrics import watched
from cluster.own_ray import read_switches, start

_CONNECT_S = 10.0
MAX_BLOCK_BYTES = 16 << 20  # a block of more is cut between its rows: a few decoded windows fill the object store


@dataclass(frozen=True)
class SessionSettings:
    """Settings of Ray and of its libraries.

    Attributes:
        cpus: Logical CPUs of a local Ray; default: those that this process may use, but at least two, since a pool of
            actors and the tasks that feed it run at the same time.
        threads: Threads of each worker's linear algebra; with one, sums have the same order on every machine.
        no_progress_timeout_s: A stream of rows fails after this many seconds without progress.
        stalled_s: A stream begins again with the rows that are left if none moved for so many seconds after a node went away.
        worker_start_timeout_s: Seconds that training waits for its workers; more than a node takes to boot.
        max_cpus: CPUs that a cluster can have at most, where it does not say itself; also a limit.
        max_gpus: GPUs, likewise.
        verbose: Show Ray's log and the workers' output on the terminal.
    """

    cpus: int | None = None
    threads: int = 1
    no_progress_timeout_s: float = 1800.0
    stalled_s: float = 300.0
    worker_start_timeout_s: float = 600.0
    max_cpus: int | None = None
    max_gpus: int | None = None
    verbose: bool = False


@dataclass(frozen=True)
class Session:
    """A connection and its resources. `local`: this process started the Ray behind it."""

    local: bool
    cpus: float
    gpus: float
    nodes: int
    capacity: Capacity


def unsaid(_line: str) -> None:
    """A `Say` that says nothing."""


@contextmanager
def connect(
    address: str | None = None,
    settings: SessionSettings | None = None,
    say: Say = unsaid,
    shared: Path | None = None,
) -> Iterator[Session]:
    """Connect to Ray for the length of the block, and say to which.

    Args:
        address: "auto" or an address joins a running cluster, "local" starts a Ray and stops it again; None takes the
            address in `RAY_ADDRESS`, or starts one. If this process is already connected to Ray, that connection is used and
            stays open.
        settings: Settings of Ray.
        say: Prints a line for the user.
        shared: Folder that all nodes of a cluster must see, or None.

    Raises:
        ClusterError: There is no cluster at the address, its nodes do not fit, or a local Ray cannot start.
    """
    import ray

    settings = settings or SessionSettings()
    if ray.is_initialized():
        if address == OWN:
            raise ClusterError(
                f"--address {OWN}: this process is connected to a Ray already; disconnect it first (ray.shutdown())"
            )
        with _data_context(settings):
            yield _session(RayAddress(None, "that this process is connected to"), settings, say, shared, local=False)
        return
    place = chosen(address)
    local = place.address is None
    environment = worker_environment(settings, gpu=not local or _has_gpu())
    if local:
        # Settings of Ray itself; on a shared cluster they are the decision of whoever runs it.
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        environment["RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE"] = "1"  # a small /dev/shm (Docker) must not stop a run
        environment["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"  # one more process, and nobody takes this machine
    try:
        with _environment(environment | _OF_THE_DRIVER), _quiet(settings):
            folder = _start(place, environment, settings)
            try:
                with _data_context(settings):
                    session = _session(place, settings, say, shared, local=local)
                    try:
                        with watched():
                            yield session
                    finally:
                        session.capacity.release()
            finally:
                ray.shutdown()
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)
    finally:
        if local:
            read_switches()


# Ray Data's own wish, one more node of each kind while any resource is busy, would keep GPUs for work without any.
_OF_THE_DRIVER = {"RAY_DATA_CLUSTER_SCALING_UP_UTIL_THRESHOLD": "1e9"}


def _start(place: RayAddress, environment: Mapping[str, str], settings: SessionSettings) -> Path | None:
    """Start a local Ray and return its folder, or join a cluster and return None."""
    with _keep_sigterm(), _mute(settings):
        if place.address is None:
            return start(settings.cpus, verbose=settings.verbose)
        _join(place.address, place.said, environment, settings)
        return None


def worker_environment(settings: SessionSettings, *, gpu: bool) -> dict[str, str]:
    """Return the environment of the workers: fixed order of sums, fixed thread pools, no usage reports."""
    threads = str(settings.threads)
    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PYTHONHASHSEED": "0",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic cuBLAS
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": os.pathsep.join(paths),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(settings.worker_start_timeout_s),
    }
    if not settings.verbose:
        environment["RAY_BACKEND_LOG_LEVEL"] = (
            "fatal"  # Ray's C++ code writes to the terminal and bypasses every logger
        )
    if not gpu:
        environment["DS_ACCELERATOR"] = "cpu"
    return environment


def _has_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _join(address: str, said: str, environment: Mapping[str, str], settings: SessionSettings) -> None:
    import ray

    # The nodes of a cluster may lack this project, so Ray sends them its packages.
    variables = {key: value for key, value in environment.items() if key != "PYTHONPATH"}
    try:
        ray.init(
            address=_reachable(address),
            runtime_env=travelling(variables),
            log_to_driver=settings.verbose,
            logging_level=logging.INFO if settings.verbose else logging.ERROR,
        )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        advice = "start one (`ray start --head`), correct the address, or say --address local for a Ray on this machine"
        raise ClusterError(f"{said}: no Ray cluster can be joined there ({_whole_line(error)}); {advice}") from error


def _reachable(address: str) -> str:
    """Return the address to join, after checking that something listens there: Ray itself would retry for many minutes.

    Raises:
        OSError: Nothing listens there, or (as ConnectionError) "auto" finds no cluster on this machine.
    """
    from ray._private.services import canonicalize_bootstrap_address

    scheme, separator, place = address.rpartition("://")
    target = place if separator else canonicalize_bootstrap_address(address)
    if target is None:
        raise ConnectionError("no running cluster was found on this machine")
    host, _, port = target.rpartition(":")
    if not port.isdigit():
        raise ValueError("an address is host:port")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S):
        return f"{scheme}://{target}" if separator else str(target)


def _whole_line(error: Exception) -> str:
    """A mismatch of versions stands in the later lines."""
    return " ".join(str(error).split()) or type(error).__name__


def _session(place: RayAddress, settings: SessionSettings, say: Say, shared: Path | None, *, local: bool) -> Session:
    """Look at the Ray that is connected, check its nodes, and say what it is.

    Raises:
        ClusterError: A node does not fit.
    """
    import ray

    now = present()
    if local:
        gpus = f", {now.gpus:g} GPUs" if now.gpus else ""
        say(f"  own Ray on this machine: {now.cpus:g} CPUs{gpus}")
        most = now
    else:
        most = ceiling(settings.max_cpus, settings.max_gpus)
        where = ray.get_runtime_context().gcs_address
        say(f"  Ray cluster {where} ({place.said}): {describe(now, most)}")
        check_nodes(shared)
    return Session(local, now.cpus, now.gpus, int(now.nodes), Capacity(most, say))


def describe(now: Ceiling, most: Ceiling) -> str:
    """What a cluster has and can have, for its user."""
    nodes = f"{now.nodes:g} node{'' if now.nodes == 1 else 's'}, {now.cpus:g} CPUs, {now.gpus:g} GPUs"
    if most.source == PRESENT:
        return f"{nodes}; it does not grow (where it does, say --set run.max_cpus=N and run.max_gpus=N)"
    return f"{nodes} now; at most {most.cpus:g} CPUs, {most.gpus:g} GPUs ({most.source})"


@contextmanager
def _data_context(settings: SessionSettings) -> Iterator[None]:
    """Set the defaults of Ray Data: limited retries, and no progress bars besides this program's."""
    from ray.data import DataContext

    from cluster.depths import Depths
    from cluster.losses import NodeWatch
    from cluster.resizing import Resizing

    values: dict[str, Any] = {
        "custom_execution_callback_classes": [partial(NodeWatch, settings.stalled_s), Resizing, Depths],
        "enable_progress_bars": settings.verbose,
        "execution_no_progress_timeout_s": settings.no_progress_timeout_s,
        "target_max_block_size": MAX_BLOCK_BYTES,
        # A model load that dies once must not end the job; one that dies every time must.
        "actor_init_retry_on_errors": True,
        "max_consecutive_actor_init_deaths": 2,
    }
    context = DataContext.get_current()
    before = {name: getattr(context, name) for name in values}
    for name, value in values.items():
        setattr(context, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, which a local Ray passes to its workers, and restore the old values at the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet(settings: SessionSettings) -> Iterator[None]:
    """Show only errors of Ray's libraries: this program's console reports the progress."""
    import ray.data  # noqa: F401 - its import configures the loggers that are set here
    from ray._private import worker

    if settings.verbose:
        yield
        return
    with ExitStack() as restoring:
        for name in LIBRARIES:
            library = logging.getLogger(name)
            restoring.callback(library.setLevel, library.level)
            library.setLevel(logging.ERROR)
            # A dying worker makes Ray log its traceback, dozens of lines; the console says what failed in one.
            for handler in filter(_is_terminal, library.handlers):
                restoring.callback(handler.removeFilter, _nothing)
                handler.addFilter(_nothing)
        restoring.callback(setattr, worker, "print_to_stdstream", worker.print_to_stdstream)
        # Ray prints what happens to its nodes on standard output, where results are, whatever `log_to_driver` says.
        worker.print_to_stdstream = lambda *_, **__: None
        try:
            yield
        except KeyboardInterrupt:
            restoring.pop_all()  # threads of Ray Data go on until the process ends, and complain that Ray is gone
            raise


def _is_terminal(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)


def _nothing(_record: logging.LogRecord) -> bool:
    """A filter that lets nothing pass."""
    return False


@contextmanager
def _mute(settings: SessionSettings) -> Iterator[None]:
    """Discard standard error while Ray starts: its C++ code writes there that it will be quiet."""
    if settings.verbose:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


@contextmanager
def _keep_sigterm() -> Iterator[None]:
    """Keep this process's handler of SIGTERM, if it has one: `ray.init` replaces it by an exit with code 15."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
