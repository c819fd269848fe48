"""Which Ray a command uses, what travels there with it, and whether the nodes fit: one line for each thing that does not."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import ClusterError

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipeline", "cluster", "actors", "trainers")
_CODE = (".py", ".onnx")
OWN = "local"  # the address that insists on a Ray of this process
_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # where `ray job submit` leaves the runtime environment that its user gave
_ANSWER_S = 120.0  # a node unpacks the code before it answers


@dataclass(frozen=True)
class RayAddress:
    """Where Ray is: `address`, or None for a Ray of this process; `said` is how the user named it."""

    address: str | None
    said: str


def chosen(address: str | None, environment: Mapping[str, str] = os.environ) -> RayAddress:
    """The Ray to use: `--address`, else `RAY_ADDRESS` (`ray job submit` sets it), else a Ray of this process.

    Raises:
        ClusterError: The address is that of Ray Client or of a job server.
    """
    given = address if address is not None else environment.get("RAY_ADDRESS", "").strip() or None
    said = f"--address {given}" if address is not None else f"RAY_ADDRESS={given}"
    if given is None or given == OWN:
        return RayAddress(None, said if given else "")
    if given.startswith("ray://"):
        raise ClusterError(
            f"{said}: Ray Client (ray://) is not supported, because the run's files lie where its driver is; submit the run "
            "instead: ray job submit --address http://HEAD:8265 --working-dir . -- python run.py ..., "
            "or start it on a node of the cluster with --address auto"
        )
    if given.startswith(("http://", "https://")):
        raise ClusterError(
            f"{said}: this is the address of a job server; submit the run to it (ray job submit --working-dir . -- "
            "python run.py ...), or say --address local for a Ray on this machine"
        )
    return RayAddress(given, said)


def travelling(variables: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The runtime environment that this process adds to that of its job: the code, and the workers' variables.

    Ray refuses a field, or a variable, that both give; the user's own win.

    Args:
        variables: Environment of the workers.
        environment: Environment of this process.
    """
    job: Mapping[str, Any] = json.loads(environment.get(_JOB) or "{}").get("runtime_env") or {}
    taken = job.get("env_vars") or {}
    ours: dict[str, Any] = {"env_vars": {name: value for name, value in variables.items() if name not in taken}}
    if "py_modules" not in job:
        ours["py_modules"] = [str(PROJECT / name) for name in PACKAGES]
    return ours


def code_digest() -> str:
    """8 hexadecimal digits over the project's Python files and graphs, wherever this process imports its packages from."""
    hasher = hashlib.sha256()
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        for place in (found.submodule_search_locations or []) if found is not None else []:
            for path in sorted(path for kind in _CODE for path in Path(place).rglob(f"*{kind}")):
                hasher.update(f"{package}/{path.relative_to(place).as_posix()}\0".encode())
                hasher.update(path.read_bytes())
    return hasher.hexdigest()[:8]


def versions() -> dict[str, str]:
    """What must be the same on all nodes: Ray, Python, and this project."""
    return {"Ray": importlib.metadata.version("ray"), "Python": platform.python_version(), "project": code_digest()}


def check_nodes(shared: Path | None = None) -> None:
    """Compare the versions of all nodes with those of this process.

    Args:
        shared: Folder of this process that all nodes must see, or None.

    Raises:
        ClusterError: A node has other versions, lacks the project, or does not see the folder.
    """
    here = versions()
    for name, found in _answers(_asker(str(shared) if shared is not None else None)):
        if isinstance(found, str):
            raise ClusterError(f"node {name} cannot run this project's code: {found}")
        for what, version in here.items():
            if found[what] != version:
                raise ClusterError(_mismatch(name, what, found[what], version))
        if not found["sees"]:
            raise ClusterError(
                f"node {name} does not see the run folder {shared}: name a place with --out that all nodes share, "
                "such as a network disk"
            )


def _mismatch(node: str, what: str, theirs: str | None, ours: str) -> str:
    if theirs is None:
        return (
            f"node {node} lacks this project's packages; connect with "
            f"ray.init(runtime_env={{'py_modules': {[str(PROJECT / name) for name in PACKAGES]}}})"
        )
    mend = (
        "start Ray again with the same working folder on all nodes, or leave py_modules and PYTHONPATH to the run"
        if what == "project"
        else f"install the same {what} on all nodes and here"
    )
    return f"node {node} has another version of {what}: {theirs}, here {ours}; {mend}"


def _asker(shared: str | None) -> Callable[[], dict[str, Any]]:
    def ask() -> dict[str, Any]:
        # Inner functions travel by value, so even a node without the project can answer.
        import importlib.metadata
        import importlib.util
        import os
        import platform

        digest = None
        if importlib.util.find_spec("cluster") is not None:
            from cluster.joining import code_digest

            digest = code_digest()
        sees = shared is None or os.path.isdir(shared)  # noqa: PTH112 - must import nothing of the project
        return {
            "Ray": importlib.metadata.version("ray"),
            "Python": platform.python_version(),
            "project": digest,
            "sees": sees,
        }

    return ask


def _answers(question: Callable[[], Any]) -> list[tuple[str, Any]]:
    """Ask every living node: its address and its answer, or the reason, a line, why it cannot run the question.

    A node that leaves meanwhile has no answer.
    """
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    nodes: list[dict[str, Any]] = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    asked = [(node, on_node(question, node["NodeID"])) for node in nodes]
    found: list[tuple[dict[str, Any], Any]] = []
    for node, answer in asked:
        try:
            found.append((node, ray.get(answer, timeout=_ANSWER_S)))
        except GetTimeoutError:
            found.append((node, f"it gave no answer in {_ANSWER_S:.0f} s"))
        except RayError as error:
            found.append((node, next(iter(str(error).strip().splitlines()[-1:]), type(error).__name__)))
    living = {node["NodeID"] for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
    return [(node["NodeManagerAddress"], answer) for node, answer in found if node["NodeID"] in living]


def on_node(question: Callable[[], Any], node_id: str) -> Any:
    """Call a function on one node, without waiting for a CPU; returns the reference of its answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    pinned = NodeAffinitySchedulingStrategy(node_id, soft=False)
    remote: Any = ray.remote(question)
    return remote.options(num_cpus=0, max_retries=0, scheduling_strategy=pinned).remote()


def each_node(work: Callable[[], Any]) -> dict[str, Any]:
    """Do some work on every living node, at the same time; node (address and id) -> what it gave.

    Raises:
        RayError: It failed on a node; the cause is in it.
    """
    import ray

    def once() -> Any:
        return work()

    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    asked = {f"{node['NodeManagerAddress']} {node['NodeID'][:6]}": on_node(once, node["NodeID"]) for node in nodes}
    return {name: ray.get(answer) for name, answer in asked.items()}


def head_of(nodes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The living head among rows of `ray.nodes()`."""
    return next((node for node in nodes if node["Alive"] and "node:__internal_head__" in node["Resources"]), None)
