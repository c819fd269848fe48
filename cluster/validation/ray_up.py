"""Files of `ray up`: Ray's own validation, and what it accepts although it cannot work.

Sources are modules of Ray 2.58.0: `util` is `ray/autoscaler/_private/util.py`.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from cluster.validation.finding import Finding, at, mapping, sequence
from cluster.validation.schema import complaints
from cluster.validation.security import image_pinned

_SCHEMA = "ray/autoscaler/ray-schema.json"


def is_launcher_file(tree: Any) -> bool:
    """Whether a document is one for `ray up`."""
    return isinstance(tree, dict) and (
        "available_node_types" in tree or ("provider" in tree and "apiVersion" not in tree)
    )


def check(tree: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with a file of `ray up`."""
    found = [*complaints(tree, _schema(), _SCHEMA)]
    yield from found or _by_ray(tree)
    yield from _limits(tree)
    yield from _head(tree)
    yield from _software(tree)
    yield from _groups(tree)
    yield from _commands(tree)


def _schema() -> dict[str, Any]:
    import ray.autoscaler

    schema: dict[str, Any] = json.loads(
        (FilePath(ray.autoscaler.__file__).parent / "ray-schema.json").read_text(encoding="utf-8")
    )
    return schema


def _by_ray(tree: dict[str, Any]) -> Iterator[Finding]:
    """Ray's `prepare_config` and `validate_config`, which also compare parts of the file with each other."""
    import jsonschema
    from ray.autoscaler._private.util import prepare_config, validate_config

    logging.getLogger("ray.autoscaler").setLevel(logging.ERROR)  # it tells which defaults it fills in
    try:
        validate_config(prepare_config(copy.deepcopy(tree)))
    except jsonschema.ValidationError as error:
        yield Finding(tuple(error.absolute_path), error.message, source=_SCHEMA)
    except (ValueError, KeyError, AssertionError, RuntimeError, NotImplementedError) as error:
        yield Finding(
            (), " ".join(str(error).split()), "correct the file", source="util.prepare_config, validate_config"
        )


def _limits(tree: dict[str, Any]) -> Iterator[Finding]:
    if "max_workers" not in tree:
        yield Finding(
            (), "max_workers is missing, so there are never more than 2 machines beside the head", "add it at the top",
            source="ray/autoscaler/aws/defaults.yaml",
        )  # fmt: skip
    for name, group in mapping(tree, "available_node_types").items():
        least, most = at(group, "min_workers"), at(group, "max_workers")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield Finding(
                ("available_node_types", name), f"min_workers {least} is above max_workers {most}", "lower min_workers"
            )
        if (
            name != tree.get("head_node_type")
            and isinstance(least, int)
            and least > 0
            and at(group, "resources", "GPU")
        ):
            yield Finding(
                ("available_node_types", name, "min_workers"),
                f"{least} machines with GPUs run from the first minute to the last, also while nothing needs them",
                "0 starts them when a step asks for GPUs",
                error=False,
            )
    if at(tree, "provider", "type") == "aws" and at(tree, "provider", "cache_stopped_nodes") is not False:
        yield Finding(
            ("provider",),
            "machines are stopped and kept, with a disk that costs money",
            "add cache_stopped_nodes: false",
            error=False,
            source="ray/autoscaler/aws/defaults.yaml",
        )


def _head(tree: dict[str, Any]) -> Iterator[Finding]:
    name = tree.get("head_node_type")
    group = mapping(tree, "available_node_types", str(name))
    cpus = at(group, "resources", "CPU")
    if group and cpus != 0:
        yield Finding(
            ("available_node_types", str(name), "resources"),
            "the head takes work; a head that is out of memory ends the cluster",
            "give it CPU: 0, and --num-cpus=0 in head_start_ray_commands",
            error=False,
        )
    market = at(group, "node_config", "InstanceMarketOptions", "MarketType")
    preemptible = any(at(one, "preemptible") for one in sequence(group, "node_config", "scheduling"))
    if market == "spot" or preemptible:
        yield Finding(
            ("available_node_types", str(name), "node_config"),
            "the head is a spot machine: when it is taken back, the cluster is gone",
            "start it on demand",
        )


def _software(tree: dict[str, Any]) -> Iterator[Finding]:
    image = at(tree, "docker", "image") or at(tree, "docker", "head_image")
    if not image and not tree.get("setup_commands"):
        yield Finding(
            (),
            "neither docker.image nor setup_commands say what is installed; Ray's defaults install a nightly build",
            "name the image of cluster/Dockerfile",
            source="ray/autoscaler/aws/defaults.yaml",
        )
    elif "setup_commands" not in tree:
        yield Finding(
            (), "setup_commands is missing, and the default looks for Ray and installs a nightly build if there is none",
            "add setup_commands: []", source="ray/autoscaler/aws/defaults.yaml",
        )  # fmt: skip
    for key in ("image", "head_image", "worker_image"):
        yield from image_pinned(("docker", key), at(tree, "docker", key))


