"""What KubeRay's operator refuses and no schema sees.

Each rule names the function of `ray-operator/controllers/ray/utils/validation.go` that it restates (KubeRay at 0074504, before
v1.7.0). Rules of later commits name those.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from cluster.validation.finding import Finding, Path, at, mapping, sequence

LONGEST_CLUSTER, LONGEST_JOB = 53, 47  # constant.go: MaxRayClusterNameLength, MaxRayJobNameLength
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_OWN = ("num-cpus", "num-gpus", "memory", "resources")
_V2 = "RAY_enable_autoscaler_v2"
_TOKEN_SINCE = (2, 52)


def name_of(tree: dict[str, Any], longest: int, source: str) -> Iterator[Finding]:
    """`ValidateRayClusterMetadata`, `ValidateRayJobMetadata`."""
    name = at(tree, "metadata", "name")
    path: Path = ("metadata", "name")
    if not isinstance(name, str):
        yield Finding(("metadata",), "the name is missing", "add it", source=source)
    elif len(name) > longest:
        yield Finding(
            path, f"{len(name)} characters; the operator takes at most {longest}", "shorten it", source=source
        )
    elif not _DNS_1035.fullmatch(name):
        yield Finding(
            path, f"{name!r} is no name of a host", "use small letters, digits and -, a letter first", source=source
        )


def groups_of(spec: dict[str, Any], path: Path) -> list[tuple[Path, dict[str, Any], str]]:
    """The head and the worker groups, with their paths and names."""
    found = [((*path, "headGroupSpec"), mapping(spec, "headGroupSpec"), "Head")]
    for index, group in enumerate(sequence(spec, "workerGroupSpecs")):
        found.append(((*path, "workerGroupSpecs", index), mapping(group), str(at(group, "groupName"))))
    return found


def environment_of(group: dict[str, Any]) -> dict[str, Any]:
    """Environment of the Ray container, the first of its pod."""
    entries = sequence(group, "template", "spec", "containers", 0, "env")
    return {str(at(entry, "name")): at(entry, "value") for entry in entries}


def cluster_spec(spec: dict[str, Any], annotations: dict[str, Any], path: Path) -> Iterator[Finding]:
    """`ValidateRayClusterSpec`."""
    for where, group, name in groups_of(spec, path):
        yield from _group(where, group, name)
    yield from _fault_tolerance(spec, annotations, path)
    yield from _autoscaler(spec, path)
    yield from _token(spec, path)


def _group(path: Path, group: dict[str, Any], name: str) -> Iterator[Finding]:
    """`validateRayGroupResources`, `validateRayGroupLabels`, and the first lines of `ValidateRayClusterSpec`."""
    if not sequence(group, "template", "spec", "containers"):
        yield Finding((*path, "template"), "has no container", "add one", source="ValidateRayClusterSpec")
    start = mapping(group, "rayStartParams")
    twice = [key for key in _OWN if start.get(key)]
    if twice and mapping(group, "resources"):
        yield Finding(
            (*path, "rayStartParams"), f"{', '.join(twice)} beside the group's resources", "keep one of the two",
            source="validateRayGroupResources",
        )  # fmt: skip
    if "labels" in start:
        yield Finding(
            (*path, "rayStartParams", "labels"), f"is not taken from group {name}", "use the group's own labels",
            source="validateRayGroupLabels",
        )  # fmt: skip
    for key, value in mapping(group, "labels").items():
        fits = len(str(value)) <= 63 and _LABEL_VALUE.fullmatch(str(value))
        if not _LABEL_KEY.fullmatch(str(key)) or not fits:
            yield Finding(
                (*path, "labels", key), f"{key}: {value} is no label of Kubernetes", "letters, digits, -, _ and . in 63",
                source="validateRayGroupLabels",
            )  # fmt: skip


def _fault_tolerance(spec: dict[str, Any], annotations: dict[str, Any], path: Path) -> Iterator[Finding]:
    """`ValidateRayClusterSpec`, its part on the head's memory in Redis."""
    source = "ValidateRayClusterSpec"
    options = spec.get("gcsFaultToleranceOptions")
    head = mapping(spec, "headGroupSpec")
    environment, start = environment_of(head), mapping(head, "rayStartParams")
    where: Path = (*path, "headGroupSpec")
    if annotations.get("ray.io/ft-enabled") and options is not None:
        yield Finding(
            ("metadata", "annotations"),
            "ray.io/ft-enabled beside gcsFaultToleranceOptions",
            "keep the latter",
            source=source,
        )
    if options is None and annotations.get("ray.io/ft-enabled") != "true" and "RAY_REDIS_ADDRESS" in environment:
        yield Finding(where, "RAY_REDIS_ADDRESS without gcsFaultToleranceOptions", "set the options", source=source)
    if options is not None:
        for present, what in (
            (bool(start.get("redis-password")), "rayStartParams.redis-password"),
            ("REDIS_PASSWORD" in environment, "the variable REDIS_PASSWORD"),
            ("RAY_REDIS_ADDRESS" in environment, "the variable RAY_REDIS_ADDRESS"),
            (
                bool(annotations.get("ray.io/external-storage-namespace")),
                "the annotation ray.io/external-storage-namespace",
            ),
        ):
            if present:
                yield Finding(where, f"{what} beside gcsFaultToleranceOptions", "use its field", source=source)
    if start.get("redis-username") or "REDIS_USERNAME" in environment:
        yield Finding(where, "a user name of Redis", "use gcsFaultToleranceOptions.redisUsername", source=source)


