"""The posterior of a test video, against brute force in all dimensions and against draws from the model itself."""

from itertools import product

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.special import log_ndtr, ndtr
from scipy.stats import norm

from pipeline.method import posterior
from pipeline.method.posterior import MASS, AnchorPosterior
from pipeline.method.scale import score_tests, with_tests
from pipeline.method.thurstone import curvature, solve_map

QUALITIES = np.array([-1.2, -0.6, 0.0, 0.6, 1.2])
WIDE = norm.cdf(np.subtract.outer(2 * QUALITIES, 2 * QUALITIES))
NARROW = norm.cdf(np.subtract.outer(QUALITIES, QUALITIES) / 2)
PUBLISHED = np.full(
    (5, 5), 0.5
)  # an early matrix of the released code: anchors that are all but certain of their order
for place, wins in {
    (1, 0): 0.974, (2, 0): 0.9997, (2, 1): 0.809, (3, 0): 0.99999, (3, 1): 0.9989, (3, 2): 0.950, (4, 0): 1.0,
    (4, 1): 0.99998, (4, 2): 0.9999, (4, 3): 0.9887,
}.items():  # fmt: skip
    PUBLISHED[place], PUBLISHED[place[::-1]] = wins, 1 - wins


def _log_posterior(m, q):
    """Of qualities `[..., K]`, without the constant."""
    d = q[..., :, None] - q[..., None, :]
    return (m * log_ndtr(d)).sum((-1, -2)) - 0.5 * (q**2).sum(-1)


def _summary(x, weights):
    order = np.argsort(x)
    x, weights = x[order], weights[order] / weights.sum()
    mean = weights @ x
    ends = np.interp([(1 - MASS) / 2, (1 + MASS) / 2], np.cumsum(weights) - weights / 2, x)
    return [mean, np.sqrt(weights @ (x - mean) ** 2), *ends]


