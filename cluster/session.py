"""Connecting to Ray: a quiet local Ray of our own, or a running cluster that we join and never stop.

A local Ray starts no dashboard. Ray listens on every network interface, so nobody can use it without a token, which is
made for this session and lives in its environment alone. Its files go to a folder of their own under a short name
(socket paths end at 107 bytes), which is removed with it.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import ClusterError

PROJECT = Path(__file__).resolve().parents[1]
_LOGGERS = ("ray", "ray.data", "ray.train", "ray.tune", "ray.serve")
_SHORT = 40  # characters that a temporary folder's path may have before Ray's socket names no longer fit
_CONNECT_S = 10.0
_MIB = 1 << 20


@dataclass(frozen=True)
class SessionSettings:
    """How Ray is started and what its libraries are told.

    Attributes:
        cpus: Logical CPUs of a local Ray; default: those that this process may use, and at least two, since a pool of
            actors and the tasks that feed it must be alive at once.
        threads: Threads of each worker's linear algebra; one keeps sums in one order, whatever the machine.
        no_progress_timeout_s: A stream of rows in which nothing moves for so long has failed.
        worker_start_timeout_s: How long training waits for its workers; longer than a node takes to boot.
        verbose: Let Ray's own log lines and the workers' output through to the terminal.
    """

    cpus: int | None = None
    threads: int = 1
    no_progress_timeout_s: float = 1800.0
    worker_start_timeout_s: float = 600.0
    verbose: bool = False


@dataclass(frozen=True)
class Session:
    """A connection. `local` says whether the Ray behind it is our own."""

    local: bool
    cpus: float
    gpus: float
    nodes: int


@contextmanager
def connect(address: str | None = None, settings: SessionSettings | None = None) -> Iterator[Session]:
    """Connect to Ray for the length of the block.

    Args:
        address: None starts a local Ray and closes it again; "auto" or an address joins a running cluster. A Ray to
            which this process is connected already is used as it is, and left connected.
        settings: How Ray is started.

    Raises:
        ClusterError: There is no cluster at the address, or a local Ray cannot start.
    """
    import ray

    settings = settings or SessionSettings()
    if ray.is_initialized():
        with _data_context(settings):
            yield _session(local=False)
        return
    environment = worker_environment(settings, gpu=address is not None or _has_gpu())
    local = address is None
    if local:
        # Switches of Ray itself; for a cluster that somebody else runs they are that person's decision.
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        environment["RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE"] = "1"  # a small /dev/shm (Docker) is no reason to stop
    try:
        with _environment(environment), _quiet(settings):
            folder = _start(address, environment, settings)
            try:
                with _data_context(settings):
                    yield _session(local=local)
            finally:
                ray.shutdown()
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)
    finally:
        if local:
            _read_switches()


def _start(address: str | None, environment: Mapping[str, str], settings: SessionSettings) -> Path | None:
    """Start a local Ray and return its folder, or join a cluster and return None."""
    with _keep_sigterm(), _mute(settings):
        if address is None:
            return _start_local(settings)
        _join(address, environment, settings)
        return None


def worker_environment(settings: SessionSettings, *, gpu: bool) -> dict[str, str]:
    """Return the environment of our workers: one order of sums, no surprises from thread pools, no usage reports."""
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
        environment["RAY_BACKEND_LOG_LEVEL"] = "fatal"  # Ray's C++ code writes to the terminal past every logger
    if not gpu:
        environment["DS_ACCELERATOR"] = "cpu"
    return environment


def object_store_bytes() -> int:
    """Return the size of a local object store: a tenth of the memory, from 512 MiB to 1.5 GiB.

    Rows hold names and numbers, and the pixels of a window or two for each actor; more would only be taken from FFmpeg.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min(max(memory // 10, 512 * _MIB), 1536 * _MIB))


def _has_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _start_local(settings: SessionSettings) -> Path:
    import ray

    base = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="w2s-", dir=base if len(base) <= _SHORT else "/tmp"))  # noqa: S108 - short
    cpus = settings.cpus or max(2, len(os.sched_getaffinity(0)))
    _read_switches()
    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            object_store_memory=object_store_bytes(),
            include_dashboard=False,
            log_to_driver=settings.verbose,
            logging_level=logging.INFO if settings.verbose else logging.ERROR,
            _temp_dir=str(folder),
        )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ClusterError(
            f"a local Ray does not start: {_first_line(error)}; look at `python run.py doctor`"
        ) from error
    return folder


def _read_switches() -> None:
    """Make Ray read its environment again: it keeps what it found when it was imported, perhaps by another module."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined] # compiled

    AuthenticationTokenLoader.instance().reset_cache()
    Config.initialize("")


def _join(address: str, environment: Mapping[str, str], settings: SessionSettings) -> None:
    import ray

    # Nodes of a cluster need not have this project: Ray sends them the four packages.
    modules = [str(PROJECT / name) for name in ("pipeline", "cluster", "actors", "trainers")]
    variables = {key: value for key, value in environment.items() if key != "PYTHONPATH"}
    try:
        ray.init(
            address=_reachable(address),
            runtime_env={"env_vars": variables, "py_modules": modules},
            log_to_driver=settings.verbose,
            logging_level=logging.INFO if settings.verbose else logging.ERROR,
        )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        advice = "start one (`ray start --head`), correct the address, or leave --address out for a local Ray"
        raise ClusterError(
            f"--address {address}: no Ray cluster can be joined there ({_first_line(error)}); {advice}"
        ) from error


def _reachable(address: str) -> str:
    """Return the address to join, once something listens there: Ray itself would go on trying for many minutes.

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


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _session(*, local: bool) -> Session:
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return Session(local, resources.get("CPU", 0.0), resources.get("GPU", 0.0), len(alive))


@contextmanager
def _data_context(settings: SessionSettings) -> Iterator[None]:
    """Set the defaults of Ray Data: bounded faults, and no progress bars beside our own."""
    from ray.data import DataContext

    values: dict[str, Any] = {
        "enable_progress_bars": settings.verbose,
        "execution_no_progress_timeout_s": settings.no_progress_timeout_s,
        # One model load that dies must not end the job, and one that always dies must.
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
    """Set environment variables, which a local Ray hands to its workers, and put the old ones back."""
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
    """Let only errors of Ray's libraries through: our own console says what is going on."""
    import ray.data  # noqa: F401 - its import configures the loggers that are set here

    if settings.verbose:
        yield
        return
    before = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _mute(settings: SessionSettings) -> Iterator[None]:
    """Send standard error nowhere while Ray starts: its C++ code announces there that it will be quiet."""
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
    """Keep this process's own handler of SIGTERM, if it has one: `ray.init` puts an exit with code 15 in its place."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