def _groups(tree: dict[str, Any]) -> Iterator[Finding]:
    kind = at(tree, "provider", "type")
    for name, group in mapping(tree, "available_node_types").items():
        path = ("available_node_types", name)
        if kind == "gcp":
            yield from _of_google(path, mapping(group), head=name == tree.get("head_node_type"))
        if kind == "aws":
            yield from _of_amazon(path, mapping(group))


def _of_google(path: tuple[str, ...], group: dict[str, Any], *, head: bool) -> Iterator[Finding]:
    config, have = mapping(group, "node_config"), mapping(group, "resources")
    machine = str(config.get("machineType", ""))
    if not head and not have.get("CPU") and not have.get("GPU"):
        yield Finding(
            (*path, "resources"),
            f"no CPU and GPU: Ray does not ask Google what {machine or 'a machine'} has, so the group is never started",
            "write them out, as in {CPU: 16, GPU: 1}",
            source="ray/autoscaler/_private/gcp/node_provider.py",
        )
    if (machine.startswith(("a2-", "a3-", "a4", "g2-")) or config.get("guestAccelerators")) and not have.get("GPU"):
        yield Finding((*path, "resources"), f"{machine} has GPUs, and Ray is not told how many", "add GPU: n")
    if "scheduling" in config and not isinstance(config["scheduling"], list):
        yield Finding(
            (*path, "node_config", "scheduling"), "is a list in Ray's files", "write - {preemptible: true}",
            source="ray/autoscaler/gcp/defaults.yaml",
        )  # fmt: skip
    if not head and not config.get("serviceAccounts"):
        yield Finding(
            (*path, "node_config"),
            "no serviceAccounts: a worker can read neither a bucket nor a registry of the project",
            "name an account and the scope cloud-platform",
            source="ray/autoscaler/_private/gcp/config.py _configure_iam_role: the head's only",
        )


def _of_amazon(path: tuple[str, ...], group: dict[str, Any]) -> Iterator[Finding]:
    config = mapping(group, "node_config")
    profile = config.get("IamInstanceProfile")
    form = isinstance(profile, dict) and len(profile) == 1 and set(profile) <= {"Arn", "Name"}
    if profile is None:
        yield Finding(
            (*path, "node_config"),
            "no IamInstanceProfile: the machine can read neither the bucket nor the registry",
            "name a profile, IamInstanceProfile: {Arn: ...}",
            error=False,
            source="ray/autoscaler/_private/aws/config.py _configure_iam_role: the head's only",
        )
    elif not form:
        yield Finding(
            (*path, "node_config", "IamInstanceProfile"), "has another form", "write {Arn: arn:aws:iam::...} or {Name: ...}",
            source="ray#10243",
        )  # fmt: skip
    if "ImageId" not in config:
        yield Finding(
            (*path, "node_config"),
            "no ImageId: Ray takes one with Ubuntu 18.04 and CUDA 11.2, older than this PyTorch's CUDA",
            "name a Deep Learning Base AMI",
            source="ray/autoscaler/_private/aws/config.py DEFAULT_AMI",
        )
    if not mapping(group, "resources").get("GPU") and _has_gpus(str(config.get("InstanceType", ""))):
        yield Finding(
            (*path, "resources"), f"{config['InstanceType']} has GPUs, and the file does not say how many", "add GPU: n",
            error=False,
        )  # fmt: skip


def _has_gpus(machine: str) -> bool:
    family = machine.partition(".")[0]
    return family.startswith(("p3", "p4", "p5", "p6", "g4", "g5", "g6"))


def _commands(tree: dict[str, Any]) -> Iterator[Finding]:
    options = " ".join(map(str, sequence(tree, "docker", "run_options")))
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        text = " ".join(map(str, sequence(tree, key)))
        if "RAY_AUTH_MODE=token" not in text and "RAY_AUTH_MODE=token" not in options:
            yield Finding(
                (key,) if key in tree else (),
                f"{key} starts Ray without a token: whoever reaches a port runs code on the machine",
                "export RAY_AUTH_MODE=token; there, and spread the token by file_mounts",
                source="Ray's documentation, security",
            )
        if (
            "--dashboard-host=0.0.0.0" in text
            or "--dashboard-host 0.0.0.0" in text
            or (not text and key.startswith("head"))
        ):
            yield Finding(
                (key,) if key in tree else (),
                "the dashboard and the job server listen on every interface",
                "--dashboard-host=127.0.0.1, and reach them by `ray dashboard FILE`",
            )
    mounts = mapping(tree, "file_mounts")
    if "RAY_AUTH_MODE=token" in options and not any(str(place).endswith("auth_token") for place in mounts):
        yield Finding(
            ("file_mounts",) if "file_mounts" in tree else (),
            "the token does not reach the machines: the head makes one of its own, and no worker can join",
            'add "~/.ray/auth_token": "~/.ray/auth_token"',
        )
