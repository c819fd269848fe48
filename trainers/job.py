"""What a training run is told: one frozen record, cheap to import, checked where it is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trainers.places import absolute
from trainers.settings import TrainingSettings
from trainers.student.table import DEFAULT, student_row

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

    Attributes:
        pairs: Parquet file or folder with the columns first, second, label and origin; as all places here on a
            disk or in a bucket.
        features: Folder of Parquet shards with the columns video_id and features (list of float32, equal lengths).
        output: Folder that the trained student is written to (replaced at once, at the end).
        name, storage: Name of the run, and the folder its checkpoints live in. The same name and storage resume the run, so
            a name must never be used for two different jobs.
        settings: All that the configuration says of the training.
        student, student_options: A row of the table of students and its options.
        initial: Folder of a student whose weights are the start, or None.
        validation: A table like `pairs`, or None.
        seed: Of the order of the pairs, of the student's first weights and of dropout.
        gpu, cpus_per_worker: What each worker runs on.
        epoch_pairs: Number of pairs by which the steps of an epoch are counted; None for the number there is.
        clip_norm: Gradients are scaled down to this norm; 0 leaves them as they are.
        until: Step at which this call ends, with a checkpoint and without a student; None for the end of the training. The
            learning rate still follows the whole training.
        max_failures: Restarts after lost workers.
    """

    pairs: str
    features: str
    output: str
    name: str
    storage: str
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    student: str = DEFAULT
    student_options: Mapping[str, Any] = field(default_factory=dict)
    initial: str | None = None
    validation: str | None = None
    seed: int = 0
    gpu: bool = False
    cpus_per_worker: float = 1
    epoch_pairs: int | None = None
    clip_norm: float = 1.0
    until: int | None = None
    max_failures: int = 3
    failpoint: Failpoint | None = None

    def __post_init__(self) -> None:
        if not self.name or set(self.name) & set("/\\\0"):
            raise ValueError(f"training: the name {self.name!r} must be a plain file name")
        student_row(self.student).parse(self.student_options)

    def steps(self, pairs: int, own: int = 0) -> int:
        """Steps of a training on so many pairs, and the student's own beside them, which count in proportion."""
        count = pairs if self.epoch_pairs is None else self.epoch_pairs
        count += round(count * own / pairs)
        return self.settings.epochs * -(-count // self.settings.batch_size)

    @property
    def alone(self) -> bool:
        """Whether one process trains it: one worker on a CPU, and a student that takes vectors and not videos."""
        return self.settings.workers == 1 and not self.gpu and not student_row(self.student).whole_videos

    @property
    def precision(self) -> str:
        """Number format of the network: "fp32", or "bf16" with float32 master weights."""
        return student_row(self.student).parse(self.student_options).precision

    def changed(self, **settings: Any) -> TrainJob:
        """The same job with other settings of the training."""
        return replace(self, settings=self.settings.changed(**settings))

    def with_absolute_places(self) -> TrainJob:
        """The same job for processes in other working directories."""
        return replace(
            self,
            pairs=absolute(self.pairs),
            features=absolute(self.features),
            output=absolute(self.output),
            storage=absolute(self.storage),
            initial=absolute(self.initial) if self.initial else None,
            validation=absolute(self.validation) if self.validation else None,
        )

    def fingerprint(self) -> str:
        """16 hexadecimal digits over the settings that decide the result; places and ways of running do not count."""
        settings = self.settings.model_dump(exclude={"workers", "shares", "checkpoint_every", "same_steps"})
        relevant = {
            # the first release called three settings otherwise: what it began to train goes on
            **{_FIRST_NAMES.get(name, name): value for name, value in settings.items()},
            "student": self.student,
            "student_options": dict(self.student_options),
            "seed": self.seed,
            "gpu": self.gpu,
            "clip_norm": self.clip_norm,
            "precision": self.precision,
            **({"epoch_pairs": self.epoch_pairs} if self.epoch_pairs is not None else {}),
        }
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


_FIRST_NAMES = {"lambda": "confidence", "lr": "learning_rate", "lr_warmup": "warmup"}
