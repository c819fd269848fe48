"""What a language model answers about two videos: the logits of the five words, and the losses of the whole answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from trainers.losses import SequenceLosses, entropy_per_row
from trainers.student.language.prompt import Prompt
from trainers.student.language.seconds import Seconds

ENTROPY_ROWS = 256  # rows of vocabulary logits that are alive in float32 at once
Pair = tuple[int, int]  # places of the first and the second video


class AnswerLosses(nn.Module):
    """Base of the networks that read the prompt of `trainers.student.language.prompt` and answer with one of its words."""

    prompt: Prompt
    scope = "answer"

    @property
    @abstractmethod
    def head(self) -> nn.Module:
        """From hidden states [N, d] to vocabulary logits [N, C]."""

    @abstractmethod
    def states(self, videos: Sequence[Seconds], pairs: Sequence[Pair], ends: Sequence[Sequence[int]]) -> list[Tensor]:
        """Last hidden states [L_i, d] of pairs, without padding.

        Args:
            videos: Each is looked at once, however many pairs name it.
            pairs: Places of the first and the second video of each pair among `videos`.
            ends: Token ids that follow the second video of each pair.
        """

    def forward(
        self,
        videos: Sequence[Seconds],
        pairs: Sequence[Pair],
        labels: Tensor | None = None,
        accepted: Tensor | None = None,
    ) -> Tensor | SequenceLosses:
        """Logits [B, 5] of pairs, or their losses if labels are given.

        Args:
            videos, pairs: As of `states`.
            labels: Level of each pair, int [B].
            accepted: The words that count as right, bool [B, 5]; by default the label alone.
        """
        if labels is None:
            states = self.states(videos, pairs, [self.prompt.question] * len(pairs))
            return self.word_logits(torch.stack([state[-1] for state in states]))
        states = self.states(videos, pairs, [self.prompt.answered(int(label)) for label in labels])
        return self.losses([state[:-1] for state in states], labels, accepted)

    @property
    def device(self) -> torch.device:
        """Where the inputs have to lie."""
        return next(self.parameters()).device

    def logits(self, hidden: Tensor) -> Tensor:
        """Vocabulary logits float32 [N, C] of hidden states [N, d]."""
        rows: Tensor = self.head(hidden).float()
        return rows

    def word_logits(self, hidden: Tensor) -> Tensor:
        """Logits float32 [N, 5] of the five words, in the order of `LEVELS`."""
        return self.logits(hidden)[:, list(self.prompt.words)]

    def losses(self, hidden: Sequence[Tensor], labels: Tensor, accepted: Tensor | None) -> SequenceLosses:
        """Losses of pairs from their hidden states [L_i - 1, d]; row k of one says what comes at position k + 1.

        labels: level of each pair, int [B]. accepted: bool [B, 5], the words that count as right (default: the label).
        """
        if accepted is None:
            accepted = functional.one_hot(labels.to(self.device), len(self.prompt.words)).bool()
        targets = [self._targets(len(state), int(label)) for state, label in zip(hidden, labels, strict=True)]
        every = self.scope == "all"
        read = [state if every else state[rows] for state, (rows, _) in zip(hidden, targets, strict=True)]
        # one call of the head for all pairs: under ZeRO-3 every rank must call it equally often
        logits = torch.split(self.head(torch.cat(read)), [len(part) for part in read])
        parts = []
        for rows_logits, (rows, wanted), state, right in zip(logits, targets, hidden, accepted, strict=True):
            learnt = rows_logits[rows] if every else rows_logits
            word = int((rows == self._word_row(len(state))).nonzero())
            parts.append((*self._cross_entropy(learnt.float(), wanted, word, right), _mean_entropy(rows_logits)))
        cross_entropy, word_loss, share, words, entropy = (torch.stack(column) for column in zip(*parts, strict=True))
        return SequenceLosses(cross_entropy, entropy, word_loss, share, words)

    def _cross_entropy(self, logits: Tensor, targets: Tensor, word: int, right: Tensor) -> tuple[Tensor, ...]:
        """(mean over the rows, the word's own term, its share in the mean, log-probabilities of the words) of one pair."""
        log_p = functional.log_softmax(logits, dim=-1)
        losses = -log_p.gather(1, targets[:, None])[:, 0]
        words = log_p[word, list(self.prompt.words)]
        # the levels that count as right add up
        own = -torch.logsumexp(words.masked_fill(~right, -torch.inf), dim=0)
        losses = torch.cat([losses[:word], own[None], losses[word + 1 :]])
        return losses.mean(), own, torch.tensor(1.0 / len(losses), device=losses.device), words

    def _word_row(self, length: int) -> int:
        return length - 1 - len(self.prompt.rest)

    def _targets(self, length: int, label: int) -> tuple[Tensor, Tensor]:
        """Rows of a sequence of `length` + 1 positions that have a target within the scope, and the targets."""
        prompt = self.prompt
        after = prompt.answered(label)
        start = length + 1 - len(after)
        if self.scope == "label":
            chosen = [(self._word_row(length), prompt.words[label])]
        elif self.scope == "answer":
            chosen = [(start + k - 1, after[k]) for k in range(prompt.answer, len(after))]
        else:
            chosen = self._all_targets(length, after)
        rows, targets = zip(*chosen, strict=True)
        return torch.tensor(rows, device=self.device), torch.tensor(targets, device=self.device)

    def _all_targets(self, length: int, after: Sequence[int]) -> list[tuple[int, int]]:
        """The released code's targets; `between` has none, and its place need not be known."""
        before, between, last = self.prompt.targets()
        if any(between):
            raise ValueError(
                "the text between the videos holds a turn marker or a newline token: not the published prompt"
            )
        start = length + 1 - len(after)
        early = [(k - 1, self.prompt.before[k]) for k in range(1, len(before)) if before[k]]
        return early + [(start + k - 1, after[k]) for k in range(len(after)) if last[k]]


def _mean_entropy(logits: Tensor) -> Tensor:
    """Mean entropy over rows of logits, some at a time: float32 copies of a whole long sequence would not fit."""
    parts = [
        checkpoint(lambda rows: entropy_per_row(rows).sum(), part, use_reentrant=False)
        for part in torch.split(logits, ENTROPY_ROWS)
    ]
    return torch.stack(parts).sum() / len(logits)
