"""KubeRay: keys and types by its own schema, each rule of the operator, and the parts of a file beside each other."""

import pytest
from mutate import REMOVED, errors, mutated, notes

SPEC = "spec/rayClusterSpec"
HEAD = f"{SPEC}/headGroupSpec"
GPU = f"{SPEC}/workerGroupSpecs/0"
POD = f"{GPU}/template/spec"


def rule(condition, policy, seconds=0):
    """A deletion rule."""
    return {"condition": {"jobStatus": condition, "ttlSeconds": seconds}, "policy": policy}


# what is changed in rayjob.yaml -> what the line says
ERRORS = {
    # keys and types
    "a typo": ([(f"{GPU}/maxReplica", 1)], "maxReplica: unknown key; did you mean maxReplicas?"),
    "a typo in a pod": ([(f"{POD}/restartPolcy", "Never")], "did you mean restartPolicy?"),
    "a number for a text": ([(f"{HEAD}/rayStartParams/num-cpus", 0)], "0 is no string"),
    "a text for a number": ([(f"{GPU}/maxReplicas", "8")], "'8' is no integer"),
    "a fraction of a pod": ([(f"{GPU}/maxReplicas", 0.5)], "0.5 is no integer"),
    "an unknown autoscaler": ([(f"{SPEC}/autoscalerOptions/version", "v3")], "'v3' is none of v1, v2"),
    "resources that are no text": ([("spec/entrypointResources", {"a": 1})], "is no string"),
    "no most": ([(f"{GPU}/maxReplicas", REMOVED)], "the key maxReplicas is missing"),
    # ValidateRayJobMetadata
    "a name that is too long": ([("metadata/name", "a" * 48)], "48 characters; the operator takes at most 47"),
    "a name with a dot": ([("metadata/name", "a.b")], "is no name of a host"),
    "no name": ([("metadata/name", REMOVED)], "the name is missing"),
    # ValidateRayJobSpec
    "a TTL without shutdown": (
        [("spec/shutdownAfterJobFinishes", False)],
        "ttlSecondsAfterFinished: without shutdownAfterJobFinishes",
    ),
    "a negative TTL": ([("spec/ttlSecondsAfterFinished", -1)], "ttlSecondsAfterFinished: is negative"),
    "suspend without shutdown": (
        [("spec/suspend", True), ("spec/shutdownAfterJobFinishes", REMOVED), ("spec/ttlSecondsAfterFinished", REMOVED)],
        "suspend: needs shutdownAfterJobFinishes",
    ),
    "no deadline at all": ([("spec/activeDeadlineSeconds", 0)], "activeDeadlineSeconds: is not positive"),
    "a negative limit": ([("spec/backoffLimit", -1)], "backoffLimit: is negative"),
    "no cluster": ([(SPEC, REMOVED)], "neither rayClusterSpec nor clusterSelector"),
    "a selector of nothing": ([("spec/clusterSelector", {"a": "b"})], "clusterSelector: names no cluster"),
    "a selector in a sidecar": (
        [("spec/clusterSelector", {"ray.io/cluster": "x"}), ("spec/submissionMode", "SidecarMode")],
        "clusterSelector: with SidecarMode",
    ),
    "a selector and tries": ([("spec/clusterSelector", {"ray.io/cluster": "x"})], "clusterSelector: with backoffLimit"),
    "a selector and suspend": (
        [("spec/clusterSelector", {"ray.io/cluster": "x"}), ("spec/suspend", True)],
        "cannot be suspended",
    ),
    "tries by hand": ([("spec/submissionMode", "InteractiveMode")], "backoffLimit: with InteractiveMode"),
    "a submitter beside a sidecar": (
        [("spec/submissionMode", "SidecarMode")],
        "submitterPodTemplate: with SidecarMode",
    ),
    "a submitter's limit beside a sidecar": (
        [("spec/submissionMode", "SidecarMode"), ("spec/submitterConfig", {"backoffLimit": 1})],
        "submitterConfig: with SidecarMode",
    ),
    "a sidecar in a head that restarts": (
        [("spec/submissionMode", "SidecarMode"), (f"{HEAD}/template/spec/restartPolicy", "Always")],
        "Always with SidecarMode",
    ),
    "an environment that is no YAML": ([("spec/runtimeEnvYAML", "a: [")], "runtimeEnvYAML: is no YAML"),
    "resources that are no JSON": ([("spec/entrypointResources", "{a: 1}")], "is no JSON object in a text"),
    # validateDeletionConfiguration and what it calls
    "rules beside shutdown": (
        [("spec/deletionStrategy", {"deletionRules": [rule("SUCCEEDED", "DeleteSelf")]})],
        "beside shutdownAfterJobFinishes",
    ),
    "rules beside old ones": (
        [
            (
                "spec/deletionStrategy",
                {"deletionRules": [rule("FAILED", "DeleteSelf")], "onFailure": {"policy": "DeleteSelf"}},
            )
        ],
        "onFailure beside deletionRules",
    ),
    "half of the old ones": (
        [("spec/deletionStrategy", {"onFailure": {"policy": "DeleteSelf"}})],
        "needs onSuccess and onFailure",
    ),
    "workers that an autoscaler has": (
        [("spec/deletionStrategy", {"deletionRules": [rule("SUCCEEDED", "DeleteWorkers")]})],
        "DeleteWorkers with an autoscaler",
    ),
    "nothing and all": (
        [("spec/deletionStrategy", {"onSuccess": {"policy": "DeleteNone"}, "onFailure": {"policy": "DeleteSelf"}})],
        "DeleteNone with shutdownAfterJobFinishes",
    ),
    "a cluster of somebody else": (
        [
            ("spec/clusterSelector", {"ray.io/cluster": "x"}),
            ("spec/deletionStrategy", {"deletionRules": [rule("FAILED", "DeleteCluster")]}),
        ],
        "DeleteCluster with a clusterSelector",
    ),
    "two rules for one thing": (
        [("spec/deletionStrategy", {"deletionRules": [rule("FAILED", "DeleteSelf"), rule("FAILED", "DeleteSelf", 1)]})],
        "a second rule for DeleteSelf and FAILED",
    ),
    "the job before its cluster": (
        [
            (
                "spec/deletionStrategy",
                {"deletionRules": [rule("FAILED", "DeleteCluster", 9), rule("FAILED", "DeleteSelf", 1)]},
            )
        ],
        "FAILED: DeleteSelf comes before DeleteCluster",
    ),
    "a rule in the past": (
        [("spec/deletionStrategy", {"deletionRules": [rule("FAILED", "DeleteSelf", -1)]})],
        "ttlSeconds is negative",
    ),
    # ValidateRayClusterSpec and what it calls
    "a head without container": ([(f"{HEAD}/template/spec/containers", [])], "template: has no container"),
    "workers without container": ([(f"{POD}/containers", [])], "template: has no container"),
    "CPUs said twice": (
        [(f"{GPU}/rayStartParams/num-cpus", "4"), (f"{GPU}/resources", {"CPU": "4"})],
        "num-cpus beside the group's resources",
    ),
    "labels where they are not taken": (
        [(f"{GPU}/rayStartParams/labels", "a=b")],
        "labels: is not taken from group gpu",
    ),
    "a label that is none": ([(f"{GPU}/labels", {"a": "b c"})], "a: b c is no label of Kubernetes"),
    "Redis without its options": (
        [(f"{HEAD}/template/spec/containers/0/env/1", {"name": "RAY_REDIS_ADDRESS", "value": "r:1"})],
        "RAY_REDIS_ADDRESS without gcsFaultToleranceOptions",
    ),
    "a name for Redis": ([(f"{HEAD}/rayStartParams/redis-username", "me")], "a user name of Redis"),
    "Redis twice": (
        [
            (f"{SPEC}/gcsFaultToleranceOptions", {"redisAddress": "r:1"}),
            (f"{HEAD}/template/spec/containers/0/env/1", {"name": "RAY_REDIS_ADDRESS", "value": "r:1"}),
        ],
        "the variable RAY_REDIS_ADDRESS beside gcsFaultToleranceOptions",
    ),
    "Redis by an annotation": (
        [
            (f"{SPEC}/gcsFaultToleranceOptions", {"redisAddress": "r:1"}),
            ("metadata/annotations", {"ray.io/ft-enabled": "true"}),
        ],
        "ray.io/ft-enabled beside gcsFaultToleranceOptions",
    ),
    "a version said twice": (
        [(f"{HEAD}/template/spec/containers/0/env/1", {"name": "RAY_enable_autoscaler_v2", "value": "1"})],
        "RAY_enable_autoscaler_v2 beside autoscalerOptions.version",
    ),
    "a version without autoscaler": (
        [
            (f"{SPEC}/enableInTreeAutoscaling", False),
            (f"{HEAD}/template/spec/containers/0/env/1", {"name": "RAY_enable_autoscaler_v2", "value": "1"}),
        ],
        "RAY_enable_autoscaler_v2 without an autoscaler",
    ),
    "a suspended group": ([(f"{GPU}/suspend", True)], "group gpu cannot be suspended"),
    "a pod that restarts": ([(f"{POD}/restartPolicy", "Always")], "Always with autoscaler v2"),
    "a Ray without tokens": ([(f"{SPEC}/rayVersion", "2.51.0")], "2.51.0 with authOptions.mode token"),
    "no version": ([(f"{SPEC}/rayVersion", REMOVED)], "None with authOptions.mode token"),
    "a token of Kubernetes": ([(f"{SPEC}/authOptions/enableK8sTokenAuth", True)], "is not supported in a RayJob"),
    # this project's own
    "another Ray": ([(f"{SPEC}/rayVersion", "2.60.0")], "this project runs on Ray 2.58.0"),
    "no token": ([(f"{SPEC}/authOptions", REMOVED)], "Ray runs without a token"),
    "tokens switched off": ([(f"{SPEC}/authOptions/mode", "disabled")], "Ray runs without a token"),
    "a head for the world": ([(f"{HEAD}/serviceType", "LoadBalancer")], "can be reached from outside"),
    "a way in": ([(f"{HEAD}/enableIngress", True)], "can be reached from outside"),
    "a pod that owns its node": ([(f"{POD}/containers/0/securityContext/privileged", True)], "group gpu is privileged"),
    "a group from nowhere": ([(f"{POD}/containers/0/resources", {})], "is not started from zero"),
    "less than nothing": ([(f"{GPU}/minReplicas", 2)], "minReplicas 2 is above maxReplicas 1"),
    "more than all": ([(f"{GPU}/replicas", 5)], "5 is not between 0 and 1"),
    "two kinds of code": ([(f"{POD}/containers/0/image", "registry.mine.org/vqa:3")], "2 images"),
    "a moving image": ([(f"{POD}/containers/0/image", "registry.mine.org/vqa")], "is another image tomorrow"),
    "a pod outside of the policy": (
        [(f"{GPU}/template/metadata/labels", {"a": "b"})],
        "no NetworkPolicy of this file means this pod",
    ),
    "a token in the open": (
        [(f"{POD}/containers/0/env/1", {"name": "HF_TOKEN", "value": "abcdef"})],
        "stands in the file",
    ),
}


