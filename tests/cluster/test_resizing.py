"""When a pool of a stream gives up an actor, asked of Ray's own pool."""

import time
from types import SimpleNamespace

import pytest
from ray.data._internal.actor_autoscaler.autoscaling_actor_pool import ActorPoolScalingRequest, AutoscalingActorConfig
from ray.data._internal.execution.interfaces import ExecutionResources
from ray.data._internal.execution.operators.actor_pool_map_operator import _ActorPool

from cluster.resizing import KEEP_S, Resizing, _hand_out


@pytest.fixture
def pool():
    nothing = ExecutionResources.zero()
    return _ActorPool(
        lambda labels: pytest.fail("no actor is to start"),
        AutoscalingActorConfig(
            min_size=1,
            max_size=2,
            initial_size=1,
            max_actor_concurrency=1,
            max_tasks_in_flight_per_actor=4,
            per_actor_resource_usage=nothing,
        ),
    )


def may_shrink(pool, grown_s_ago, force=False):
    pool._last_upscaled_at = time.time() - grown_s_ago
    operator = SimpleNamespace(get_autoscaling_actor_pools=lambda: [pool])
    Resizing().on_execution_step(SimpleNamespace(_topology=[operator]))
    return pool._can_apply_request(ActorPoolScalingRequest.downscale(delta=-1, force=force, reason="idle for a moment"))


def test_a_pool_that_grew_a_minute_ago_keeps_its_actors_though_it_is_idle_for_a_moment(pool):
    assert not may_shrink(pool, grown_s_ago=60)


def test_a_pool_that_has_not_grown_for_long_shrinks_with_its_queue(pool):
    assert may_shrink(pool, grown_s_ago=KEEP_S + 1)


def test_a_pool_without_any_rows_left_gives_its_actors_back_at_once(pool):
    assert may_shrink(pool, grown_s_ago=1, force=True)


class Resources:
    """Of a cluster of four GPUs."""

    def __init__(self, used):
        self.used = used

    def get_global_limits(self):
        return ExecutionResources(cpu=8, gpu=4, memory=1e9)

    def get_global_usage(self):
        return ExecutionResources(cpu=1, gpu=self.used)


class Asked:
    """A pool with one actor of some GPUs, and what it was asked for."""

    def __init__(self, gpu, util=2.0, pending=0, most=3):
        self.gpu, self.util, self.pending, self.most, self.requests = gpu, util, pending, most, []

    def per_actor_resource_usage(self):
        return ExecutionResources(cpu=0.5, gpu=self.gpu)

    def num_pending_actors(self):
        return self.pending

    def num_running_actors(self):
        return 1

    def num_tasks_in_flight(self):
        return 2

    def current_size(self):
        return 1 + self.pending

    def max_size(self):
        return self.most

    def get_pool_util(self):
        return self.util

    def scale(self, request):
        self.requests.append(request.delta)


class Operator:
    """One operator of an execution, with its pool."""

    def __init__(self, pool):
        self.pool = pool

    def get_autoscaling_actor_pools(self):
        return [self.pool]


def grown(used, *pools):
    """The requests to pools with queues of 2, 4, 6, ... blocks, of four GPUs of which some are used."""
    topology = {
        Operator(pool): SimpleNamespace(total_enqueued_input_blocks=lambda number=number: 2 * number)
        for number, pool in enumerate(pools, 1)
    }
    _hand_out(SimpleNamespace(_topology=topology, _resource_manager=Resources(used)))
    return [pool.requests for pool in pools]


def test_a_free_gpu_goes_to_the_longest_queue_though_a_fifth_of_it_is_not_enough():
    assert grown(3.0, Asked(0.25), Asked(1.0), Asked(0.25, util=1.0)) == [[], [1], []]
    assert grown(3.0, Asked(1.0), Asked(0.25)) == [[], [1]]


@pytest.mark.parametrize(
    ("pool", "why"),
    [
        (Asked(1.0, util=1.0), "no queue for its actors"),
        (Asked(1.0, pending=1), "one is on its way"),
        (Asked(1.0, most=1), "as large as it may be"),
        (Asked(2.0), "more than is free"),
        (Asked(0.0), "no GPU: Ray Data's own rules are right"),
    ],
)
def test_nothing_grows_without_need_or_room(pool, why):
    assert grown(3.0, pool) == [[]], why


def test_a_shared_gpu_that_is_full_is_no_free_gpu():
    assert grown(4.0, Asked(0.25), Asked(1.0)) == [[], []]
