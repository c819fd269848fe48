"""Files of `ray up`: the committed ones are right, and every mutation is named in one line."""

import pytest
from mutate import REMOVED, errors, mutated, notes

GPU = "available_node_types/gpu"
HEAD = "available_node_types/head"

# change of aws.yaml -> what the line says
ERRORS = {
    "a key with a typo": ((f"{GPU}/max_worker", 1), "max_worker: unknown key; did you mean max_workers?"),
    "an unknown key at the top": (("max_wokers", 1), "max_wokers: unknown key; did you mean max_workers?"),
    "a fraction of a GPU": ((f"{GPU}/resources/GPU", 0.5), "resources.GPU: 0.5 is no integer"),
    "a group without resources": (
        (f"{GPU}/resources", REMOVED),
        "available_node_types.gpu: the key resources is missing",
    ),
    "a text for a number": ((f"{GPU}/max_workers", "many"), "'many' is no integer"),
    "a head that is no group": (("head_node_type", "haed"), "`head_node_type` must be one of `available_node_types`"),
    "no name": (("cluster_name", REMOVED), "cluster_name is missing"),
    "no limit": (("max_workers", REMOVED), "there are never more than 2 machines"),
    "more at least than at most": ((f"{GPU}/min_workers", 2), "min_workers 2 is above max_workers 1"),
    "a spot head": (
        (f"{HEAD}/node_config/InstanceMarketOptions", {"MarketType": "spot"}),
        "the head is a spot machine",
    ),
    "nightly builds": (("docker", REMOVED), "Ray's defaults install a nightly build"),
    "the setup of the defaults": (
        ("setup_commands", REMOVED),
        "the default looks for Ray and installs a nightly build",
    ),
    "an image without a tag": (("docker/image", "registry.mine.org/vqa"), "is another image tomorrow"),
    "the newest image": (("docker/image", "registry.mine.org:5000/vqa:latest"), "is another image tomorrow"),
    "a profile that is a text": (
        (f"{GPU}/node_config/IamInstanceProfile", "vqa"),
        "IamInstanceProfile: has another form",
    ),
    "a profile with both names": (
        (f"{GPU}/node_config/IamInstanceProfile", {"Arn": "arn:aws:iam::1:instance-profile/a", "Name": "a"}),
        "IamInstanceProfile: has another form",
    ),
    "no machine image": ((f"{GPU}/node_config/ImageId", REMOVED), "Ubuntu 18.04"),
    "a dashboard for all": (
        ("head_start_ray_commands/1", "export RAY_AUTH_MODE=token; ray start --head --dashboard-host=0.0.0.0"),
        "the dashboard and the job server listen on every interface",
    ),
    "the start commands of the defaults": (("head_start_ray_commands", REMOVED), "listen on every interface"),
    "a token that is not spread": (("file_mounts", {}), "the token does not reach the machines"),
    "a key of AWS": ((f"{GPU}/node_config/UserData", "AKIA" + "A" * 16), "a key of AWS stands in the file"),
    "a password": (
        ("docker/run_options/2", "--env AWS_SECRET_ACCESS_KEY=abcdefghijk"),
        "a value of AWS_SECRET_ACCESS_KEY stands in the file",
    ),
}


@pytest.mark.parametrize(("change", "said"), ERRORS.values(), ids=ERRORS)
def test_a_mutation_of_the_file_for_aws_is_named(change, said):
    lines = errors(mutated("aws.yaml", change))
    assert any(said in line for line in lines), lines
    assert not any(line.count("\n") for line in lines)


def test_ray_without_a_token_is_an_error_in_both_start_commands():
    text = mutated(
        "aws.yaml",
        ("docker/run_options", []),
        ("head_start_ray_commands", ["ray start --head --dashboard-host=127.0.0.1"]),
        ("worker_start_ray_commands", ["ray start --address=$RAY_HEAD_IP:6379"]),
    )
    assert sum("starts Ray without a token" in line for line in errors(text)) == 2


GOOGLE = {
    "no resources": ((f"{GPU}/resources", {}), "so the group is never started"),
    "a GPU that is not said": ((f"{GPU}/resources/GPU", REMOVED), "has GPUs, and Ray is not told how many"),
    "scheduling that is no list": (
        (f"{GPU}/node_config/scheduling", {"preemptible": True}),
        "is a list in Ray's files",
    ),
    "no account": ((f"{GPU}/node_config/serviceAccounts", REMOVED), "no serviceAccounts"),
    "a spot head": ((f"{HEAD}/node_config/scheduling", [{"preemptible": True}]), "the head is a spot machine"),
}


@pytest.mark.parametrize(("change", "said"), GOOGLE.values(), ids=GOOGLE)
def test_a_mutation_of_the_file_for_google_is_named(change, said):
    lines = errors(mutated("gcp.yaml", change))
    assert any(said in line for line in lines), lines


NOTES = {
    "a head that works": ((f"{HEAD}/resources/CPU", 4), "the head takes work"),
    "machines that are kept": (("provider/cache_stopped_nodes", REMOVED), "with a disk that costs money"),
    "GPUs from the first minute": ((f"{GPU}/min_workers", 1), "run from the first minute to the last"),
    "no profile": ((f"{GPU}/node_config/IamInstanceProfile", REMOVED), "can read neither the bucket"),
}


@pytest.mark.parametrize(("change", "said"), NOTES.values(), ids=NOTES)
def test_what_costs_money_or_trust_is_a_note(change, said):
    text = mutated("aws.yaml", change)
    assert errors(text) == []
    assert any(said in line for line in notes(text))


@pytest.mark.parametrize("name", ["aws.yaml", "gcp.yaml"])
def test_the_committed_files_have_no_error_and_nothing_but_examples_to_replace(name):
    assert errors(mutated(name)) == []
    assert notes(mutated(name)) == []


def test_a_secret_is_named_and_never_shown():
    secret = "AKIA" + "Q7" * 8
    assert not any(secret in line for line in errors(mutated("aws.yaml", ("cluster_name", secret))))
