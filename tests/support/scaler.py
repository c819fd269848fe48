"""Ray's own autoscaler, asked what it would start for a cluster file: no cluster, no cloud."""

import copy
import logging

import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler._private.node_provider_availability_tracker import NodeAvailabilitySummary
from ray.autoscaler._private.resource_demand_scheduler import ResourceDemandScheduler as FirstScheduler
from ray.autoscaler._private.util import prepare_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig, NodeTypeConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.autoscaler_pb2 import ClusterResourceConstraint

from cluster.validation.kuberay import cluster_of, is_ray

logging.getLogger("ray.autoscaler").setLevel(logging.ERROR)


class NoEvents:
    """The scheduler tells what cannot be had to an event log."""

    def __getattr__(self, _name):
        return lambda *_args, **_named: None


def configuration(text):
    """The autoscaler's configuration of a file of `ray up` or of KubeRay."""
    trees = list(yaml.safe_load_all(text))
    if "available_node_types" in trees[0]:
        return prepare_config(copy.deepcopy(trees[0]))
    tree = next(tree for tree in trees if is_ray(tree))
    resource = {"metadata": {"name": "x", "namespace": "default"}, "spec": cluster_of(tree)[0]}
    return _derive_autoscaling_config_from_ray_cr(resource)


def started(text, *bundles, unavailable=()):
    """Name of a group -> machines that the autoscaler starts when a run asks for these bundles (`request_resources`).

    Args:
        text: Of the file.
        bundles: Each a mapping of resources.
        unavailable: Groups whose last start failed.
    """
    autoscaling = AutoscalingConfig(configuration(text), skip_content_hash=True)
    wanted = ClusterResourceConstraint()
    wanted.resource_requests.extend(
        ResourceRequestUtil.group_by_count([ResourceRequestUtil.make(one) for one in bundles])
    )
    recent = dict.fromkeys(unavailable, 0.0)
    request = SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=autoscaling.get_node_type_configs(),
        max_num_nodes=autoscaling.get_max_num_nodes(),
        cluster_resource_constraints=[wanted],
        cloud_resource_availabilities=recent,
        recoverable_resource_availabilities=recent,
    )
    reply = ResourceDemandScheduler(NoEvents()).schedule(request)
    head = autoscaling.get_head_node_type()
    return {one.instance_type: one.count for one in reply.to_launch if one.instance_type != head}


def started_for_waiting(groups, head, actors):
    """What both of Ray's autoscalers start for actors that wait while the head is the only node and nobody asks for anything.

    Args:
        groups: Name of a group -> (resources of a node, most nodes).
        head: Resources of the head.
        actors: The resources of each.

    Returns:
        Name of a group -> number of nodes, once for each autoscaler.
    """
    nodes = sum(most for _, most in groups.values())
    types = {"head": {"resources": dict(head), "min_workers": 0, "max_workers": 0}}
    types |= {
        name: {"resources": dict(one), "min_workers": 0, "max_workers": most} for name, (one, most) in groups.items()
    }
    none = NodeAvailabilitySummary({})
    first, _ = FirstScheduler(None, types, nodes, "head", 100.0).get_nodes_to_launch(
        [], {}, list(actors), {}, [], {}, [], none
    )
    configs = {
        name: NodeTypeConfig(name, one["min_workers"], one["max_workers"] or 1, resources=one["resources"])
        for name, one in types.items()
    }
    request = SchedulingRequest(
        disable_launch_config_check=True,
        node_type_configs=configs,
        max_num_nodes=nodes + 1,
        resource_requests=ResourceRequestUtil.group_by_count([ResourceRequestUtil.make(one) for one in actors]),
    )
    second = ResourceDemandScheduler(NoEvents()).schedule(request)
    found = [first, {one.instance_type: one.count for one in second.to_launch}]
    return [{name: count for name, count in one.items() if name != "head"} for one in found]
