"""Actors that stay between requests: Ray Serve keeps replicas of them, and the rows of many callers share these.

Serve's own HTTP proxy is not started. It receives the body of a request into a queue without a limit, whatever the application
behind it reads (`ray.serve._private.proxy`, 2.58.0), and a request that its replica was working on dies with it. Here the
process that asks for rows answers the requests of its users too: it keeps their files on its disk, so that a row whose replica
died goes to another one.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray import serve
from ray.serve.api import RunTarget
from ray.serve.config import ProxyLocation
from ray.serve.schema import LoggingConfig

from actors.media.rows import check_storage
from cluster import ClusterError
from cluster.capacity import Bundle
from cluster.engine import MAX_BLOCK_ROWS, Progress, Row, Rows, crashed, listed, silent
from cluster.losses import lost_node
from cluster.pools import Pool, cpu_share

if TYPE_CHECKING:
    from cluster.session import Session
    from trainers.job import ProgressCallback, TrainJob

MOST_TRIES = 4  # of a row whose replica died: more than a batch needs to be rid of another row that kills its replica
BATCH_WAIT_S = 0.02  # far less than a row takes, and enough for the rows that are there
_RUNNING: Any = "RUNNING"  # of Serve's states of a replica, which are texts
_STOP_S = 5.0
_HEALTH_PERIOD_S = 2.0  # how soon the death of a replica is noticed


@dataclass(frozen=True)
class Service:
    """An actor of which replicas are kept.

    Attributes:
        pool: The actor's class, its options and its GPUs. A class with `batch` above 1 has a method `rows(rows) -> rows`.
        replicas: Processes.
        batch: Rows of different callers that a replica is given together.
        here: Rows name files of this machine: the replicas run on it.
    """

    pool: Pool
    replicas: int = 1
    batch: int = 1
    here: bool = False


class Replica:
    """Holds one actor and calls it with one row at a time."""

    def __init__(self, service: Service) -> None:
        self._actor = service.pool.work(**service.pool.options)

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        result: Row = self._actor(row)
        return result


class BatchReplica:
    """Holds one actor and calls it with the rows that wait, up to `Service.batch`."""

    def __init__(self, service: Service) -> None:
        self._actor = service.pool.work(**service.pool.options)
        self._busy = asyncio.Lock()
        self._together.set_max_batch_size(service.batch)  # type: ignore[attr-defined] # added by the decorator

    @serve.batch(max_batch_size=1, batch_wait_timeout_s=BATCH_WAIT_S)
    async def _together(self, rows: list[Row]) -> list[Row]:
        async with self._busy:
            results: list[Row] = await asyncio.to_thread(self._actor.rows, rows)
        return results

    async def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        result: Row = await self._together(row)
        return result


class ServeEngine:
    """A `cluster.engine.Engine` whose actors are there already; any number of threads may stream rows through it.

    Args:
        handles: Serve's handle of each actor, by the actor's class.
        applications: Serve's names of them.
        at_once: Rows under way, of all callers together: each may hold a decoded window in the object store.
    """

    def __init__(self, handles: Mapping[Any, Any], applications: Mapping[Any, str], at_once: int) -> None:
        self._handles = handles
        self._applications = applications
        self._room = threading.Semaphore(at_once)

    def start(self, needs: Mapping[str, Sequence[Bundle]] | None = None) -> None:
        """Do nothing: the replicas run."""

    def stream(
        self,
        table: Rows,
        pools: Sequence[Pool],
        progress: Progress = silent,
        key: str = "video_id",
        most_rows: int = MAX_BLOCK_ROWS,  # noqa: ARG002 - rows travel alone
    ) -> Iterator[list[Row]]:
        """See `Engine.stream`; in the order of the table. The pools are looked up by their classes: their options are not used.

        A row whose replica dies goes to another one; one that sees `MOST_TRIES` replicas die comes back failed, as `crash`.
        """
        chain = [self._handles[pool.work] for pool in pools]
        left = deque(listed(table))
        under_way: deque[tuple[Row, Any]] = deque()
        try:
            while left or under_way:
                # Only the first row waits for room: whoever holds some must go on to give it back.
                while left and self._room.acquire(blocking=not under_way):
                    under_way.append((left[0], _sent(chain, left[0])))
                    left.popleft()
                row, answer = under_way[0]
                finished = self._result(chain, row, answer, key)
                under_way.popleft()
                self._room.release()
                check_storage([finished])
                progress(1)
                yield [finished]
        finally:
            for _, answer in under_way:
                answer.cancel()
                self._room.release()

    @staticmethod
    def _result(chain: Sequence[Any], row: Row, answer: Any, key: str) -> Row:
        for _ in range(MOST_TRIES):
            try:
                result: Row = answer.result()
            except Exception as error:
                if not lost_node(error):
                    raise
                answer = _sent(chain, row)
            else:
                return result
        answer.cancel()
        return crashed(row, key)

    def calls(
        self,
        kind: type,
        arguments: tuple[Any, ...],  # noqa: ARG002 - of the protocol
        method: str,
        work: Sequence[tuple[Any, ...]],  # noqa: ARG002
        gpus: float = 0.0,  # noqa: ARG002
    ) -> list[Any]:
        """Refuse: the replicas of a service map rows.

        Raises:
            ClusterError: Always.
        """
        raise ClusterError(f"{kind.__name__}.{method}: a service only streams rows; use a RayEngine")

    def train(self, job: TrainJob, on_progress: ProgressCallback | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Refuse: a service does not train.

        Raises:
            ClusterError: Always.
        """
        raise ClusterError(f"training {job.name} needs a RayEngine; a service only streams rows")

    def running(self) -> dict[str, int]:
        """Number of replicas that are ready, by the class of the actor."""
        states = serve.status().applications
        return {
            kind.__name__: sum(
                deployment.replica_states.get(_RUNNING, 0)
                for deployment in (states[name].deployments.values() if name in states else ())
            )
            for kind, name in self._applications.items()
        }


