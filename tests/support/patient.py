"""Ray nodes for tests on a busy machine, where a node may take longer to start than the 30 s that Ray waits for it."""

from functools import partial

from ray.cluster_utils import Cluster

from cluster.own_ray import patiently

TRIES = 6


def start_cluster(**head):
    """A cluster of one node; `add_node` adds others.

    Args:
        head: Of the first node: `num_cpus`, `object_store_memory`, ...
    """
    cluster = Cluster()
    add_node(cluster, include_dashboard=False, **head)
    return cluster


def add_node(cluster, **node):
    """Add a node, in a few tries. Only the main thread may."""
    return patiently(partial(cluster.add_node, **node), TRIES)
