"""A study in one process: the rows, the steps and the results of `run.py study`, without Ray and DeepSpeed.

    OMP_NUM_THREADS=1 python benchmarks/study_here.py FOLDER --rows II,III,V,V-a --seeds 1 ...     # options as of run.py study

For one core: no actors are started, and no network is loaded by several processes. The training is plain AdamW with the pairs,
batches, loss and rates of `trainers.loop` for one worker (`later_rounds.train_plainly`). A folder that `run.py study` began goes on
here, and the other way about.

With `--hold-tower` the vision tower of the student `llava` keeps the checkpoint's weights, so that each picture passes it once in
the whole study, which would be four fifths of the time; the projector, the motion projector and the language model learn. Such a
study needs a folder of its own: its configuration does not say that the tower was held.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from later_rounds import hold_tower, train_plainly

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cluster.in_process import InProcess
from pipeline.commands import study
from trainers.batches import read_encoded, read_pairs
from trainers.job import TrainJob


class Here(InProcess):
    """The engine that trains in this process too."""

    def train(self, job: TrainJob, on_progress: Any = None) -> dict[str, Any]:
        """As `Engine.train`, without checkpoints."""
        settings = job.settings
        encoded = read_encoded(job.student, job.features)
        pairs = read_pairs(job.pairs, encoded, settings.origin_weights, settings.type_weights)
        student, result = train_plainly(job, encoded, pairs, on_progress)
        student.save(job.output)
        return result


@contextlib.contextmanager
def here(*_: Any) -> Iterator[Here]:
    """In the place of `pipeline.commands.opening.engine_of`."""
    yield Here()


def main() -> int:
    """Run the study."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    study.arguments(parser)
    parser.add_argument("--hold-tower", action="store_true")
    options = parser.parse_args()
    if options.hold_tower:
        hold_tower()
    study.engine_of = here  # type: ignore[assignment]
    return study.main(options)


if __name__ == "__main__":
    sys.exit(main())
