"""Write a cluster file: the templates of `templates/`, filled from the table of machines and the user's sizes."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

import jinja2

from cluster import ClusterError
from cluster.preflight import RAY
from cluster.render.sizes import (
    BATCH,
    KUBERNETES,
    LAUNCHED,
    PROVIDERS,
    SERVICES,
    Group,
    Shape,
    Sizes,
    machines_of,
    shape_of,
    table,
)

KUBERAY = "1.7.0"  # the release whose keys the files use
SKYPILOT = "0.14.1"
FILES = {provider: f"{provider}.{'sh' if provider == 'slurm' else 'yaml'}" for provider in PROVIDERS}
EXAMPLE = "example"  # marks what a user must replace; `cluster check` names each
_RAY_SHARE = 0.6  # of a machine's memory: Ray keeps 0.3 for objects and the system has its part
_OBJECT_SHARE = 0.3  # of a pod's memory that Ray takes for objects
_MOST_SHARED_GIB = 200
_LABELS = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True)
class Request:
    """What the user wants written. Names of places are examples until they are given.

    Attributes:
        provider: One of `PROVIDERS`.
        sizes: Of the cluster.
        name: Of the cluster or job.
        image: Of all nodes, with its registry and tag.
        service: Kind of Kubernetes.
        region: Of the cloud; None for that of the table.
        zones: Of the region; None for those of the table.
        machine_image: Disk image that machines start with; None for that of the table.
        instance_profile: AWS: what the machines may do.
        security_group: AWS: a group of your own in place of Ray's, which admits SSH from everywhere; None for Ray's.
        project: Google Cloud: the project.
        monitor: Kubernetes: let the Prometheus operator read the metrics.
        videos: Of the run; None for an example in the cloud's bucket.
        out: Run folder, likewise.
        preset: Of the run.
        stages: Of the run.
        days: After so many days a job is ended.
        to: The file that the text will stand in; None for that of the repository.
    """

    provider: str
    sizes: Sizes = field(default_factory=Sizes)
    name: str = "w2s"
    image: str = "registry.example.com/weak-to-strong-vqa:0.1.0-cuda"
    service: str = "gke"
    region: str | None = None
    zones: str | None = None
    machine_image: str | None = None
    instance_profile: str = "arn:aws:iam::123456789012:instance-profile/w2s-example"
    security_group: str | None = None
    project: str = "example-project"
    monitor: bool = True
    videos: str | None = None
    out: str | None = None
    preset: str = "paper"
    stages: int = 3
    days: int = 7
    to: str | None = None


def render(request: Request) -> str:
    """The text of a cluster file.

    Raises:
        ClusterError: The sizes do not fit the provider's machines, or a name is one that the provider refuses.
    """
    if request.provider not in PROVIDERS:
        raise ClusterError(f"--provider {request.provider}: use one of {', '.join(PROVIDERS)}")
    if request.service not in SERVICES:
        raise ClusterError(f"--service {request.service}: use one of {', '.join(SERVICES)}")
    if not _LABELS.fullmatch(request.name):
        raise ClusterError(f"--name {request.name}: use small letters, digits and -, a letter first")
    for option in (
        "image",
        "videos",
        "out",
        "preset",
        "project",
        "zones",
        "region",
        "machine_image",
        "instance_profile",
    ):
        value = getattr(request, option)
        if value is not None and (not value or not value.isprintable()):
            raise ClusterError(f"--{option.replace('_', '-')} {value!r}: give one line of text")
    shape = shape_of(request.provider, request.sizes, request.service)
    text: str = _environment(request).get_template(f"{FILES[request.provider]}.j2").render(_context(request, shape))
    return re.sub(r"[ \t]+\n", "\n", text).rstrip("\n") + "\n"


def _environment(request: Request) -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701 - no HTML: every value goes through `q` or `shell_word`
        loader=jinja2.PackageLoader("cluster.render"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "q": lambda value: json.dumps(str(value), ensure_ascii=False),
        "shell_word": shlex.quote,
        "by_gpu": by_gpu,
        "ray_memory": lambda group: int(group.memory * _RAY_SHARE) * 2**30,
        "limits": limits,
        "shared_memory": lambda group: min(int(group.memory * _OBJECT_SHARE), _MOST_SHARED_GIB),
        "selectors": lambda group: selectors(group, request.service),
    }
    return environment


def by_gpu(groups: tuple[Group, ...]) -> list[Group]:
    """Groups with GPUs first: where limits of the whole cluster shorten the list, CPUs are what is shortened."""
    return sorted(groups, key=lambda group: -group.gpus)


def limits(group: Group) -> str:
    """Kubernetes' resources of a pod, as a flow mapping."""
    gpus = f", nvidia.com/gpu: {group.gpus}" if group.gpus else ""
    return f'{{cpu: "{group.cpus}", memory: {group.memory}Gi{gpus}}}'


