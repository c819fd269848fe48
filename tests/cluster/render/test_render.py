"""Cluster files: the committed ones are what the generator writes, and Ray's own autoscaler reads them as they are meant."""

import shlex
from pathlib import Path

import pytest
import yaml
from scaler import configuration, started

from cluster import ClusterError
from cluster.ceiling import groups_of, total
from cluster.preflight import RAY
from cluster.render.render import FILES, Request, command, render
from cluster.render.sizes import KUBERNETES, LAUNCHED, PROVIDERS, SERVICES, Sizes
from cluster.validation.check import check_text
from pipeline.settings.config import load

ROOT = Path(__file__).resolve().parents[3]
GPU, CPU = {"GPU": 1, "CPU": 1}, {"CPU": 1}
OWN = {
    "image": "123456789013.dkr.ecr.eu-west-1.amazonaws.com/vqa:2",
    "project": "mine",
    "instance_profile": "arn:aws:iam::123456789013:instance-profile/vqa",
    "videos": "s3://mine/videos",
    "out": "s3://mine/run",
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_committed_file_is_what_the_generator_writes(provider):
    path = f"cluster/{FILES[provider]}"
    assert (ROOT / path).read_text(encoding="utf-8") == render(Request(provider, to=path)), (
        f"write it again: {command(Request(provider, to=path))} --force"
    )


SIZES = (Sizes(), Sizes(gpus=0), Sizes(gpus=16, spot=False), Sizes(gpus=3, gpu="L4", cpus=1))


@pytest.mark.parametrize(
    ("provider", "service", "sizes"),
    [
        *((provider, "gke", sizes) for provider in PROVIDERS for sizes in SIZES if provider not in KUBERNETES),
        *((provider, service, sizes) for provider in KUBERNETES for service in SERVICES for sizes in SIZES[1:3]),
    ],
)
def test_with_values_of_ones_own_every_file_is_without_a_remark(provider, service, sizes):
    text = render(Request(provider, sizes, service=service, preset="local" if sizes.gpus < 8 else "paper", **OWN))
    assert [one.text("file") for one in check_text(text, "file")] == []


@pytest.mark.parametrize("provider", [*LAUNCHED, *KUBERNETES])
class TestTheAutoscaler:
    """What Ray's own scheduler would start, by the committed file."""

    def text(self, provider):
        return (ROOT / "cluster" / FILES[provider]).read_text(encoding="utf-8")

    def test_starts_nothing_for_nothing(self, provider):
        assert started(self.text(provider)) == {}

    def test_starts_gpus_from_zero(self, provider):
        found = started(self.text(provider), *[GPU] * 8)
        assert found in ({"gpu-spot": 1}, {"gpu": 1})

    def test_starts_no_gpus_for_work_without_any(self, provider):
        assert not {"gpu", "gpu-spot"} & set(started(self.text(provider), *[CPU] * 100))

    def test_starts_no_more_machines_than_there_may_be(self, provider):
        found = started(self.text(provider), *[CPU] * 4000, *[GPU] * 64)
        assert sum(found.values()) <= {"aws": 9, "gcp": 9, "rayjob": 9, "raycluster": 9}[provider]

    def test_gives_the_head_no_work(self, provider):
        read = configuration(self.text(provider))
        assert read["available_node_types"][read["head_node_type"]]["resources"].get("CPU") == 0


@pytest.mark.parametrize("provider", LAUNCHED)
def test_spot_machines_come_first_and_machines_on_demand_where_none_can_be_had(provider):
    text = render(Request(provider))
    assert started(text, GPU) == {"gpu-spot": 1}
    assert started(text, GPU, unavailable=["gpu-spot"]) == {"gpu": 1}
    assert started(text, CPU) == {"cpu-spot": 1}
    assert started(text, CPU, unavailable=["cpu-spot"]) == {"cpu": 1}


@pytest.mark.parametrize("provider", LAUNCHED)
def test_a_run_sees_all_gpus_in_the_ceiling_of_the_file(provider):
    read = configuration(render(Request(provider)))
    groups = groups_of(
        {"groups": read["available_node_types"], "max_workers": read["max_workers"], "head": read["head_node_type"]}
    )
    most = total(groups, "the file")
    assert most.gpus >= 8
    assert most.spare_cpus > 0, "and CPUs beside them"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_command_of_the_run_is_one_that_the_program_takes(provider):
    for sizes, preset in (
        (Sizes(), "paper"),
        (Sizes(gpus=16), "paper"),
        (Sizes(gpus=1, gpu="L4"), "local"),
        (Sizes(gpus=0), "local"),
    ):
        text = render(Request(provider, sizes, preset=preset, **OWN))
        words = shlex.split(next(line for line in text.splitlines() if "run.py --videos" in line))
        words = shlex.split(words[-1]) if "run.py --videos" in words[-1] else words
        settings = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        config = load(preset=preset, videos="s3://mine/videos", overrides=settings)
        assert config.run.max_gpus == (sizes.gpus or None)
        assert config.run.max_cpus > 0
        if preset == "paper":
            assert config.training.workers == 8, "they share a batch of 8"


def test_pods_carry_the_label_that_the_policy_and_the_monitor_select():
    trees = list(yaml.safe_load_all(render(Request("rayjob", name="mine"))))
    by_kind = {tree["kind"]: tree for tree in trees}
    assert set(by_kind) == {"RayJob", "ServiceAccount", "NetworkPolicy", "PodMonitor"}
    spec = by_kind["RayJob"]["spec"]
    cluster = spec["rayClusterSpec"]
    templates = [
        spec["submitterPodTemplate"],
        cluster["headGroupSpec"]["template"],
        *(one["template"] for one in cluster["workerGroupSpecs"]),
    ]
    for template in templates:
        assert template["metadata"]["labels"] == by_kind["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    assert by_kind["RayJob"]["spec"]["rayClusterSpec"]["rayVersion"] == RAY


def test_kinds_of_kubernetes_differ_in_their_labels():
    def pod(service):
        tree = next(yaml.safe_load_all(render(Request("raycluster", service=service))))
        return next(one["template"]["spec"] for one in tree["spec"]["workerGroupSpecs"] if one["groupName"] == "gpu")

    assert pod("gke")["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-h200-141gb"}
    assert pod("eks")["nodeSelector"] == {"node.kubernetes.io/instance-type": "p5en.48xlarge"}
    assert pod("generic")["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-H200"}
    assert "affinity" not in pod("generic"), "nothing says which nodes are spot"


def test_a_registry_of_the_cloud_is_logged_in_to_without_a_password_in_a_list_of_processes():
    for provider, image in (("aws", OWN["image"]), ("gcp", "europe-docker.pkg.dev/mine/vqa/image:2")):
        tree = yaml.safe_load(render(Request(provider, image=image)))
        assert len(tree["initialization_commands"]) == 1
    assert (
        "--password-stdin" in yaml.safe_load(render(Request("aws", image=OWN["image"])))["initialization_commands"][0]
    )
    assert yaml.safe_load(render(Request("aws")))["initialization_commands"] == [], "an open registry asks nothing"


def test_names_of_the_user_stay_values():
    hostile = 's3://mine/a "b": {c}\' #d'
    tree = next(yaml.safe_load_all(render(Request("rayjob", videos=hostile, out="s3://x/y"))))
    assert hostile in shlex.split(tree["spec"]["entrypoint"])
    script = render(Request("slurm", videos=hostile, out="/x/y"))
    assert hostile in shlex.split(next(line for line in script.splitlines() if line.startswith("python run.py")))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"provider": "azure"}, "--provider azure"),
        ({"service": "aks"}, "--service aks"),
        ({"name": "Mine"}, "--name Mine"),
        ({"videos": "s3://a\nb"}, "--videos"),
        ({"image": ""}, "--image"),
        ({"out": "a\x1bb"}, "--out"),
    ],
)
def test_values_that_no_file_can_hold_are_refused(wrong, said):
    with pytest.raises(ClusterError, match=said):
        render(Request(**{"provider": "aws", **wrong}))


def test_the_first_line_is_the_command_that_writes_the_file_again():
    request = Request("aws", Sizes(gpus=16, spot=False), name="big", stages=2)
    assert command(request) == "python run.py cluster render --provider aws --gpus 16 --no-spot --name big --stages 2"
    assert render(request).splitlines()[0].endswith(command(request))
