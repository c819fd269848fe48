"""The weak-to-strong loss: L = (1 - lambda) L_CE + lambda L_conf (CVPR 2026, section 4.2 and supplement C.2.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100
WARMUP = 0.10
TEMPERATURE_START, TEMPERATURE_END = 0.5, 0.1
AUXILIARY_COEFFICIENT = 0.5
ENTROPY_EPSILON = 1e-8
LEVEL_POINTS = 20.0  # of the teachers' scale from 0 to 100, which has five levels

Average = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LossTerms:
    """Scalars of one step. `total` carries the gradient; the others are detached (and averaged over the workers)."""

    total: Tensor
    cross_entropy: Tensor
    entropy: Tensor
    lambda_: Tensor


class SequenceLosses(NamedTuple):
    """Losses [B] of pairs by a language model, means over the tokens of each pair's scope.

    word_loss: the term of the word that says the level; share: its weight in the mean `cross_entropy`. words:
    log-probabilities [B, 5] of the five words in its place.
    """

    cross_entropy: Tensor
    entropy: Tensor
    word_loss: Tensor
    share: Tensor
    words: Tensor


def temperature(progress: float) -> float:
    """T: linear from 0.5 to 0.1 during the first tenth of the training, then constant. progress = step / steps."""
    return TEMPERATURE_START + (TEMPERATURE_END - TEMPERATURE_START) * min(1.0, progress / WARMUP)


def adaptive_weight(cross_entropy: Tensor, entropy: Tensor, progress: float) -> tuple[Tensor, Tensor]:
    """(alpha, lambda), both detached: alpha = sigmoid((L_conf - L_CE) / T), lambda = alpha * min(1, t / T_warmup)."""
    # the sigmoid equals exp(a/T) / (exp(a/T) + exp(b/T)) and cannot overflow
    alpha = torch.sigmoid((entropy.detach() - cross_entropy.detach()) / temperature(progress))
    return alpha, alpha * min(1.0, progress / WARMUP)


def entropy_per_row(logits: Tensor) -> Tensor:
    """-sum p log(p + 1e-8) of each row of logits [N, C], in nats: [N]. The 1e-8 is that of the released code."""
    p = functional.softmax(logits.float(), dim=-1)
    return -(p * torch.log(p + ENTROPY_EPSILON)).sum(dim=-1)


def _weighted_mean(values: Tensor, weights: Tensor, normaliser: Tensor | float | None) -> Tensor:
    total = weights.sum() if normaliser is None else normaliser
    return (values * weights).sum() / total


def auxiliary_targets(logits: Tensor, labels: Tensor) -> Tensor:
    """Hard predictions [N] of the student whose class frequencies are those of the weak labels (Burns et al. 2023).

    Their threshold for two classes, quantile(p, share of the class), generalised to ordered classes: the expected
    level is cut at the quantiles of the labels' cumulative frequencies. For two classes both rules are the same.
    """
    probabilities = functional.softmax(logits.detach().float(), dim=-1)
    classes = logits.shape[-1]
    levels = torch.arange(classes, dtype=probabilities.dtype, device=logits.device)
    expected = (probabilities * levels).sum(dim=-1)
    frequency = torch.bincount(labels, minlength=classes).double() / len(labels)
    cuts = torch.quantile(expected, frequency.cumsum(0)[:-1].clamp(0, 1).to(expected.dtype))
    # a row goes above a cut only if it is strictly greater
    return (expected[:, None] > cuts[None, :]).sum(dim=-1)


def squared_errors(log_probabilities: Tensor, differences: Tensor) -> Tensor:
    """Errors [N] of a regression on the teachers' means in place of a ranking.

    The expected level of the answer (-2 to 2, from log-probabilities [N, 5]) less the difference of the two means in levels. Beyond
    two levels no answer can follow, so there the difference is cut off. differences: [N], points of the teachers' scale.
    """
    levels = torch.arange(-2.0, 3.0, device=log_probabilities.device)
    said = (log_probabilities.float().exp() * levels).sum(dim=-1)
    return (said - (differences.float() / LEVEL_POINTS).clamp(-2.0, 2.0)) ** 2


def weak_to_strong_loss(
    logits: Tensor,
    labels: Tensor,
    progress: float,
    *,
    lambda_: float | str = "adaptive",
    weights: Tensor | None = None,
    normaliser: Tensor | float | None = None,
    average: Average | None = None,
    accepted: Tensor | None = None,
    differences: Tensor | None = None,
) -> LossTerms:
    """The loss of one batch.

    logits: [N, C]. labels: int [N]; rows labelled -100 have no cross-entropy but do count in the entropy.
    progress: step / total steps before the update, 0..1. lambda_: "adaptive", a fixed lambda, or "auxiliary".
    weights: [N] sample weights (default 1). normaliser: what both weighted sums are divided by, instead of the sum of
    the weights; with several workers, the weight of the whole batch divided by the number of workers.
    accepted: bool [N, C], the levels that count as right; their probabilities add up in the cross-entropy. Default: the
    label alone.
    differences: [N], points; where one is finite, `squared_errors` take the place of the cross-entropy.
    average: averages a tensor over the workers, so that all of them use one lambda.
    """
    weights = torch.ones(len(labels), device=logits.device) if weights is None else weights
    labelled = labels != IGNORED
    ce_rows = functional.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="none")
    if accepted is not None:
        log_p = functional.log_softmax(logits.float(), dim=-1)
        ce_rows = -torch.logsumexp(log_p.masked_fill(~accepted, -torch.inf), dim=-1)
    if differences is not None:
        errors = squared_errors(functional.log_softmax(logits.float(), dim=-1), torch.nan_to_num(differences))
        ce_rows = torch.where(torch.isfinite(differences), errors, ce_rows)
    cross_entropy = _weighted_mean(ce_rows, weights * labelled, normaliser)
    entropy = _weighted_mean(entropy_per_row(logits), weights, normaliser)

    def own() -> Tensor:
        targets = auxiliary_targets(logits[labelled], labels[labelled])
        rows = functional.cross_entropy(logits[labelled].float(), targets, reduction="none")
        return _weighted_mean(rows, weights[labelled], normaliser)

    return _combined(cross_entropy, entropy, own, progress, lambda_, average)


def sequence_loss(
    losses: SequenceLosses,
    labels: Tensor,
    progress: float,
    *,
    weights: Tensor,
    normaliser: Tensor | float,
    lambda_: float | str = "adaptive",
    average: Average | None = None,
    differences: Tensor | None = None,
) -> LossTerms:
    """The same loss of a batch of pairs whose losses a language model gives; arguments as in `weak_to_strong_loss`.

    A regression puts its error in the place of the term of the word that says the level, the auxiliary loss the student's own level
    in the place of the label's word; both leave the rest of the answer.
    """

    def own() -> Tensor:
        hard = auxiliary_targets(losses.words, labels)
        instead = -losses.words.gather(1, hard[:, None])[:, 0] - losses.word_loss
        return _weighted_mean(losses.cross_entropy + losses.share * instead, weights, normaliser)

    rows = losses.cross_entropy
    if differences is not None:
        instead = squared_errors(losses.words.log_softmax(dim=-1), torch.nan_to_num(differences)) - losses.word_loss
        rows = torch.where(torch.isfinite(differences), rows + losses.share * instead, rows)
    cross_entropy = _weighted_mean(rows, weights, normaliser)
    entropy = _weighted_mean(losses.entropy, weights, normaliser)
    return _combined(cross_entropy, entropy, own, progress, lambda_, average)


def _combined(
    cross_entropy: Tensor,
    entropy: Tensor,
    own: Callable[[], Tensor],
    progress: float,
    lambda_: float | str,
    average: Average | None,
) -> LossTerms:
    """(1 - lambda) times the cross-entropy plus lambda times the entropy, or `own` for the auxiliary loss."""
    means = torch.stack([cross_entropy.detach(), entropy.detach()])
    means = means if average is None else average(means)
    if lambda_ == "auxiliary":
        weight = torch.tensor(AUXILIARY_COEFFICIENT * (1.0 if progress > WARMUP else progress))
        total = (1 - weight) * cross_entropy + weight * own()
    else:
        weight = (
            adaptive_weight(means[0], means[1], progress)[1] if lambda_ == "adaptive" else torch.tensor(float(lambda_))
        )
        total = (1 - weight) * cross_entropy + weight * entropy
    return LossTerms(total, means[0], means[1], weight)