def selectors(group: Group, service: str) -> dict[str, str]:
    """Labels of the nodes that a pod may run on: those with its GPU."""
    row = table()[service]
    return {row["gpu_label"]: row.get("gpu_values", {}).get(group.gpu, group.machine)} if group.gpu is not None else {}


def job(request: Request, shape: Shape) -> str:
    """The command of the run, for a shell: where it runs, and the most that it may ask for."""
    script = "/opt/w2s/run.py" if request.provider in (*LAUNCHED, *KUBERNETES) else "run.py"
    place = example_place(request)
    words = ["python", script, "--videos", request.videos or f"{place}/videos", "--preset", request.preset]
    words += ["--stages", str(request.stages), "--out", request.out or f"{place}/runs/first"]
    settings = [f"run.max_cpus={shape.most_cpus}"]
    if shape.most_gpus:
        settings += [f"run.max_gpus={shape.most_gpus}", "pools.score.gpus=0.25"]
        if request.preset.startswith("paper"):
            settings += ["pools.score.gpus_of.qalign=1", f"training.workers={_workers(shape.most_gpus)}"]
    for setting in settings:
        words += ["--set", setting]
    return shlex.join(words)


def _workers(gpus: int) -> int:
    """Workers of the published training: they share its batch of 8 evenly."""
    return max(count for count in (1, 2, 4, 8) if count <= gpus)


def example_place(request: Request) -> str:
    """Where the videos and the run of an example lie."""
    if request.provider == "slurm":
        return "/shared/example"
    google = request.provider == "gcp" or (request.provider in KUBERNETES and request.service == "gke")
    return f"{'gs' if google else 's3'}://example-bucket"


def command(request: Request) -> str:
    """The command that writes this file, with the options that differ from the defaults."""
    words = ["python", "run.py", "cluster", "render", "--provider", request.provider]
    for part in (request.sizes, request):
        for one in dataclasses.fields(part):
            value = getattr(part, one.name)
            default = one.default if one.default is not dataclasses.MISSING else None
            if one.name in ("provider", "sizes") or value == default:
                continue
            option = f"--{one.name.replace('_', '-')}"
            words += [f"--no-{one.name}"] if value is False else [option, str(value)]
    return shlex.join(words)


def _login(image: str, region: str) -> str | None:
    """The command by which a machine may pull from the cloud's own registry, or None for a registry that is open."""
    registry = image.split("/", 1)[0]
    if re.fullmatch(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com", registry):
        where = registry.split(".")[3]
        return f"aws ecr get-login-password --region {where} | docker login --username AWS --password-stdin {registry}"
    if re.fullmatch(r"[a-z0-9-]+-docker\.pkg\.dev", registry) and region:
        return f"gcloud auth configure-docker {registry} --quiet"
    return None


def _context(request: Request, shape: Shape) -> dict[str, Any]:
    offered = machines_of(request.provider, request.service)
    region = request.region or offered["region"]
    zones = request.zones or (offered["zones"] if region == offered["region"] else f"{region}a")
    if request.provider == "gcp" and request.zones is None and request.region:
        zones = f"{region}-a"
    # Batch systems start machines of one kind: those with GPUs, if there are any.
    kind = by_gpu(shape.groups)[0]
    row = table()[request.service]
    return {
        **{one.name: getattr(request, one.name) for one in dataclasses.fields(request)},
        "command": command(request),
        "file": request.to or f"cluster/{FILES[request.provider]}",
        "shape": shape,
        "ray": RAY,
        "kuberay": KUBERAY,
        "skypilot": SKYPILOT,
        "region": region,
        "zones": zones,
        "machine_image": request.machine_image or offered["machine_image"],
        "login": _login(request.image, region),
        "job": job(request, shape),
        "spot": any(group.spot for group in shape.groups) or (request.provider == "skypilot" and request.sizes.spot),
        "grows": request.provider not in BATCH,
        "spot_label": row.get("spot", {}).get("label"),
        "spot_value": row.get("spot", {}).get("value"),
        "machines": kind.most,
        "cpus_each": kind.cpus,
        "memory_each": int(kind.memory * 0.9),
        "gpus_each": kind.gpus,
    }