def _draws(m, count):
    """Draws `[count, K]` of all qualities given a preference matrix, with their weights `[count]`."""
    mode, plane = solve_map(m), null_space(np.ones((1, len(m))))
    root = np.linalg.cholesky(np.linalg.inv(plane.T @ curvature(m, mode) @ plane))
    normal = np.random.default_rng(0).normal(size=(count // 2, len(m) - 1))
    normal = np.concatenate([normal, -normal])
    q = mode + 1.1 * normal @ root.T @ plane.T
    logs = _log_posterior(m, q) + 0.5 * (normal**2).sum(1)
    weights = np.exp(logs - logs.max())
    assert weights.sum() ** 2 / (weights**2).sum() > count / 4, "so many independent draws"
    return q, weights


def _ours(anchors, p):
    found = AnchorPosterior(anchors)(np.atleast_2d(p))
    return [found.mean[0], found.std[0], found.low[0], found.high[0]]


@pytest.mark.parametrize("p", [(0.5, 0.5), (1.0, 1.0), (0.0, 0.0), (0.9, 0.2), (0.0, 1.0)])
def test_two_anchors_agree_with_quadrature_over_the_whole_plane(p):
    anchors = np.array([[0.5, 0.1], [0.9, 0.5]])
    line = np.linspace(-6, 6, 801)
    plane = null_space(np.ones((1, 3)))
    q = np.stack(np.meshgrid(line, line), axis=-1) @ plane.T
    logs = _log_posterior(with_tests(anchors, [p])[0], q)
    expected = _summary(q[..., 2].ravel(), np.exp(logs - logs.max()).ravel())
    np.testing.assert_allclose(_ours(anchors, p), expected, atol=3e-4)  # the reference has a grid of its own


@pytest.mark.parametrize("anchors", [WIDE, NARROW, PUBLISHED], ids=["wide", "narrow", "published"])
@pytest.mark.parametrize(
    "p", [np.ones(5), np.zeros(5), np.array([0.9, 0.8, 0.6, 0.3, 0.0])], ids=["all", "none", "some"]
)
def test_five_anchors_agree_with_importance_sampling_in_all_dimensions(anchors, p):
    q, weights = _draws(with_tests(anchors, [p])[0], 60_000)
    np.testing.assert_allclose(_ours(anchors, p), _summary(q[:, 5], weights), atol=0.012)  # three errors of the draws


@pytest.mark.parametrize("count", [2, 3, 7, 9, 12])
def test_any_number_of_anchors_has_a_posterior_that_narrows_as_they_grow(count):
    qualities = np.linspace(-1, 1, count)
    anchors = norm.cdf(np.subtract.outer(qualities, qualities))
    found = AnchorPosterior(anchors)(norm.cdf(-qualities)[None])
    assert abs(found.mean[0]) < 5e-3, "a video in the middle of symmetric anchors"
    assert 0.8 / np.sqrt(1 + count) < found.std[0] < 2 / np.sqrt(1 + count)


def test_a_product_rule_and_a_sequence_agree(monkeypatch):
    usual = _ours(PUBLISHED, np.full(5, 0.7))
    monkeypatch.setattr(posterior, "_NODES", 16)
    np.testing.assert_allclose(_ours(PUBLISHED, np.full(5, 0.7)), usual, atol=5e-3)


def test_many_videos_at_once_have_the_posterior_of_each():
    p = np.random.default_rng(1).uniform(size=(2017, 5))
    p[:32] = list(product((0.0, 1.0), repeat=5))
    model = AnchorPosterior(PUBLISHED)
    together = model(p)
    alone = model(p[:64])
    for name in ("mean", "std", "low", "high"):
        np.testing.assert_allclose(getattr(together, name)[:64], getattr(alone, name), rtol=0, atol=5e-4)


def test_a_video_that_beats_every_anchor_has_its_mean_within_its_interval_and_the_mirror_of_one_that_loses_to_all():
    won, lost = (AnchorPosterior(WIDE)(np.full((1, 5), value)) for value in (1.0, 0.0))
    assert won.low < won.mean < won.high
    np.testing.assert_allclose([won.mean, won.low, won.high], [-lost.mean, -lost.high, -lost.low], atol=1e-3)
    assert won.high - won.mean > won.mean - won.low, "what lies above is bounded by the prior alone"
    assert 0.3 < won.std < np.sqrt(5 / 6)


@pytest.mark.parametrize(
    ("p", "message"),
    [
        (np.full((1, 4), 0.5), r"5 anchors need probabilities"),
        (np.full((1, 5), 1.5), "between 0 and 1"),
        ([0.5] * 5, "need"),
    ],
)
def test_what_is_no_preference_is_refused(p, message):
    with pytest.raises(ValueError, match=message):
        AnchorPosterior(WIDE)(p)


def test_no_videos_have_no_posterior():
    assert AnchorPosterior(WIDE)(np.empty((0, 5))).low.shape == (0,)


@pytest.mark.parametrize("anchors", [WIDE, NARROW, PUBLISHED], ids=["wide", "narrow", "published"])
def test_intervals_hold_the_true_quality_in_68_of_100_cases_everywhere_on_the_scale(anchors):
    rng = np.random.default_rng(7)
    b, weights = _draws(anchors, 60_000)
    x = rng.normal(0, np.sqrt(5 / 6), len(b))
    votes = rng.uniform(size=b.shape) < ndtr(1.2 * x[:, None] - b)
    outcomes = np.array(list(product((0.0, 1.0), repeat=5)))
    kind = votes @ 2 ** np.arange(4, -1, -1)
    found = AnchorPosterior(anchors)(outcomes)
    inside = (found.low[kind] <= x) & (x <= found.high[kind])
    place = np.searchsorted(
        solve_map(anchors), score_tests(anchors, outcomes)[kind]
    )  # 0: below all anchors, 5: above all
    regions = [place == k for k in range(6)] + [
        kind == 0,
        kind == 31,
    ]  # the last two: beats no anchor, beats all of them
    crowded = [region for region in regions if weights[region].sum() > weights.sum() / 30]
    assert {0, len(regions) - 1} <= {k for k, region in enumerate(regions) if any(region is one for one in crowded)}
    for region in crowded:
        assert 0.64 < np.average(inside[region], weights=weights[region]) < 0.72


def test_counts_of_comparisons_weigh_them_as_the_model_does():
    matrix = norm.cdf(np.subtract.outer([-0.5, 0.5], [-0.5, 0.5]))
    p, counts = np.array([[0.8, 0.3]]), np.array([[2, 0]])
    line = np.linspace(-6, 6, 481)
    x, b = line[:, None], line[None, :]  # in the plane of zero sum: a_1 = b - x / 2, a_2 = -b - x / 2
    first, second = b - x / 2, -b - x / 2
    log_density = -0.5 * (x**2 + first**2 + second**2)
    gap = first - second
    log_density = log_density + matrix[0, 1] * log_ndtr(gap) + matrix[1, 0] * log_ndtr(-gap)
    log_density = log_density + 2 * (0.8 * log_ndtr(x - first) + 0.2 * log_ndtr(first - x))
    density = np.exp(log_density - log_density.max()).sum(axis=1)
    density /= density.sum()
    mean = float(density @ line)
    found = AnchorPosterior(matrix)(p, counts)
    assert found.mean[0] == pytest.approx(mean, abs=2e-3)
    assert found.std[0] == pytest.approx(np.sqrt(density @ line**2 - mean**2), abs=2e-3)


def test_one_comparison_each_is_what_is_meant_without_counts():
    matrix = norm.cdf(np.subtract.outer([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]))
    p = np.array([[0.9, 0.5, 0.2], [0.1, 0.2, 0.1]])
    anchored = AnchorPosterior(matrix)
    for name in ("mean", "std", "low", "high"):
        np.testing.assert_allclose(getattr(anchored(p, np.ones((2, 3))), name), getattr(anchored(p), name), rtol=1e-12)
    with pytest.raises(ValueError, match="none below zero"):
        anchored(p, -np.ones((2, 3)))
