import math

import pytest
import torch

from trainers.losses import (
    SequenceLosses,
    adaptive_weight,
    auxiliary_targets,
    entropy_per_row,
    sequence_loss,
    squared_errors,
    temperature,
    weak_to_strong_loss,
)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(3)
    return torch.randn(12, 5, generator=generator), torch.randint(0, 5, (12,), generator=generator)


def test_temperature_falls_during_the_first_tenth_and_then_stays():
    assert [temperature(t) for t in (0, 0.05, 0.1, 1)] == pytest.approx([0.5, 0.3, 0.1, 0.1])


def test_alpha_is_one_half_for_equal_losses_and_lambda_starts_at_zero():
    one = torch.tensor(1.3)
    alpha, weight = adaptive_weight(one, one, 0.0)
    assert (alpha.item(), weight.item()) == (0.5, 0.0)
    assert adaptive_weight(one, one, 0.05)[1].item() == pytest.approx(0.25)


def test_huge_losses_do_not_overflow():
    alpha, _ = adaptive_weight(torch.tensor(1e4), torch.tensor(2e4), 1.0)
    assert alpha.item() == 1.0


def test_uniform_logits_have_the_entropy_of_five_equal_classes():
    assert entropy_per_row(torch.zeros(2, 5)).tolist() == pytest.approx([math.log(5)] * 2, abs=1e-6)


def test_a_fixed_lambda_mixes_the_two_terms(batch):
    logits, labels = batch
    terms = weak_to_strong_loss(logits, labels, 0.0, lambda_=0.25)
    assert terms.total.item() == pytest.approx(0.75 * terms.cross_entropy.item() + 0.25 * terms.entropy.item())


def test_lambda_carries_no_gradient(batch):
    logits, labels = batch
    logits.requires_grad_()
    terms = weak_to_strong_loss(logits, labels, 1.0)
    weight = terms.lambda_.item()
    adaptive = torch.autograd.grad(terms.total, logits)[0]
    fixed = torch.autograd.grad(weak_to_strong_loss(logits, labels, 1.0, lambda_=weight).total, logits)[0]
    assert torch.allclose(adaptive, fixed, atol=1e-7)


def test_weight_zero_equals_leaving_the_row_out(batch):
    logits, labels = batch
    weights = torch.ones(12)
    weights[8:] = 0
    masked = weak_to_strong_loss(logits, labels, 0.5, weights=weights)
    shorter = weak_to_strong_loss(logits[:8], labels[:8], 0.5)
    assert masked.total.item() == pytest.approx(shorter.total.item(), abs=1e-6)


def test_parts_with_a_common_normaliser_add_up_to_the_whole(batch):
    logits, labels = batch
    weights = torch.linspace(0.5, 1.5, 12)
    whole = weak_to_strong_loss(logits, labels, 0.5, weights=weights, lambda_=0.3)
    parts = [
        weak_to_strong_loss(
            logits[part], labels[part], 0.5, weights=weights[part], lambda_=0.3, normaliser=weights.sum() / 2
        ).total
        for part in (slice(0, None, 2), slice(1, None, 2))
    ]
    assert (sum(parts) / 2).item() == pytest.approx(whole.total.item(), abs=1e-6)


def test_auxiliary_targets_have_the_class_frequencies_of_the_labels():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(5).repeat_interleave(torch.tensor([10, 5, 20, 5, 10]))
    targets = auxiliary_targets(torch.randn(50, 5, generator=generator), labels)
    counts = torch.bincount(targets, minlength=5)
    assert (counts - torch.tensor([10, 5, 20, 5, 10])).abs().max() <= 1


def test_auxiliary_targets_of_two_classes_follow_the_published_threshold():
    generator = torch.Generator().manual_seed(1)
    logits, labels = torch.randn(31, 2, generator=generator), torch.randint(0, 2, (31,), generator=generator)
    p0 = logits.softmax(-1)[:, 0]
    published = (p0 < torch.quantile(p0, (labels == 1).float().mean())).long()
    ours = auxiliary_targets(logits, labels)
    # an element exactly at the cut may fall on either side, as one of the two rules interpolates from above
    assert (ours != published).sum() <= 1


def test_the_auxiliary_coefficient_warms_up_by_the_step_fraction(batch):
    weights = [weak_to_strong_loss(*batch, t, lambda_="auxiliary").lambda_.item() for t in (0, 0.1, 0.2)]
    assert weights == pytest.approx([0.0, 0.05, 0.5])


SURE = torch.log(torch.tensor([[1.0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0.5, 0.5]]) + 1e-12)


def test_a_regression_compares_the_expected_level_with_the_difference_in_levels_of_twenty_points():
    errors = squared_errors(SURE, torch.tensor([-40.0, 20.0, 30.0]))
    torch.testing.assert_close(errors, torch.tensor([0.0, 1.0, 0.0]))


def test_no_answer_can_follow_beyond_two_levels():
    torch.testing.assert_close(squared_errors(SURE[:1], torch.tensor([-90.0])), torch.zeros(1))


def test_pairs_without_a_difference_are_ranked_as_before(batch):
    logits, labels = batch
    nothing = torch.full((12,), float("nan"))
    plain = weak_to_strong_loss(logits, labels, 0.5)
    same = weak_to_strong_loss(logits, labels, 0.5, differences=nothing)
    torch.testing.assert_close(same.total, plain.total)
    some = nothing.clone()
    some[3] = 15.0
    error = squared_errors(logits[3:4].log_softmax(-1), some[3:4])[0]
    rows = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    rows[3] = error
    torch.testing.assert_close(weak_to_strong_loss(logits, labels, 0.5, differences=some).cross_entropy, rows.mean())


def test_a_regression_has_a_finite_gradient_where_some_pairs_have_no_difference(batch):
    logits, labels = batch
    logits.requires_grad_()
    some = torch.full((12,), float("nan"))
    some[:4] = 10.0
    weak_to_strong_loss(logits, labels, 0.5, differences=some).total.backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad.abs().sum(dim=1) > 0).all()


def test_a_language_models_regression_replaces_the_term_of_the_word_alone():
    words = SURE[:2].log_softmax(-1)
    losses = SequenceLosses(
        torch.tensor([1.0, 2.0]), torch.zeros(2), torch.tensor([0.4, 0.8]), torch.tensor([0.25, 0.25]), words
    )
    args = {"weights": torch.ones(2), "normaliser": 2.0, "lambda_": 0.0}
    found = sequence_loss(losses, torch.tensor([0, 2]), 0.5, differences=torch.tensor([float("nan"), 20.0]), **args)
    torch.testing.assert_close(found.cross_entropy, torch.tensor((1.0 + 2.0 + 0.25 * (1.0 - 0.8)) / 2))
