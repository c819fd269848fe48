"""When a pool of a stream gives up an actor, asked of Ray's own pool."""

import time
from types import SimpleNamespace

import pytest
from ray.data._internal.actor_autoscaler.autoscaling_actor_pool import ActorPoolScalingRequest, AutoscalingActorConfig
from ray.data._internal.execution.interfaces import ExecutionResources
from ray.data._internal.execution.operators.actor_pool_map_operator import _ActorPool

from cluster.shrinking import KEEP_S, Steady


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
    Steady().on_execution_step(SimpleNamespace(_topology=[operator]))
    return pool._can_apply_request(ActorPoolScalingRequest.downscale(delta=-1, force=force, reason="idle for a moment"))


def test_a_pool_that_grew_a_minute_ago_keeps_its_actors_though_it_is_idle_for_a_moment(pool):
    assert not may_shrink(pool, grown_s_ago=60)


def test_a_pool_that_has_not_grown_for_long_shrinks_with_its_queue(pool):
    assert may_shrink(pool, grown_s_ago=KEEP_S + 1)


def test_a_pool_without_any_rows_left_gives_its_actors_back_at_once(pool):
    assert may_shrink(pool, grown_s_ago=1, force=True)
