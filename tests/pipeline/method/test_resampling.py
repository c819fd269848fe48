import numpy as np
import pytest

from pipeline.method.metrics import pairwise_accuracy, srcc, within_source_srcc
from pipeline.method.resampling import draws, interval, resampled


def corpus(seed, sources, copies=6, noise=20.0):
    """Labels that differ between sources, and scores that follow them with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform(20, 100, (sources, copies)) + rng.normal(0, 20, (sources, 1))
    scores = labels + rng.normal(0, noise, labels.shape)
    return scores.ravel(), labels.ravel(), [f"s{k}" for k in range(sources) for _ in range(copies)]


def test_drawing_every_source_once_gives_the_measures_themselves():
    scores, labels, groups = corpus(0, 5)
    found = resampled(scores, labels, groups, np.arange(5)[None], 5.0)
    assert found["srcc"] == pytest.approx(srcc(scores, labels))
    assert found["within"] == pytest.approx(within_source_srcc(scores, labels, groups).value)
    assert found["pair_accuracy"] == pytest.approx(pairwise_accuracy(scores, labels, groups, 5.0).value)


def test_the_rank_correlation_of_a_resample_is_that_of_its_rows():
    scores, labels, groups = corpus(5, 6)
    scores, labels = np.round(scores, -1), np.round(labels, -1)  # with ties
    drawn = draws(6, 1, 20)
    rows = [np.concatenate([np.arange(6 * k, 6 * k + 6) for k in chosen]) for chosen in drawn]
    expected = [srcc(scores[one], labels[one]) for one in rows]
    assert resampled(scores, labels, groups, drawn)["srcc"] == pytest.approx(expected)


def test_a_source_that_is_drawn_twice_counts_twice():
    scores, labels, groups = corpus(1, 3)
    (twice,) = resampled(scores, labels, groups, np.array([[0, 0, 2]]))["within"]
    first, _, third = (within_source_srcc(scores[k : k + 6], labels[k : k + 6], [0] * 6).value for k in (0, 6, 12))
    assert twice == pytest.approx((2 * first + third) / 3)


def test_intervals_hold_the_truth_as_often_as_they_say():
    truth = srcc(*corpus(99, 4000)[:2])
    held = 0
    for seed in range(100):
        scores, labels, groups = corpus(seed, 30)
        low, high = interval(resampled(scores, labels, groups, draws(30, seed, 200))["srcc"])
        held += low <= truth <= high
    assert 0.87 <= held / 100 <= 0.99


def test_the_spread_is_that_of_sources_and_not_of_copies():
    """Copies of a source that are all alike: ten times as many of them say nothing more."""
    scores, labels, groups = corpus(3, 12, copies=4)
    few, many = (
        np.ptp(interval(resampled(*(np.repeat(one, times) for one in (scores, labels, groups)), draws(12, 0))["srcc"]))
        for times in (1, 10)
    )
    assert many == pytest.approx(few, rel=0.05)


def test_rows_without_a_score_are_left_out_and_too_few_give_no_interval():
    scores, labels, groups = corpus(4, 5)
    scores[0] = np.nan
    found = resampled(scores, labels, groups, np.arange(5)[None])
    assert found["srcc"] == pytest.approx(srcc(scores[1:], labels[1:]))
    nothing = resampled(np.full(30, 3.0), labels, groups, draws(5, 0))
    assert interval(nothing["srcc"]) is None
    assert interval([]) is None
    with pytest.raises(ValueError, match="draws of 5 sources"):
        resampled(scores, labels, groups, draws(4, 0))


def test_the_same_seed_draws_the_same():
    assert (draws(7, 1) == draws(7, 1)).all()
    assert (draws(7, 1) != draws(7, 2)).any()