@pytest.mark.parametrize(("changes", "said"), ERRORS.values(), ids=ERRORS)
def test_a_mutation_of_the_job_is_named(changes, said):
    lines = errors(mutated("rayjob.yaml", *changes))
    assert any(said in line for line in lines), lines


def test_a_cluster_may_have_a_longer_name_than_a_job_and_no_longer_one():
    assert errors(mutated("raycluster.yaml", ("metadata/name", "a" * 53))) == []
    assert any("at most 53" in line for line in errors(mutated("raycluster.yaml", ("metadata/name", "a" * 54))))


def test_a_key_of_the_job_is_none_of_the_cluster():
    assert any(
        "entrypoint: unknown key" in line for line in errors(mutated("raycluster.yaml", ("spec/entrypoint", "x")))
    )


NOTES = {
    "a priority": ((f"{GPU}/priority", 10), "does not read the priority of group gpu"),
    "a head that works": ((f"{HEAD}/rayStartParams", {}), "the head takes work"),
    "an account from elsewhere": ((f"{POD}/serviceAccountName", "default"), "default is not in this file"),
}


@pytest.mark.parametrize(("change", "said"), NOTES.values(), ids=NOTES)
def test_what_works_but_is_rarely_meant_is_a_note(change, said):
    text = mutated("rayjob.yaml", change)
    assert errors(text) == []
    assert any(said in line for line in notes(text))


def test_a_pod_that_may_be_root_is_a_note():
    text = mutated("rayjob.yaml", (f"{POD}/securityContext", {}), (f"{POD}/containers/0/securityContext", {}))
    assert any("group gpu may run as root" in line for line in notes(text))


@pytest.mark.parametrize("name", ["rayjob.yaml", "raycluster.yaml"])
def test_the_committed_files_have_no_error_and_nothing_but_examples_to_replace(name):
    assert errors(mutated(name)) == []
    assert notes(mutated(name)) == []
