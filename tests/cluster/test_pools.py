import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.pools import Pool, Room, actor_counts, cpu_share

WEIGHTS = st.lists(st.floats(0.1, 10), min_size=1, max_size=20)
CPUS = st.integers(1, 512)


def pools_of(weights):
    return [Pool(dict, weight=weight) for weight in weights]


@given(WEIGHTS, CPUS)
def test_all_pools_of_a_stream_can_be_alive_at_once(weights, cpus):
    counts = actor_counts(pools_of(weights), Room(cpus))
    share = cpu_share(counts, cpus)
    assert len(counts) == len(weights)
    assert min(counts) >= 1
    assert 0 < share <= 1
    assert share * sum(counts) <= 0.9 * cpus * (1 + 1e-9), "the rest is for what feeds the pools"


@given(WEIGHTS, CPUS)
def test_every_pool_has_an_actor_and_two_more_per_cpu_are_shared(weights, cpus):
    counts = actor_counts(pools_of(weights), Room(cpus))
    assert 2 * cpus <= sum(counts) <= 2 * cpus + len(weights), "shares are rounded down"


@given(WEIGHTS, CPUS, st.lists(st.floats(0, 500), min_size=1, max_size=8))
def test_pools_of_much_memory_have_no_more_actors_than_cpus_and_memory(weights, cpus, nodes):
    pools = [Pool(dict, weight=weight, memory_gib=3.0) for weight in weights]
    most = max(1, sum(int(node / 3.0) for node in nodes))
    assert all(1 <= count <= min(cpus, most) for count in actor_counts(pools, Room(cpus, nodes_gib=nodes)))
    assert all(1 <= count <= cpus for count in actor_counts(pools, Room(cpus)))


def test_an_actor_lives_on_one_node():
    assert actor_counts([Pool(dict, memory_gib=10.0)], Room(64, nodes_gib=[9.0] * 8 + [25.0])) == [2]


@given(WEIGHTS, CPUS)
def test_a_costlier_pool_never_has_fewer_actors(weights, cpus):
    counts = actor_counts(pools_of(weights), Room(cpus))
    ordered = [count for _, count in sorted(zip(weights, counts, strict=True))]
    assert ordered == sorted(ordered)


@pytest.mark.parametrize(
    ("cpus", "counts", "share"), [(2, [3, 2, 1], 0.3), (4, [5, 3, 2], 0.36), (6, [7, 4, 2], 0.415), (1, [2, 1], 0.3)]
)
def test_shares_of_small_machines(cpus, counts, share):
    assert actor_counts(pools_of([4.0, 2.0, 1.0][: len(counts)]), Room(cpus)) == counts
    assert cpu_share(counts, cpus) == pytest.approx(share)


@given(st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=1, max_size=6), st.integers(0, 64))
def test_a_pool_on_gpus_leaves_one_actor_s_place_to_every_other(shares, free):
    pools = [Pool(dict, gpus=share, weight=9.0) for share in shares]
    gpus = sum(shares) + free
    counts = actor_counts(pools, Room(64, gpus))
    assert all(count >= 1 for count in counts)
    for count, share in zip(counts, shares, strict=True):
        assert count * share + sum(shares) - share <= gpus


def test_a_pool_on_gpus_that_are_not_there_yet_has_a_finite_size():
    assert actor_counts([Pool(dict, gpus=1.0)], Room(2, 0.0)) == [1]
    assert actor_counts([Pool(dict, gpus=1.0)], Room(64, 8.0)) == [8]
