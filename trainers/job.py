"""What a training run is told: one frozen record, cheap to import, checked where it is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ProgressCallback = Callable[[int, int, dict[str, float]], None]


class TrainingError(RuntimeError):
    """Training cannot go on; the message says what happened, where, and how to mend it."""


@dataclass(frozen=True)
class Failpoint:
    """For tests: worker `rank` ends its process before `step`, once; the file `marker` remembers that it did."""

    rank: int
    step: int
    marker: str


@dataclass(frozen=True)
class TrainJob:
    """One training of a student on a table of pairs.

    pairs: Parquet file or folder with the columns first, second, label and origin.
    features: folder of Parquet shards with the columns video_id and features (list of float32, equal lengths).
    output: folder that the trained student is written to (replaced at once, at the end).
    name, storage: name of the run, and the folder its checkpoints live in. The same name and storage resume the run,
        so a name must never be used for two different jobs.
    confidence: weight lambda of the confidence loss: "adaptive" (CVPR 2026, section 4.2), a fixed number in 0..1,
        or "auxiliary" (the auxiliary confidence loss of Burns et al. 2023).
    batch_size: pairs per step over all workers. origin_weights, type_weights: loss weights of the pairs of
        an origin, and of a distortion type (default 1; a pair has the product).
    severity: how severity labels enter the cross-entropy: "level", the five-way label as published, or "censored",
        which reads "better" as "at least better" (and "worse" as "at least worse"): one step of CRF may be a large step.
    not_finite: what a loss or gradient does that is not finite: "stop" the training, or "skip" the update of that step;
        many in a row stop it all the same.
    initial: folder of a student whose weights are the start, or None. validation: a table like `pairs`, or None.
    """

    pairs: str
    features: str
    output: str
    name: str
    storage: str
    student: str = "lite"
    student_options: Mapping[str, Any] = field(default_factory=dict)
    initial: str | None = None
    validation: str | None = None
    confidence: float | str = "adaptive"
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    severity: str = "level"
    warmup: float = 0.03
    clip_norm: float = 1.0
    not_finite: str = "stop"
    origin_weights: Mapping[str, float] = field(default_factory=dict)
    type_weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    workers: int = 2
    gpu: bool = False
    cpus_per_worker: float = 1
    zero_stage: int = 2
    precision: str = "fp32"
    checkpoint_every: int = 200
    max_failures: int = 3
    failpoint: Failpoint | None = None

    def __post_init__(self) -> None:
        checks = {
            "epochs must be at least 1": self.epochs >= 1,
            "workers must be at least 1": self.workers >= 1,
            "batch_size must be a positive multiple of workers": self.batch_size > 0
            and self.batch_size % max(1, self.workers) == 0,
            "learning_rate must be positive": self.learning_rate > 0,
            "warmup must lie in 0..1": 0 <= self.warmup <= 1,
            "checkpoint_every must be at least 1": self.checkpoint_every >= 1,
            "zero_stage must be 0, 1, 2 or 3": self.zero_stage in (0, 1, 2, 3),
            "not_finite must be 'stop' or 'skip'": self.not_finite in ("stop", "skip"),
            "not_finite can be 'skip' at ZeRO stages 1 to 3 only": self.not_finite == "stop" or self.zero_stage > 0,
            "severity must be 'level' or 'censored'": self.severity in ("level", "censored"),
            "precision must be fp32 or bf16": self.precision in ("fp32", "bf16"),
            "confidence must be 'adaptive', 'auxiliary' or a number in 0..1": self._confidence_is_valid(),
            "origin_weights must not be negative": all(w >= 0 for w in self.origin_weights.values()),
            "type_weights must not be negative": all(w >= 0 for w in self.type_weights.values()),
            "name must be a plain file name": bool(self.name) and not set(self.name) & set("/\\\0"),
        }
        for rule, holds in checks.items():
            if not holds:
                raise ValueError(f"training: {rule}")

    def _confidence_is_valid(self) -> bool:
        if isinstance(self.confidence, str):
            return self.confidence in ("adaptive", "auxiliary")
        return 0.0 <= self.confidence <= 1.0

    def fingerprint(self) -> str:
        """16 hexadecimal digits over the settings that decide the result; places and ways of running do not count."""
        ignored = (
            "pairs",
            "features",
            "validation",
            "initial",
            "output",
            "name",
            "storage",
            "workers",
            "cpus_per_worker",
            "checkpoint_every",
            "max_failures",
            "failpoint",
        )
        relevant = {key: value for key, value in asdict(self).items() if key not in ignored}
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]
