"""Calibration of teachers: the logistic, its fallbacks, the consensus and the moments per video."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pipeline.method import logistic
from pipeline.method.calibration import calibrate, consensus, weighted_mean
from pipeline.method.logistic import CalibrationError, fit_logistic

UP = {"a": True, "b": True, "c": True}


def _teachers(rng, videos=200):
    """Three noisy views of one quality; c falls with quality and lives in a narrow raw range."""
    quality = rng.normal(50, 12, videos)
    return quality, {
        "a": quality + rng.normal(0, 3, videos),
        "b": 1 / (1 + np.exp(-(quality - 50) / 10)) + rng.normal(0, 0.02, videos),
        "c": 0.3 - 0.004 * quality + rng.normal(0, 0.01, videos),
    }


@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("width", [0.01, 0.5, 40.0])
def test_logistic_recovers_its_own_parameters(rising, width):
    x = np.linspace(-4, 4, 300) * width + 3
    ends = (80.0, 10.0) if rising else (10.0, 80.0)
    truth = logistic.Logistic("logistic", (*ends, 3 + width, width), 0, 1)
    fitted = fit_logistic(x, truth(x))
    assert fitted.kind == "logistic"
    np.testing.assert_allclose(fitted.parameters, truth.parameters, rtol=1e-5)
    assert fitted.rmse < 1e-6
    assert fitted.srcc == pytest.approx(1)
    assert not fitted.contradicts


def test_logistic_leaves_out_missing_pairs_and_keeps_them_missing():
    x = np.linspace(0, 1, 50)
    y = 20 + 60 * x**2
    clean = fit_logistic(x, y)
    holed = fit_logistic(np.r_[x, np.nan, 0.5, np.inf], np.r_[y, 1.0, np.nan, 2.0])
    assert holed.parameters == clean.parameters
    assert np.isnan(holed(np.array([np.nan]))).all()


def test_logistic_beats_a_line_on_a_saturating_response():
    rng = np.random.default_rng(0)
    quality = rng.normal(0, 1, 500)
    response = 1 / (1 + np.exp(-3 * quality))
    fitted = fit_logistic(quality, response)
    assert fitted.kind == "logistic"
    line = np.polyval(np.polyfit(quality, response, 1), quality)
    assert fitted.rmse < 0.1 * np.sqrt(np.mean((line - response) ** 2))


def test_few_points_give_a_line_that_says_so():
    fitted = fit_logistic([1, 2, 3, 4], [10, 20, 30, 40])
    assert fitted.kind == "linear"
    assert "4 points" in fitted.reason
    np.testing.assert_allclose(fitted([1.0, 5.0]), [10, 50])


def test_contradicting_data_keep_the_stated_direction_and_are_reported():
    x = np.linspace(0, 1, 40)
    fitted = fit_logistic(x, -x, increasing=True)
    assert fitted.contradicts
    assert fitted.kind == "linear"
    assert fitted.parameters[0] > 0
    assert fitted.srcc == pytest.approx(-1)


def test_failed_convergence_falls_back(monkeypatch):
    monkeypatch.setattr(logistic, "leastsq", lambda *_args, **_kwargs: (np.array([1.0, 0.0, 0.0, 1.0]), "", 5))
    fitted = fit_logistic(np.arange(20.0), np.arange(20.0) * 3)
    assert (fitted.kind, fitted.reason) == ("linear", "the fit did not converge")
    np.testing.assert_allclose(fitted(2.0), 6)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ((0.0, 1.0, 0.0, 1.0), "against the stated direction"),
        ((np.nan, 0.0, 0.0, 1.0), "against the stated direction"),
        ((1.0, 0.0, 0.0, 1e-9), "step"),
        ((150.0, 140.0, 0.0, 1.0), "worse than a line"),
        ((1.0, -518.0, 0.0, 1.0), "far beyond the target"),
    ],
)
def test_useless_fits_fall_back(monkeypatch, parameters, reason):
    monkeypatch.setattr(logistic, "leastsq", lambda *_args, **_kwargs: (np.array(parameters), "", 1))
    fitted = fit_logistic(np.arange(20.0), np.arange(20.0) * 3)
    assert fitted.kind == "linear"
    assert reason in fitted.reason


def test_two_sided_data_do_not_collapse_to_a_step():
    x = np.r_[np.linspace(0, 1e-3, 30), np.linspace(1, 1.001, 30)]
    y = np.r_[np.zeros(30), np.full(30, 100.0)]
    fitted = fit_logistic(x, y)
    assert np.unique(fitted(x)).size > 30


def test_robust_line_ignores_outliers_and_survives_an_empty_quartile_range():
    x = np.arange(7.0)
    assert fit_logistic(x, np.r_[2 * x[:6], 1e6]).parameters[0] == pytest.approx(2)
    spiky = fit_logistic([0, 0, 0, 0, 0, 0, 1.0], [0, 1, 0, 1, 0, 1, 4.0])
    assert spiky.kind == "linear"
    assert np.isfinite(spiky.parameters).all()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0], [1.0], "equal length"),
        ([[1.0, 2.0]], [[1.0, 2.0]], "vectors"),
        ([1.0, np.nan, 2.0], [np.nan, 1.0, 3.0], "only 1 videos"),
        ([5.0, 5.0, 5.0], [1.0, 2.0, 3.0], "scores are the same"),
        ([1.0, 2.0, 3.0], [7.0, 7.0, 7.0], "target is the same"),
    ],
)
def test_impossible_fits_raise(x, y, message):
    with pytest.raises(CalibrationError, match=message):
        fit_logistic(x, y)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(8, 80), st.floats(-3, 3), st.booleans())
def test_every_map_is_monotone_in_the_stated_direction(seed, size, log_scale, rising):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 10**log_scale, size)
    fitted = fit_logistic(x, rng.normal(0, 1, size) + 0.3 * x / 10**log_scale, increasing=rising)
    steps = np.diff(fitted(np.sort(x)))
    assert (steps >= 0).all() if rising else (steps <= 0).all()
    assert np.isfinite(fitted.rmse)


def test_consensus_aligns_directions_and_averages_percentiles():
    scores = {"a": [1.0, 2.0, 3.0, 4.0], "b": [-1.0, -20.0, -300.0, -4000.0]}
    np.testing.assert_allclose(consensus(scores, {"a": True, "b": False}), [12.5, 37.5, 62.5, 87.5])


def test_consensus_skips_missing_scores():
    scores = {"a": [1.0, 2.0, np.nan, np.nan], "b": [np.nan, 1.0, 2.0, np.inf], "c": [np.nan] * 4}
    result = consensus(scores, UP)
    np.testing.assert_allclose(result[:3], [25, 50, 75])
    assert np.isnan(result[3])


def test_calibrate_puts_all_teachers_on_one_rising_scale():
    quality, scores = _teachers(np.random.default_rng(1))
    result = calibrate(scores, {"a": True, "b": True, "c": False})
    assert result.names == ("a", "b", "c")
    assert result.target == "consensus"
    assert result.excluded == {}
    assert result.contradicting == ()
    assert result.mapped.shape == (200, 3)
    np.testing.assert_allclose(result.mean, result.mapped.mean(axis=1))
    np.testing.assert_allclose(result.variance, result.mapped.var(axis=1, ddof=0))
    assert spearmanr(result.mean, quality).statistic > 0.95
    assert min(result.agreement.values()) > 0.85
    for column in result.mapped.T:
        assert spearmanr(column, quality).statistic > 0.9
        assert abs(column.mean() - 50) < 1


def test_calibrate_against_partial_mos():
    quality, scores = _teachers(np.random.default_rng(2))
    mos = np.where(np.arange(200) < 120, quality, np.nan)
    result = calibrate(scores, {"a": True, "b": True, "c": False}, target=mos)
    assert result.target == "given"
    assert np.isfinite(result.mean).all()
    assert np.sqrt(np.mean((result.mean - quality) ** 2)) < 3


def test_calibrate_excludes_useless_teachers_with_a_reason():
    rng = np.random.default_rng(3)
    _, scores = _teachers(rng, 60)
    scores |= {
        "constant": np.full(60, 0.25),
        "silent": np.full(60, np.nan),
        "infinite": np.full(60, -np.inf),
        "rare": np.r_[rng.normal(size=20), np.full(40, np.nan)],
    }
    result = calibrate(scores, {**dict.fromkeys(scores, True), "c": False})
    assert result.names == ("a", "b", "c")
    assert result.excluded["constant"] == "the same score (0.25) for every video"
    assert result.excluded["silent"] == result.excluded["infinite"] == "no finite score"
    assert result.excluded["rare"] == "scores for only 20 of 60 videos"


def test_calibrate_excludes_a_teacher_without_overlap_with_the_labels():
    x = np.arange(20.0)
    scores = {"a": x, "b": x**2, "c": np.where(x < 10, np.nan, x)}
    result = calibrate(scores, UP, target=np.where(x < 10, x, np.nan))
    assert result.names == ("a", "b")
    assert "only 0 videos" in result.excluded["c"]


def test_calibrate_needs_two_scores_per_video():
    x = np.arange(20.0)
    a, b, c = x.copy(), x + 0.5, x * 2
    a[0], b[0], c[0] = 1, np.nan, np.nan
    a[1] = np.inf
    result = calibrate({"a": a, "b": b, "c": c}, UP)
    assert np.isnan(result.mean[0])
    assert np.isnan(result.variance[0])
    assert np.isfinite(result.mean[1:]).all()
    assert result.count[:3].tolist() == [1, 2, 3]
    np.testing.assert_allclose(result.mean[1], result.mapped[1, 1:].mean())


def test_calibrate_reports_a_contradicting_teacher_and_does_not_flip_it():
    _, scores = _teachers(np.random.default_rng(4))
    result = calibrate(scores, UP)  # c in truth falls with quality
    assert result.contradicting == ("c",)
    assert result.agreement["c"] < -0.8
    assert spearmanr(result.mapped[:, 2], scores["c"]).statistic == pytest.approx(1)


def test_reliability_weights_favour_the_teacher_with_smaller_residuals():
    rng = np.random.default_rng(5)
    quality = rng.normal(50, 10, 300)
    scores = {"good": quality + rng.normal(0, 1, 300), "bad": quality + rng.normal(0, 15, 300)}
    directions = {"good": True, "bad": True}
    plain = calibrate(scores, directions, target=quality)
    weighted = calibrate(scores, directions, target=quality, weights="reliability")
    assert plain.weights == {"good": 0.5, "bad": 0.5}
    assert weighted.weights["good"] > 0.9
    assert sum(weighted.weights.values()) == pytest.approx(1)
    assert np.abs(weighted.mean - quality).mean() < np.abs(plain.mean - quality).mean()
    w = np.array([weighted.weights[name] for name in weighted.names])
    np.testing.assert_allclose(weighted.variance, ((weighted.mapped - weighted.mean[:, None]) ** 2) @ w)


def test_agreement_is_undefined_against_constant_others():
    x = np.arange(12.0)
    result = calibrate({"a": x, "b": -x, "c": x}, UP)
    assert np.isnan(result.agreement["a"])
    assert result.agreement["b"] == pytest.approx(-1)


@pytest.mark.parametrize(
    ("scores", "directions", "options", "message"),
    [
        ({}, {}, {}, "no teacher"),
        ({"a": [1.0, 2.0]}, UP, {}, "1 usable teacher.*no more were given"),
        ({"a": [1.0, 2.0], "b": [3.0, 3.0]}, UP, {}, "b: the same score"),
        ({"a": [1.0, 2.0], "b": [3.0]}, UP, {}, "teacher b has scores"),
        ({"a": [1.0, 2.0], "z": [3.0, 4.0]}, UP, {}, "no direction is stated for z"),
        ({"a": [1.0, 2.0], "b": [3.0, 4.0]}, UP, {"weights": "best"}, "unknown weighting"),
        ({"a": [1.0, 2.0, 3.0], "b": [3.0, 2.0, 1.0]}, UP, {}, "target is the same"),
    ],
)
def test_calibrate_explains_what_is_wrong(scores, directions, options, message):
    with pytest.raises(CalibrationError, match=message):
        calibrate(scores, directions, **options)


def test_beyond_its_data_a_logistic_falls_behind_a_line_and_within_it_does_not():
    """The figures of `docs/method.md`: 60 points on a line with 3 % noise, 100 draws."""
    draws = {1.0: [], 1.5: [], 2.0: []}
    for seed in range(100):
        random = np.random.default_rng(seed)
        x = random.uniform(0, 1, 60)
        curve = fit_logistic(x, x + random.normal(0, 0.03, 60), increasing=True)
        for place, values in draws.items():
            values.append(float(curve(place)))
    means = {place: np.mean(values) for place, values in draws.items()}
    assert means[1.0] == pytest.approx(0.995, abs=0.01)
    assert means[1.5] == pytest.approx(1.45, abs=0.03)
    assert means[2.0] == pytest.approx(1.85, abs=0.06)
    assert np.percentile(draws[2.0], 10) == pytest.approx(1.56, abs=0.1)


def test_a_curve_that_runs_away_to_a_far_level_gives_way_to_a_line_whatever_the_last_bits():
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 1, 200))
    y = np.exp(4 * x) + 0.02 * rng.normal(size=200)
    fits = [fit_logistic(x * (1 + error), y, increasing=True) for error in (0.0, 1e-15, -1e-13, 1e-11)]
    assert {fit.kind for fit in fits} == {"linear"}
    assert max(np.abs(fit(x) - fits[0](x)).max() for fit in fits) < 1e-6 * np.ptp(y)


def test_one_teacher_alone_is_on_the_scale_of_its_own_percentiles_and_has_no_variance():
    x = np.random.default_rng(0).normal(3, 0.1, 60)
    x[5] = np.nan
    alone = calibrate({"a": x}, {"a": False}, least=1)
    assert np.isnan(alone.mean[5])
    known = np.delete(np.arange(60), 5)
    assert spearmanr(alone.mean[known], x[known]).statistic == pytest.approx(-1)
    assert -10 < alone.mean[known].min() < 12
    assert 88 < alone.mean[known].max() < 110, "a logistic may end a little beyond its target"
    assert (alone.variance[known] == 0).all()
    with pytest.raises(CalibrationError, match="at least 2 are needed"):
        calibrate({"a": x}, {"a": False})
    with pytest.raises(CalibrationError, match="at least 1 is needed"):
        calibrate({"a": np.ones(9)}, {"a": True}, least=1)


def test_the_opinions_on_some_videos_are_rows_of_those_on_all():
    _, scores = _teachers(np.random.default_rng(1), videos=30)
    result = calibrate(scores, {**UP, "c": False})
    mask = np.arange(30) % 3 == 0
    some = result.some(mask)
    np.testing.assert_array_equal(some.mean, result.mean[mask])
    np.testing.assert_array_equal(some.mapped, result.mapped[mask])
    assert some.names == result.names


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_with_equal_weights_the_weighted_mean_is_the_plain_one(seed, teachers):
    rng = np.random.default_rng(seed)
    mapped = rng.normal(50, 20, (30, teachers))
    mapped[:, 0] = np.abs(mapped[:, 0])
    mapped[rng.random(mapped.shape) < 0.2] = np.nan
    mapped = mapped[np.isfinite(mapped).any(axis=1)]
    np.testing.assert_array_equal(weighted_mean(mapped, np.full(teachers, 1 / teachers)), np.nanmean(mapped, axis=1))


def test_the_weighted_mean_shares_the_weight_of_a_missing_score_among_the_others():
    mapped = [[10.0, 20.0, 40.0], [10.0, np.nan, 40.0], [np.nan, np.inf, 40.0], [np.nan] * 3]
    np.testing.assert_allclose(weighted_mean(mapped, [0.5, 0.3, 0.2]), [19.0, 13 / 0.7, 40.0, np.nan], rtol=1e-12)


def test_the_weighted_mean_is_that_of_the_calibration():
    _, scores = _teachers(np.random.default_rng(3))
    found = calibrate(scores, {"a": True, "b": True, "c": False}, weights="reliability")
    weights = [found.weights[name] for name in found.names]
    np.testing.assert_allclose(weighted_mean(found.mapped, weights), found.mean, rtol=1e-12)
