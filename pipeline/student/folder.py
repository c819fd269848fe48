"""A student folder that can score any video: network, anchors with their scores, sampling, and model card.

`anchors.json` holds the anchors' preference matrix and the fixed map to 0-100, `anchors.safetensors` their features,
`processor.json` the sampling of a window. The network's own files are written by `trainers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from pipeline.console import UserError
from pipeline.method.posterior import AnchorPosterior
from pipeline.method.scale import AnchorScale, fit_anchor_scale, preference, score_tests
from pipeline.run_folder.digests import digest
from pipeline.run_folder.store import StoreError, read_bytes, read_json, write_bytes, write_json
from pipeline.settings.config import fingerprint
from trainers.places import Place

ANCHORS_JSON, ANCHORS_FEATURES, PROCESSOR_JSON, CARD = (
    "anchors.json",
    "anchors.safetensors",
    "processor.json",
    "MODEL_CARD.md",
)
# the anchors with others between them, for comparisons beyond the usual ones (`pipeline.student.adaptive`)
MORE_JSON, MORE_FEATURES = "anchors-more.json", "anchors-more.safetensors"


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of N videos, each `[N]`; all but `raw` on the 0-100 scale.

    Attributes:
        raw: Maximum-a-posteriori estimates, in units of the prior's deviation.
        score: The reported scores: `raw` on the 0-100 scale.
        mean: Posterior means. They lie nearer the middle of the anchors than the scores where a video beats all of them.
        std: Posterior standard deviations.
        low: Lower ends of the central 68 % intervals.
        high: Upper ends.
    """

    raw: np.ndarray
    score: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Anchors:
    """The anchors of a student, five as published, lowest quality first.

    Attributes:
        features: float32 `[A, D]`.
        matrix: P(i beats j) `[A, A]`.
        scores: Their scores 0-100 on the teachers' scale `[A]`.
        ids: Their video ids.
        temperature: Divides the logits of a test video against an anchor.
    """

    features: np.ndarray
    matrix: np.ndarray
    scores: np.ndarray
    ids: tuple[str, ...]
    temperature: float

    @cached_property
    def uncertainty(self) -> AnchorPosterior:
        """The posterior given these anchors; it is prepared once, which takes some 0.04 s."""
        return AnchorPosterior(self.matrix)

    def scale(self) -> AnchorScale:
        """The fixed affine map from MAP estimates to 0-100."""
        return fit_anchor_scale(self.matrix, self.scores)

    def raw(self, logits: np.ndarray) -> np.ndarray:
        """Raw MAP estimates `[N]` from logits `[N, A, 5]`."""
        return score_tests(self.matrix, preference(logits, self.temperature))

    def score(self, logits: np.ndarray) -> Scores:
        """Scores of N videos with their uncertainty from logits `[N, A, 5]`."""
        scale, raw = self.scale(), self.raw(logits)
        rest = self.uncertainty(preference(logits, self.temperature))
        return Scores(raw, scale(raw), scale(rest.mean), scale.deviation(rest.std), scale(rest.low), scale(rest.high))


def write_anchors(folder: Place, anchors: Anchors, *, more: bool = False) -> None:
    """Write the anchors beside the network; `more`: those for further comparisons."""
    facts, features = (MORE_JSON, MORE_FEATURES) if more else (ANCHORS_JSON, ANCHORS_FEATURES)
    write_bytes(folder / features, save({"features": np.ascontiguousarray(anchors.features, np.float32)}))
    scale = anchors.scale()
    write_json(
        folder / facts,
        {
            "ids": list(anchors.ids),
            "scores": [float(value) for value in anchors.scores],
            "matrix": [[float(value) for value in row] for row in anchors.matrix],
            "temperature": anchors.temperature,
            "scale": {"slope": scale.slope, "intercept": scale.intercept, "kind": scale.kind},
        },
    )


def read_anchors(folder: Place, *, more: bool = False) -> Anchors:
    """Read the anchors of a student folder; `more`: those for further comparisons.

    Raises:
        UserError: The folder holds no anchors.
    """
    names = (MORE_JSON, MORE_FEATURES) if more else (ANCHORS_JSON, ANCHORS_FEATURES)
    try:
        facts = read_json(folder / names[0])
        features = load(read_bytes(folder / names[1]))["features"]
    except (StoreError, OSError, KeyError) as error:
        raise UserError(
            f"{folder}: this folder has no anchors; name a run folder or its round-<k>/student folder"
        ) from error
    matrix, scores = np.array(facts["matrix"], np.float64), np.array(facts["scores"], np.float64)
    return Anchors(features, matrix, scores, tuple(facts["ids"]), float(facts["temperature"]))


def student_digest(folder: Place) -> str:
    """16 hexadecimal digits of the names and contents of a student folder, those behind links included."""
    if isinstance(folder, Path):
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    else:
        names = [name for name, _ in folder.below()]
    return fingerprint([[name, digest((folder / name).resolve())] for name in sorted(names)])


def write_processor(folder: Place, settings: dict[str, Any]) -> None:
    """Write the sampling of a window; scoring uses exactly the same sampling as training."""
    write_json(folder / PROCESSOR_JSON, settings)


def read_processor(folder: Place) -> dict[str, Any]:
    """Read the sampling of a window."""
    settings: dict[str, Any] = read_json(folder / PROCESSOR_JSON)
    return settings
