import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cluster.ceiling import Nodes
from cluster.pools import Pool, Room, actor_counts, cpu_share, joined, packed, places

WEIGHTS = st.lists(st.floats(0.1, 10), min_size=1, max_size=20)
CPUS = st.integers(1, 512)
NODES = st.lists(st.builds(Nodes, st.integers(0, 9), st.just(0.0), st.integers(1, 8)), min_size=1, max_size=4)


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
    if len(weights) == 1:
        assert counts == [cpus + 1], "no other pool is there to wait for"
    else:
        assert 2 * cpus <= sum(counts) <= 2 * cpus + len(weights), "shares are rounded down"


@given(WEIGHTS, CPUS, st.lists(st.floats(0, 500), min_size=1, max_size=8))
def test_pools_of_much_memory_have_no_more_actors_than_cpus_and_memory(weights, cpus, nodes):
    pools = [Pool(dict, weight=weight, memory_gib=3.0) for weight in weights]
    most = max(1, sum(int(node / 3.0) for node in nodes))
    known = [Nodes(cpus, 0.0, 1, gib) for gib in nodes]
    assert all(1 <= count <= min(cpus, most) for count in actor_counts(pools, Room(cpus, nodes=known)))
    assert all(1 <= count <= cpus for count in actor_counts(pools, Room(cpus)))


class Adding:
    def __init__(self, what):
        self.what = what

    def __call__(self, row):
        return {**row, "path": row.get("path", "") + self.what}


def test_pools_of_cpus_that_follow_each_other_are_joined_and_do_the_same():
    one, two, three = (
        Pool(Adding, {"what": what}, weight=weight) for what, weight in (("a", 2.0), ("b", 1.0), ("c", 0.5))
    )
    network = Pool(dict, gpus=1.0)
    assert joined([one, network, Pool(dict, memory_gib=2.0), Pool(dict, batch=4)]) == [
        one,
        network,
        Pool(dict, memory_gib=2.0),
        Pool(dict, batch=4),
    ]
    found = joined([one, two, network, three])
    assert [pool.gpus for pool in found] == [0.0, 1.0, 0.0]
    assert (found[0].weight, found[0].parts, found[0].work.__name__) == (3.0, (one, two), "AddingAndAdding")
    assert found[1:] == [network, three]
    (whole,) = joined([one, two, three])
    actor = whole.work(**whole.options)
    assert actor({"key": 1}) == {"key": 1, "path": "abc"}
    assert joined([]) == []


def test_an_actor_lives_on_one_node():
    nodes = [Nodes(7.0, 0.0, 8, 9.0), Nodes(8.0, 0.0, 1, 25.0), Nodes(0.0, 0.0, 1, 100.0)]
    assert actor_counts([Pool(dict, memory_gib=10.0)], Room(64, nodes=nodes)) == [2]


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


@given(WEIGHTS, NODES)
def test_every_actor_finds_a_place_on_a_node(weights, nodes):
    cpus = sum(node.cpus * node.count for node in nodes)
    assume(cpus)
    counts, share = packed(pools_of(weights), Room(cpus, nodes=nodes))
    left = [node.cpus * 1000 for node in nodes for _ in range(node.count)]
    for _ in range(sum(counts)):
        place = max(range(len(left)), key=left.__getitem__)
        left[place] -= round(share * 1000)
    assert min(left) >= 0
    assert min(counts) >= 1
    assert share * sum(counts) <= 0.9 * cpus * (1 + 1e-9)


@given(WEIGHTS, CPUS)
def test_on_one_node_as_many_find_a_place_as_there_are(weights, cpus):
    pools = pools_of(weights)
    counts = actor_counts(pools, Room(cpus))
    for room in (Room(cpus), Room(cpus, nodes=[Nodes(cpus, 0.0, 1)])):
        assert packed(pools, room) == (counts, cpu_share(counts, cpus))


@given(WEIGHTS, st.integers(1, 96), st.integers(1, 50))
def test_small_nodes_cost_at_most_one_actor_of_each_pool(weights, size, count):
    nodes = [Nodes(size, 0.0, count)]
    counts, _ = packed(pools_of(weights), Room(size * count, nodes=nodes))
    assert sum(counts) >= sum(actor_counts(pools_of(weights), Room(size * count))) - len(weights)


def test_an_actor_on_a_gpu_needs_no_cpu():
    pools = [Pool(dict, weight=2.0), Pool(dict, gpus=1.0), Pool(dict, gpus=1.0)]
    counts, share = packed(pools, Room(4, gpus=2.0))
    assert (counts, share) == ([5, 1, 1], 0.72)
    assert packed(pools[1:], Room(4, gpus=2.0)) == ([1, 1], 0.0)


def test_many_pools_on_small_nodes_have_smaller_shares():
    counts, share = packed(pools_of([1.0] * 5), Room(3, nodes=[Nodes(1.0, 0.0, 3)]))
    assert places([Nodes(1.0, 0.0, 3)], share) >= sum(counts)
