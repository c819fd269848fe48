import pytest

from pipeline.corpus.counts import counts_input, counts_of
from pipeline.settings.config import fingerprint, load
from pipeline.settings.sections import FamilyCounts


def test_the_keys_say_the_numbers_unless_the_published_ones_are_asked_for(configured):
    config = configured()
    for number, members in ((1, 10), (2, 10_000)):
        found = counts_of(config, number, members)
        assert found.homogeneous == config.pairs.homogeneous[0]
        assert found.sources == config.distort.sources[number - 1]
        assert (found.mined, found.missed) == (config.mining.pairs, config.mining.missed)
    assert counts_input(config) == {}


def test_a_corpus_of_the_published_size_has_the_published_numbers():
    paper = load("paper", videos="clips")
    published = load("paper", videos="clips", overrides=["counts=published"])
    assert counts_input(published) == {"counts": "published"}
    for number, members in ((1, 200_000), (2, 100_000), (3, 50_000)):
        keys, table = counts_of(paper, number, members), counts_of(published, number, members)
        assert table.sources == keys.sources
        if number == 1:
            assert (table.homogeneous, table.synthetic) == (keys.homogeneous, keys.synthetic)
        else:
            assert (table.mined, table.missed) == (8_500, FamilyCounts(spatial=5_000, temporal=5_000, streaming=5_000))


@pytest.mark.parametrize("members", [1, 34, 2_000])
def test_a_smaller_corpus_has_its_share_and_never_none_of_a_kind(configured, members):
    config = configured("counts=published")
    first, second = counts_of(config, 1, members), counts_of(config, 2, members)
    assert first.homogeneous == -(-members * 5 // 4)
    assert min(first.synthetic.model_dump().values()) >= 1
    assert min(second.missed.model_dump().values()) >= 1
    assert 14 * second.mined == pytest.approx(0.85 * members, abs=14), "seven teachers in two roles"


def test_a_corpus_without_new_videos_has_no_new_pairs(configured):
    found = counts_of(configured("counts=published"), 3, 0)
    assert (found.mined, found.sources, found.missed) == (0, FamilyCounts(), FamilyCounts())


def test_what_an_ablation_leaves_out_stays_out(configured):
    found = counts_of(configured("counts=published", "ablation=II"), 1, 1_000)
    assert (found.synthetic, found.sources) == (FamilyCounts(), FamilyCounts())
    assert found.homogeneous == 1_250
    assert counts_of(configured("counts=published", "mining.pairs=0"), 2, 1_000).mined == 0


def test_a_run_that_was_begun_before_this_key_goes_on(configured):
    tree = configured().model_dump(mode="json")
    assert "counts" not in tree
    assert fingerprint(tree) != fingerprint(configured("counts=published").model_dump(mode="json"))