def _sent(chain: Sequence[Any], row: Row) -> Any:
    """Send a row through the chain: what one replica gives goes to the next through the object store, not through here."""
    answer: Any = row
    for handle in chain:
        answer = handle.remote(answer)
    return answer


@contextmanager
def serving(session: Session, services: Sequence[Service], at_once: int) -> Iterator[ServeEngine]:
    """Keep replicas of actors while the block runs.

    Args:
        session: The Ray that is connected.
        services: The actors.
        at_once: As for `ServeEngine`.

    Raises:
        ClusterError: A replica cannot start.
    """
    for name in ("ray.serve", "ray.serve.handle"):
        logging.getLogger(name).setLevel(logging.ERROR)
    serve.start(proxy_location=ProxyLocation.Disabled, logging_config=LoggingConfig(enable_access_log=False))
    mark = secrets.token_hex(4)  # a cluster may serve other things, and other students
    names = {service.pool.work: f"w2s-{mark}-{service.pool.work.__name__}" for service in services}
    share = cpu_share([service.replicas for service in services], max(1, int(session.cpus)))
    targets = [
        RunTarget(_application(service, share, session), names[service.pool.work], route_prefix=None)
        for service in services
    ]
    try:
        try:
            handles = serve.run_many(targets)
        except RuntimeError as error:
            raise ClusterError(f"the service does not start: {_last_line(error)}; run it with --debug") from error
        kinds = [service.pool.work for service in services]
        yield ServeEngine(dict(zip(kinds, handles, strict=True)), names, at_once)
    finally:
        if session.local:
            serve.shutdown()  # type: ignore[no-untyped-call]
        else:
            for name in names.values():
                serve.delete(name)


def _application(service: Service, share: float, session: Session) -> Any:
    options: dict[str, Any] = {"num_cpus": share, "num_gpus": service.pool.gpus}
    if service.here and not session.local:
        here: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        options["resources"] = {f"node:{here}": 0.001}
    kind = Replica if service.batch == 1 else BatchReplica
    deployment: Any = serve.deployment(
        kind,
        name=service.pool.work.__name__,
        num_replicas=service.replicas,
        # twice the batch, so that the next one gathers while a replica works; without a batch a row that waits can go elsewhere
        max_ongoing_requests=1 if service.batch == 1 else 2 * service.batch,
        ray_actor_options=options,
        graceful_shutdown_timeout_s=_STOP_S,
        health_check_period_s=_HEALTH_PERIOD_S,
        max_constructor_retry_count=3,
        logging_config=LoggingConfig(enable_access_log=False, log_level="ERROR"),
    )
    return deployment.bind(service)


def _last_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()[-1:]), type(error).__name__)
