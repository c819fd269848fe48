"""Scalars of a training for TensorBoard, written while it runs, where the package is installed (extra `tensorboard`)."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainers.places import Place

FOLDER = "tensorboard"  # beside the student that is trained


class Scalars:
    """Writes one point of each curve at a step.

    Args:
        writer: A `SummaryWriter`, or None to write nothing.
    """

    def __init__(self, writer: Any = None) -> None:
        self._writer = writer

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"training/{name}", value, step)


@contextmanager
def scalars(output: Place, rank: int, start: int) -> Iterator[Scalars]:
    """The scalars of a training; only rank 0 writes any, and only to a disk.

    Args:
        output: Place of the student that is trained.
        rank: This worker's rank.
        start: The step that it goes on with; later points of an interrupted training are dropped.
    """
    if rank != 0 or not isinstance(output, Path) or importlib.util.find_spec("tensorboard") is None:
        yield Scalars()
        return
    from torch.utils.tensorboard import SummaryWriter

    if start == 0:  # the curves of another training
        shutil.rmtree(output.parent / FOLDER, ignore_errors=True)
    writer = SummaryWriter(str(output.parent / FOLDER), purge_step=start or None, flush_secs=10)
    try:
        yield Scalars(writer)
    finally:
        with contextlib.suppress(OSError):  # a full disk must not end a training that is done
            writer.close()
