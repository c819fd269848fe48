"""Train in a process of its own, which a test may kill: python drill.py JOB.json RESULT.json [preempt].

With `preempt` each of the two workers has a node for itself; the second node is taken away in the middle of the training,
and another one joins.
"""

import json
import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from trainers.checkpoint import REGISTER
from trainers.launch import TrainJob, train
from trainers.settings import TrainingSettings

QUICK = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 3}


def can_resume(job):
    """Whether Ray Train has registered a checkpoint of the job: a folder alone is not yet one."""
    register = Path(job.storage) / job.name / REGISTER
    return register.is_file() and '"step-' in register.read_text(encoding="utf-8")


def with_a_node_lost(job):
    """Train on two nodes, of which one is lost after the first checkpoint."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": QUICK})
    lost = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    results = []
    training = threading.Thread(target=lambda: results.append(train(job)))
    training.start()
    while not can_resume(job):
        assert training.is_alive(), "the training ended before its first checkpoint"
        time.sleep(0.01)
    cluster.remove_node(lost, allow_graceful=False)
    assert training.is_alive(), "the training ended before the node was lost"
    cluster.add_node(num_cpus=1)  # only the main thread may
    training.join()
    ray.shutdown()
    cluster.shutdown()
    return results[0]


def alone(job):
    """Train on a local Ray."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    result = train(job)
    ray.shutdown()
    return result


if __name__ == "__main__":
    fields = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    told = TrainJob(**{**fields, "settings": TrainingSettings(**fields["settings"])})
    found = with_a_node_lost(told) if sys.argv[3:] == ["preempt"] else alone(told)
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