def scales(spec: dict[str, Any]) -> bool:
    """`IsAutoscalingEnabled`."""
    return spec.get("enableInTreeAutoscaling") is True


def _autoscaler(spec: dict[str, Any], path: Path) -> Iterator[Finding]:
    """`ValidateRayClusterSpec`, its part on the autoscaler."""
    source = "ValidateRayClusterSpec"
    environment = environment_of(mapping(spec, "headGroupSpec"))
    switch = str(environment.get(_V2, "")).lower()
    if not scales(spec):
        if switch in ("1", "true"):
            yield Finding(
                (*path, "headGroupSpec"),
                f"{_V2} without an autoscaler",
                "set enableInTreeAutoscaling: true",
                source=source,
            )
        return
    version = at(spec, "autoscalerOptions", "version")
    if version is not None and _V2 in environment:
        yield Finding(
            (*path, "headGroupSpec"), f"{_V2} beside autoscalerOptions.version", "keep the latter", source=source
        )
    for where, group, name in groups_of(spec, path):
        if group.get("suspend") is True:
            yield Finding(
                (*where, "suspend"), f"group {name} cannot be suspended with an autoscaler", "remove it", source=source
            )
        policy = at(group, "template", "spec", "restartPolicy")
        if (version == "v2" or switch in ("1", "true")) and policy not in (None, "", "Never"):
            yield Finding(
                (*where, "template", "spec", "restartPolicy"), f"{policy} with autoscaler v2", "Never, or leave it out",
                source=source,
            )  # fmt: skip


def _token(spec: dict[str, Any], path: Path) -> Iterator[Finding]:
    """`ValidateRayClusterSpec`, its part on `IsAuthEnabled`."""
    if at(spec, "authOptions", "mode") != "token":
        return
    version = spec.get("rayVersion")
    parts = re.match(r"v?(\d+)\.(\d+)", version) if isinstance(version, str) else None
    if parts is None or (int(parts[1]), int(parts[2])) < _TOKEN_SINCE:
        yield Finding(
            (*path, "rayVersion"), f"{version} with authOptions.mode token", "name Ray 2.52 or later",
            source="ValidateRayClusterSpec",
        )  # fmt: skip


