"""The comparison head: one quality per video, and an ordinal link from the difference to the five levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.student.lite.content import CLIP, content_map

UNIT_FLOOR = 0.02


class OrdinalLink(nn.Module):
    """Cumulative logistic link from a quality difference d to five ordered levels.

    P(level <= k) = sigmoid(theta_k - d) with thresholds (-b, -a, a, b), 0 < a < b learned (McCullagh 1980, the
    proportional-odds model). The thresholds mirror each other, so exchanging the two videos (d -> -d) mirrors the
    logits exactly, bit for bit.
    """

    def __init__(self, inner: float = 0.5, outer: float = 1.5) -> None:
        super().__init__()
        # softplus(x) = y  <=>  x = log(exp(y) - 1): the raw values that give the wanted start
        raw = [np.log(np.expm1(inner)), np.log(np.expm1(outer - inner))]
        self.raw = nn.Parameter(torch.tensor(raw, dtype=torch.float32))

    def forward(self, difference: Tensor) -> Tensor:
        """Log-probabilities [B, 5] of the differences [B] (quality of the second minus quality of the first)."""
        inner, gap = functional.softplus(self.raw.float()).unbind()
        outer = inner + gap
        d = difference.float()

        def between(lower: Tensor, upper: Tensor) -> Tensor:
            # log(sigmoid(u - d) - sigmoid(l - d)) without cancellation
            return (
                functional.logsigmoid(upper - d)
                + functional.logsigmoid(d - lower)
                + torch.log(-torch.expm1(lower - upper))
            )

        return torch.stack(
            [
                functional.logsigmoid(-outer - d),
                between(-outer, -inner),
                between(-inner, inner),
                between(inner, outer),
                functional.logsigmoid(d - outer),
            ],
            dim=-1,
        )


class ComparisonHead(nn.Module):
    """Normalise -> dropout -> linear (or one hidden layer) -> scalar quality; logits of a pair by `OrdinalLink`.

    A feature counts in units of its typical difference between two copies of one content, so that what tells contents
    apart does not drown what tells qualities apart, and every group of features has the total weight that it is given.
    `groups`: length and weight of each, in order. `coarse`: the features that tell the content, which is taken out of all of
    them first (`trainers.student.lite.content`); none by default.
    """

    mean: Tensor
    scale: Tensor
    balance: Tensor
    content: Tensor

    def __init__(
        self,
        groups: Sequence[tuple[int, float]],
        hidden: int = 0,
        dropout: float = 0.5,
        coarse: slice = slice(0),
    ) -> None:
        super().__init__()
        features = sum(size for size, _ in groups)
        self.dropout = dropout
        self.coarse = coarse
        self.register_buffer("content", torch.zeros(len(range(features)[coarse]), features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer(
            "balance", torch.cat([torch.full((size,), weight * size**-0.5) for size, weight in groups])
        )
        layers: list[nn.Module] = [nn.Linear(features, 1, bias=False)]
        if hidden:
            layers = [nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, 1, bias=False)]
        torch.nn.init.zeros_(
            next(layers[-1].parameters())
        )  # all videos equal: the first step learns from the labels alone
        self.regressor = nn.Sequential(*layers)
        self.link = OrdinalLink()

    def fit_normalisation(self, features: np.ndarray, differences: np.ndarray, weights: np.ndarray) -> None:
        """Set centre and unit from the training features [V, D] and from differences of copies of one content [P, D].

        A difference counts with its pair's weight in the loss [P], so that the misjudged pairs of a later round, many of
        one kind, do not rescale the features for all. Features that never vary are ignored: dividing by their rounding
        noise would blow it up.
        """
        if len(self.content):
            self.content.copy_(torch.from_numpy(content_map(features, differences, weights, self.coarse)))
            features, differences = self._own(features), self._own(differences)
        mean = features.mean(axis=0, dtype=np.float64)
        squares = np.square(differences if len(differences) else features - mean, dtype=np.float64)
        variance = np.average(squares, axis=0, weights=weights if len(differences) else None)
        unit = np.sqrt(variance / 2)  # a difference has twice the variance of a feature
        varies = features.std(axis=0, dtype=np.float64) > 1e-6 * np.maximum(1.0, np.abs(mean))
        scale = np.where(varies, 1.0 / (unit + UNIT_FLOOR), 0.0)
        self.mean.copy_(torch.from_numpy(mean.astype(np.float32)))
        self.scale.copy_(torch.from_numpy(scale.astype(np.float32)))

    def _own(self, features: np.ndarray) -> np.ndarray:
        """Features [N, D] less what the content makes of them."""
        own: np.ndarray = features - features[:, self.coarse] @ self.content.numpy()
        return own

    def normalise(self, features: Tensor) -> Tensor:
        """Features less what their content makes of them, in their units, balanced over the groups.

        Clipped at +-8 units, so that one odd number cannot dominate.
        """
        own = features - features[:, self.coarse] @ self.content
        clipped: Tensor = ((own - self.mean) * self.scale).clamp(-CLIP, CLIP) * self.balance
        return clipped

    def quality(self, features: Tensor) -> Tensor:
        """Scalar quality [B] of features [B, D]; higher is better, the unit is that of the link's thresholds."""
        quality: Tensor = self.regressor(self.normalise(features)).squeeze(-1)
        return quality

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits [B, 5]: quality of `second` [B, D] compared with `first` [B, D]."""
        one, two = self.normalise(first), self.normalise(second)
        if self.training and self.dropout > 0:
            # one mask for both videos: a pair is compared on the same subset of features
            mask = functional.dropout(torch.ones_like(one), self.dropout)
            one, two = one * mask, two * mask
        difference = self.regressor(two).squeeze(-1) - self.regressor(one).squeeze(-1)
        logits: Tensor = self.link(difference)
        return logits
