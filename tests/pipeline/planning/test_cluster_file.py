import pytest
import yaml

from pipeline.console import UserError
from pipeline.planning.cluster_file import read_cluster, this_machine

AWS = """
cluster_name: w2s
max_workers: 20
idle_timeout_minutes: 3
provider: {type: aws, region: us-west-2}
head_node_type: head
available_node_types:
  head: {resources: {CPU: 0}, node_config: {InstanceType: m7i.2xlarge}}
  cpu-spot:
    resources: {CPU: 32}
    max_workers: 8
    node_config: {InstanceType: c7i.8xlarge, InstanceMarketOptions: {MarketType: spot}}
  cpu-on-demand: {resources: {CPU: 32}, max_workers: 8, node_config: {InstanceType: c7i.8xlarge}}
  gpu: {resources: {CPU: 192, GPU: 8}, max_workers: 2, node_config: {InstanceType: p5en.48xlarge}}
"""
GCP = """
cluster_name: w2s
max_workers: 5
provider: {type: gcp, region: us-central1}
head_node_type: head
available_node_types:
  head: {resources: {CPU: 2}, node_config: {machineType: n2-standard-4}}
  gpu:
    resources: {CPU: 8, GPU: 1}
    max_workers: 9
    node_config: {machineType: zones/a/machineTypes/g2-standard-8, scheduling: [{preemptible: true}]}
"""
KUBERAY = """
apiVersion: v1
kind: ConfigMap
---
apiVersion: ray.io/v1
kind: RayJob
spec:
  rayClusterSpec:
    enableInTreeAutoscaling: true
    autoscalerOptions: {idleTimeoutSeconds: 120}
    headGroupSpec:
      rayStartParams: {num-cpus: "0"}
      template: {spec: {containers: [{name: ray-head, resources: {limits: {cpu: "4", memory: 16Gi}}}]}}
    workerGroupSpecs:
      - groupName: gpu
        replicas: 0
        maxReplicas: 3
        template:
          spec:
            nodeSelector: {node.kubernetes.io/instance-type: g6.4xlarge, karpenter.sh/capacity-type: spot}
            containers: [{name: w, resources: {requests: {cpu: 7500m}, limits: {nvidia.com/gpu: 1}}}]
"""


def read(folder, text):
    path = folder / "cluster.yaml"
    path.write_text(text)
    return read_cluster(str(path))


def test_nodes_of_a_ray_up_file(tmp_path):
    cluster = read(tmp_path, AWS)
    assert (cluster.provider, cluster.region, cluster.idle_s) == ("aws", "us-west-2", 180.0)
    assert [(one.name, one.kind, one.most, one.spot) for one in cluster.groups] == [
        ("cpu-spot", "c7i.8xlarge", 8, True),
        ("gpu", "p5en.48xlarge", 2, False),
    ], "the fall-back to on-demand nodes adds none to what the spot nodes can be"
    assert (cluster.cpus, cluster.gpus) == (8 * 32 + 2 * 192, 16)
    assert cluster.head.kind == "m7i.2xlarge"


def test_the_limit_of_the_whole_cluster_counts(tmp_path):
    cluster = read(tmp_path, GCP)
    assert [(one.kind, one.most, one.spot) for one in cluster.groups] == [("g2-standard-8", 5, True)]
    assert (cluster.cpus, cluster.gpus) == (2 + 40, 5)
    tree = yaml.safe_load(GCP)
    del tree["max_workers"]
    assert read(tmp_path, yaml.safe_dump(tree)).gpus == 2, "Ray's own default where a file says nothing"


def test_nodes_of_a_kuberay_file(tmp_path):
    cluster = read(tmp_path, KUBERAY)
    (group,) = cluster.groups
    assert (group.name, group.kind, group.cpus, group.gpus, group.most, group.spot) == (
        "gpu",
        "g6.4xlarge",
        7.5,
        1,
        3,
        True,
    )
    assert (cluster.head.cpus, cluster.idle_s, cluster.provider) == (0, 120, "kubernetes")
    fixed = KUBERAY.replace("enableInTreeAutoscaling: true", "enableInTreeAutoscaling: false").replace(
        "replicas: 0", "replicas: 2"
    )
    assert read(tmp_path, fixed).groups[0].most == 2, "without the autoscaler there are as many as the file says"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not valid YAML"),
        ("a: 1", "neither a file for `ray up`"),
        ("- 1", "neither a file for `ray up`"),
        (AWS.replace("head_node_type: head\n", ""), "no 'head_node_type'"),
        (AWS.replace("resources: {CPU: 192, GPU: 8}, ", ""), "node type gpu does not say its resources"),
        (KUBERAY.replace("7500m", "many"), "'many' is no quantity"),
        (KUBERAY.replace("headGroupSpec", "head"), "no 'headGroupSpec'"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "cluster.yaml" in str(caught.value)


def test_this_machine_has_cpus_and_no_price():
    cluster = this_machine()
    assert cluster.cpus >= 2
    assert not cluster.provider
