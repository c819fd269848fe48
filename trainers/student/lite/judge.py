"""A trained lite student that compares videos: its encoder and its head, by NumPy in double precision, without torch.

The head is that of `trainers.student.lite.head`, which learns.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainers.levels import LEVELS
from trainers.student.lite.content import CLIP
from trainers.student.lite.encoder import LiteEncoder
from trainers.student.lite.folder import HEAD, read
from trainers.student.lite.network import Weights
from trainers.student.lite.options import LiteOptions
from trainers.videos import Vectors

_ROWS = 4096  # at once: in double precision they take memory


class LiteJudge(LiteEncoder):
    """See `trainers.student.contract.Judge`.

    Args:
        options: Of the student.
        state: Its arrays, as they are saved.

    Raises:
        ValueError: Arrays are missing or do not fit.
    """

    mirrors: ClassVar[bool] = True

    def __init__(self, options: LiteOptions, state: Weights) -> None:
        super().__init__(options, state)
        try:
            head = {
                name.removeprefix(HEAD): value.astype(np.float64)
                for name, value in state.items()
                if name.startswith(HEAD)
            }
            self._content, self._mean = head["content"], head["mean"]
            self._gain, self._balance = head["scale"], head["balance"]
            self._regressor = [head[name] for name in _regressor(options)]
            self._inner, self._outer = np.cumsum(_softplus(head["link.raw"]))
        except KeyError as error:
            raise ValueError(f"the student lacks {HEAD}{error.args[0]}") from error
        if self._mean.shape != (self.size,):
            raise ValueError(f"the student's head takes {len(self._mean)} features, its encoder gives {self.size}")
        self._taken_out = self.coarse if options.content else slice(0)

    @classmethod
    def load(cls, folder: str | Path) -> LiteJudge:
        """Read a saved student. Raises ValueError for another one, or another version of the features."""
        return cls(*read(folder))

    def quality(self, features: Vectors, average: slice = slice(0)) -> NDArray[np.float64]:
        """Scalar quality [N] of features [N, D]; comparable between videos, higher is better.

        Args:
            features: Of the videos.
            average: A block that counts as in the average video of the training.
        """
        parts = [self._quality(features[k : k + _ROWS], average) for k in range(0, len(features), _ROWS)]
        return np.concatenate([np.zeros(0), *parts])

    def _quality(self, features: Vectors, average: slice) -> NDArray[np.float64]:
        rows = np.asarray(features, np.float64)
        own = rows - rows[:, self._taken_out] @ self._content
        normalised = np.clip((own - self._mean) * self._gain, -CLIP, CLIP) * self._balance
        normalised[:, average] = 0.0
        first, *rest = self._regressor
        if not rest:
            return np.asarray((normalised * first).sum(axis=1), np.float64)
        bias, last = rest
        return np.asarray((_gelu(normalised @ first.T + bias) * last).sum(axis=1), np.float64)

    def _logits(self, difference: NDArray[np.float64]) -> NDArray[np.float32]:
        """As `trainers.student.lite.head.OrdinalLink`, [..., 5] of differences [...]; those of -d are those of d, mirrored."""
        inner, outer, d = self._inner, self._outer, difference

        def between(lower: float, upper: float) -> NDArray[np.float64]:
            # log(sigmoid(u - d) - sigmoid(l - d)) without cancellation
            both = _log_sigmoid(upper - d) + _log_sigmoid(d - lower)
            return both + float(np.log(-np.expm1(lower - upper)))

        levels = [
            _log_sigmoid(-outer - d),
            between(-outer, -inner),
            between(-inner, inner),
            between(inner, outer),
            _log_sigmoid(d - outer),
        ]
        return np.stack(levels, axis=-1).astype(np.float32)

    def compare_all(self, first: Vectors, second: Vectors) -> NDArray[np.float32]:
        """Logits [P, 5] of pairs [P, D]; exchanging the videos mirrors them exactly."""
        return self._logits(self.quality(second) - self.quality(first))

    def against_anchors(self, anchors: np.ndarray, tests: Vectors) -> NDArray[np.float32]:
        """Logits [N, A, 5]."""
        return self._logits(self.quality(tests)[:, None] - self.quality(anchors)[None, :]).reshape(
            len(tests), len(anchors), len(LEVELS)
        )

    def blocks_at_average(self, anchors: np.ndarray, tests: Vectors) -> dict[str, np.ndarray]:
        """What is left of a block is its normalised part, so a block does not answer for the content."""
        first = self.quality(anchors)[None, :]
        return {
            name: self._logits(self.quality(tests, place)[:, None] - first).reshape(len(tests), -1, len(LEVELS))
            for name, place in self.places.items()
        }


def _regressor(options: LiteOptions) -> tuple[str, ...]:
    """Names of the arrays of `ComparisonHead.regressor`."""
    return (
        ("regressor.0.weight", "regressor.0.bias", "regressor.2.weight") if options.hidden else ("regressor.0.weight",)
    )


def _softplus(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.logaddexp(0, x)


def _log_sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.logaddexp(0, -x)


def _gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import erf  # half a second to import, and seldom needed

    found: NDArray[np.float64] = x * 0.5 * (1 + erf(x / np.sqrt(2)))
    return found