def job(tree: dict[str, Any]) -> Iterator[Finding]:
    """`ValidateRayJobMetadata` and `ValidateRayJobSpec`."""
    yield from name_of(tree, LONGEST_JOB, "ValidateRayJobMetadata")
    spec = mapping(tree, "spec")
    yield from _job_numbers(spec)
    yield from _deletion(spec)
    yield from _selector(spec)
    yield from _submission(spec)
    yield from _texts(spec)
    cluster = spec.get("rayClusterSpec")
    if isinstance(cluster, dict):
        path: Path = ("spec", "rayClusterSpec")
        yield from cluster_spec(cluster, mapping(tree, "metadata", "annotations"), path)
        if at(cluster, "authOptions", "enableK8sTokenAuth") is True:
            yield Finding(
                (*path, "authOptions", "enableK8sTokenAuth"), "is not supported in a RayJob", "use mode: token",
                source="validation.go at feeaf72",
            )  # fmt: skip


def _number(spec: dict[str, Any], key: str) -> int:
    value = spec.get(key)
    return value if isinstance(value, int) else 0


def _job_numbers(spec: dict[str, Any]) -> Iterator[Finding]:
    source = "ValidateRayJobSpec"
    if spec.get("suspend") is True and spec.get("shutdownAfterJobFinishes") is not True:
        yield Finding(("spec", "suspend"), "needs shutdownAfterJobFinishes", "set that true", source=source)
    if _number(spec, "ttlSecondsAfterFinished") < 0:
        yield Finding(("spec", "ttlSecondsAfterFinished"), "is negative", "0 or more", source=source)
    if "activeDeadlineSeconds" in spec and _number(spec, "activeDeadlineSeconds") <= 0:
        yield Finding(("spec", "activeDeadlineSeconds"), "is not positive", "1 or more", source=source)
    if _number(spec, "backoffLimit") < 0:
        yield Finding(("spec", "backoffLimit"), "is negative", "0 or more", source=source)


def _selector(spec: dict[str, Any]) -> Iterator[Finding]:
    source = "ValidateRayJobSpec"
    selector = spec.get("clusterSelector")
    if not selector and spec.get("rayClusterSpec") is None:
        yield Finding(("spec",), "neither rayClusterSpec nor clusterSelector", "give one", source=source)
    if not selector:
        return
    path: Path = ("spec", "clusterSelector")
    if not at(selector, "ray.io/cluster"):
        yield Finding(path, "names no cluster", "set ray.io/cluster", source=source)
    if spec.get("suspend") is True:
        yield Finding(path, "cannot be suspended", "remove suspend", source=source)
    if spec.get("submissionMode") == "SidecarMode":
        yield Finding(path, "with SidecarMode", "use K8sJobMode", source=source)
    if _number(spec, "backoffLimit") > 0:
        yield Finding(path, "with backoffLimit", "remove backoffLimit", source="validation.go at feeaf72")


def _submission(spec: dict[str, Any]) -> Iterator[Finding]:
    source = "ValidateRayJobSpec"
    mode = spec.get("submissionMode")
    if mode == "InteractiveMode" and _number(spec, "backoffLimit") > 0:
        yield Finding(("spec", "backoffLimit"), "with InteractiveMode", "remove it", source=source)
    if mode == "SidecarMode":
        for key in ("submitterPodTemplate", "submitterConfig"):
            if spec.get(key) is not None:
                yield Finding(("spec", key), "with SidecarMode", "remove it", source=source)
        policy = at(spec, "rayClusterSpec", "headGroupSpec", "template", "spec", "restartPolicy")
        if policy not in (None, "", "Never"):
            yield Finding(
                ("spec", "rayClusterSpec", "headGroupSpec", "template", "spec", "restartPolicy"),
                f"{policy} with SidecarMode", "Never, or leave it out", source=source,
            )  # fmt: skip


