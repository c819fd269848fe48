import math

import pytest
import torch

from trainers.losses import adaptive_weight, auxiliary_targets, entropy_per_row, temperature, weak_to_strong_loss


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
