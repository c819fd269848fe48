"""The whole service: Ray with replicas of what scores, the interface before them, and a server that answers until it is stopped."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import FastAPI

from actors.folder import FolderEncoder, HeaderReader
from actors.sample import Sampler
from actors.seconds import SecondsScorer
from cluster.pools import Pool
from cluster.session import Session, SessionSettings, connect
from pipeline.console import Console, UserError
from pipeline.serve.app import Parts, build
from pipeline.serve.examples import Examples
from pipeline.serve.guard import Guard
from pipeline.serve.jobs import Desk, Pools
from pipeline.serve.limits import Limits
from pipeline.serve.uploads import uploads
from pipeline.student.scoring import Model
from pipeline.student.workplace import gpus_of

if TYPE_CHECKING:
    from cluster.serving import Service

BATCH = 8  # windows of different requests that are encoded together
_GRACE_S = 10  # for requests under way when the service is stopped


@dataclass(frozen=True)
class Wish:
    """What the user asks for.

    Attributes:
        replicas: Processes that score; None for one to each CPU.
        address: Ray cluster, as for every command.
        verbose: Show Ray's own log.
    """

    replicas: int | None = None
    address: str | None = None
    verbose: bool = False


@contextmanager
def running(model: Model, limits: Limits, wish: Wish, console: Console) -> Iterator[FastAPI]:
    """The application with its replicas, for the length of the block.

    Raises:
        ClusterError: Ray cannot be started or joined, or a replica cannot start.
    """
    from cluster.serving import serving

    with (
        connect(wish.address, SessionSettings(verbose=wish.verbose), console.line) as session,
        uploads(limits) as folder,
    ):
        processes = wish.replicas or max(1, int(session.cpus))
        pools = _pools(model, session)
        services = _services(pools, model, processes)
        at_once = 2 * processes + 2  # some are uploaded and read while others are scored
        with serving(session, services, at_once) as engine:
            desk = Desk(engine, model, pools, limits, at_once)
            wanted = {service.pool.work.__name__: service.replicas for service in services}
            try:
                yield build(Parts(desk, folder, limits, Examples(folder.folder), engine.running, wanted))
            finally:
                desk.close()


def _pools(model: Model, session: Session) -> Pools:
    gpus = gpus_of(model, session.capacity) / 2  # the network is loaded twice, for files and for seconds
    network = {"student": str(model.folder), "anchors": model.anchors.features}
    seconds = {**network, "spec": model.spec, "options": model.options, "pictures": True}
    return Pools(Pool(HeaderReader), Pool(FolderEncoder, network, gpus=gpus), Pool(SecondsScorer, seconds, gpus=gpus))


def _services(pools: Pools, model: Model, processes: int) -> list[Service]:
    """What is kept: windows are read by one process and encoded by another, the seconds of a curve are both in one."""
    from cluster.serving import Service

    scoring = 1 if pools.network.gpus else processes
    return [
        Service(pools.header, here=True),
        Service(Pool(Sampler, {"spec": model.spec, "options": model.options}), processes, here=True),
        Service(pools.network, -(-scoring // 2), BATCH),
        Service(pools.seconds, scoring, here=True),
    ]


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens, so that an address in use is told before anything starts.

    Raises:
        UserError: The address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        place = socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise UserError(f"--host {host} --port {port}: {error}; choose another port, or --port 0 for any") from error
    with place:
        yield place


def answer(app: FastAPI, place: socket.socket, names: Collection[str], token: str) -> None:
    """Answer requests until SIGINT or SIGTERM; requests under way have ten seconds to end.

    Args:
        app: The application.
        place: Where it listens.
        names: As for `Guard`.
        token: As for `Guard`.
    """
    import uvicorn

    config = uvicorn.Config(
        Guard(app, names, token),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    with suppress(KeyboardInterrupt):  # how it is meant to end; uvicorn raises the signal again when it has stopped
        uvicorn.Server(config).run(sockets=[place])
