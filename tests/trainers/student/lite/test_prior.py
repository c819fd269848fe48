import numpy as np
import pytest
import torch

from trainers.batches import Pairs
from trainers.student.lite.prior import FAR, NEAR, SHARE, prior_pairs
from trainers.student.table import build_student


def test_pairs_say_what_the_opinions_say_and_leave_near_ones_out():
    opinion = np.random.default_rng(0).normal(size=60)
    own = prior_pairs(opinion, 200, 0.3, 7)
    gap = opinion[own.second] - opinion[own.first]
    assert len(own.label) == 200
    assert (np.abs(gap) >= NEAR).all()
    assert (np.sign(own.label - 2) == np.sign(gap)).all()
    assert ((np.abs(own.label - 2) == 2) == (np.abs(gap) >= FAR)).all()
    assert set(own.label.tolist()) == {0, 1, 3, 4}
    assert (own.weight == 0.3).all()


def test_equal_seeds_give_equal_pairs_and_equal_videos_none():
    opinion = np.linspace(-1, 1, 30)
    one, same, other = (prior_pairs(opinion, 50, 1.0, seed) for seed in (1, 1, 2))
    assert (one.first == same.first).all()
    assert (one.second == same.second).all()
    assert not np.array_equal(one.first, other.first)
    assert len(prior_pairs(np.zeros(30), 50, 1.0, 1).label) == 0


@pytest.fixture(scope="module")
def lite():
    torch.manual_seed(0)
    return build_student("lite", {"prior": 0.3})


def test_the_lite_student_ranks_contents_by_the_network_and_not_where_that_is_switched_off(lite):
    features = np.random.default_rng(3).normal(size=(40, lite.feature_size)).astype(np.float32)
    own = lite.own_pairs(features, np.arange(40), 100, 5)
    assert len(own.label) == round(SHARE * 100)
    seen = features[:, lite.encoder.places["degradation"]]
    weights = {name: lite.encoder.weights[f"degradation.experts.{name}"] for name in ("weight", "bias")}
    opinion = (seen @ weights["weight"].T + weights["bias"]).mean(axis=1)
    assert (np.sign(own.label - 2) == np.sign(opinion[own.second] - opinion[own.first])).all()
    for options in ({}, {"prior": 0.3, "blocks": ["native", "freeze"]}):
        assert build_student("lite", options).own_pairs(features, np.arange(40), 100, 5) is None


def test_own_pairs_stand_beside_the_given_ones_with_their_weight():
    given = Pairs(
        np.array([4, 6]),
        np.array([6, 9]),
        np.array([0, 4]),
        np.array([0.5, 1.5], np.float32),
        np.array([True, False]),
        np.array([np.nan, 3.0], np.float32),
    )
    own = prior_pairs(np.array([-1.0, 1.0, 5.0]), 4, 0.25, 0)
    rows = np.array([4, 6, 9])
    both = given.beside(own, rows)
    assert len(both) == 2 + len(own.label)
    assert (both.first[2:] == rows[own.first]).all()
    assert (both.second[2:] == rows[own.second]).all()
    assert both.weight.mean() == pytest.approx(1)
    assert both.weight[2] / both.weight[0] == pytest.approx(0.5)
    assert both.synthetic.tolist() == [True, False] + [False] * len(own.label)
    assert np.isnan(both.difference[2:]).all()