def _texts(spec: dict[str, Any]) -> Iterator[Finding]:
    """Fields that are texts in another format."""
    import yaml

    environment = spec.get("runtimeEnvYAML")
    if isinstance(environment, str):
        try:
            yaml.safe_load(environment)
        except yaml.YAMLError:
            yield Finding(
                ("spec", "runtimeEnvYAML"), "is no YAML", "correct the text", source="UnmarshalRuntimeEnvYAML"
            )
    wanted = spec.get("entrypointResources")
    if isinstance(wanted, str):
        try:
            fits = isinstance(json.loads(wanted), dict)
        except ValueError:
            fits = False
        if not fits:
            yield Finding(
                ("spec", "entrypointResources"), "is no JSON object in a text", "write '{\"kind\": 1}'", source="job.go"
            )


def _deletion(spec: dict[str, Any]) -> Iterator[Finding]:
    """`validateDeletionConfiguration`."""
    source = "validateDeletionConfiguration"
    shuts = spec.get("shutdownAfterJobFinishes") is True
    if not shuts and _number(spec, "ttlSecondsAfterFinished") > 0:
        yield Finding(
            ("spec", "ttlSecondsAfterFinished"), "without shutdownAfterJobFinishes", "set that true", source=source
        )
    strategy = spec.get("deletionStrategy")
    if not isinstance(strategy, dict):
        return
    path: Path = ("spec", "deletionStrategy")
    rules, old = sequence(strategy, "deletionRules"), [key for key in ("onSuccess", "onFailure") if key in strategy]
    if rules and shuts:
        yield Finding((*path, "deletionRules"), "beside shutdownAfterJobFinishes", "keep one of the two", source=source)
    if rules and old:
        yield Finding(path, f"{old[0]} beside deletionRules", "keep the latter", source=source)
    if not rules and len(old) < 2:
        yield Finding(path, "needs onSuccess and onFailure, or deletionRules", "complete it", source=source)
    policies: list[tuple[Path, object]] = [
        (("deletionRules", index), at(rule, "policy")) for index, rule in enumerate(rules)
    ]
    policies += [((key,), at(strategy, key, "policy")) for key in old]
    for step, policy in policies:
        yield from _policy((*path, *step), policy, spec, shuts=shuts)
    yield from _order((*path, "deletionRules"), rules)


def _policy(path: Path, policy: object, spec: dict[str, Any], *, shuts: bool) -> Iterator[Finding]:
    source = "validateDeletionRules, validateLegacyDeletionPolicies"
    if policy == "DeleteWorkers" and scales(mapping(spec, "rayClusterSpec")):
        yield Finding(path, "DeleteWorkers with an autoscaler", "use DeleteCluster", source=source)
    if policy in ("DeleteCluster", "DeleteWorkers") and spec.get("clusterSelector"):
        yield Finding(path, f"{policy} with a clusterSelector", "the cluster is not the job's to delete", source=source)
    if policy == "DeleteNone" and shuts:
        yield Finding(path, "DeleteNone with shutdownAfterJobFinishes", "keep one of the two", source=source)


def _order(path: Path, rules: Any) -> Iterator[Finding]:
    """`validateTTLConsistency`: workers go no later than the cluster, the cluster no later than the job."""
    order = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")
    times: dict[object, dict[object, int]] = {}
    for index, rule in enumerate(rules):
        status, policy = at(rule, "condition", "jobStatus"), at(rule, "policy")
        seconds = at(rule, "condition", "ttlSeconds") or 0
        if seconds < 0:
            yield Finding((*path, index), "ttlSeconds is negative", "0 or more", source="validateDeletionRules")
        if policy in times.setdefault(status, {}):
            yield Finding(
                (*path, index), f"a second rule for {policy} and {status}", "remove one", source="validateDeletionRules"
            )
        times[status][policy] = seconds
    for status, by_policy in times.items():
        given = [(policy, by_policy[policy]) for policy in order if policy in by_policy]
        for (first, early), (then, late) in itertools.pairwise(given):
            if late < early:
                yield Finding(
                    path,
                    f"{status}: {then} comes before {first}",
                    f"{early} s or later",
                    source="validateTTLConsistency",
                )
