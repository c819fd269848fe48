"""The processes of a training: which of them one is, and where its checkpoints go.

Students that are sharded, or trained on GPUs, have the workers of Ray Train. A head of some hundred weights on frozen features
has one process: to bring Ray Train's controller and worker up and down takes ten times as long as its training.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from trainers.checkpoint import checkpoint_names
from trainers.places import Place, publish, remove

KEPT = 2  # checkpoints: where the newest is torn there is one before it


class Group(Protocol):
    """All processes of a training, as one of them sees them; `torch.distributed` runs.

    Attributes:
        rank: Of this process.
        size: How many there are.
    """

    rank: int
    size: int

    def latest(self) -> Place | None:
        """The newest checkpoint, or None."""

    def report(self, metrics: Mapping[str, float], folder: Path | None = None, name: str = "") -> None:
        """Tell the metrics, and keep what is in a folder as the checkpoint of that name. All ranks call it at the same steps."""


class RayTrainGroup:
    """The workers of Ray Train, seen from one.

    Args:
        run_folder: Where Ray Train puts the checkpoints.
    """

    def __init__(self, run_folder: Place) -> None:
        import ray.train

        self._run_folder, self._train = run_folder, ray.train
        context = ray.train.get_context()
        self.rank, self.size = context.get_world_rank(), context.get_world_size()

    def latest(self) -> Place | None:
        """The newest checkpoint that Ray Train has registered, or None."""
        latest = self._train.get_checkpoint()
        return None if latest is None else self._run_folder / Path(latest.path).name

    def report(self, metrics: Mapping[str, float], folder: Path | None = None, name: str = "") -> None:
        """Hand all to Ray Train. A barrier."""
        if folder is None:
            self._train.report(dict(metrics))
            return
        checkpoint = self._train.Checkpoint.from_directory(str(folder))
        self._train.report(dict(metrics), checkpoint=checkpoint, checkpoint_dir_name=name)


class Alone:
    """A process that is all there is.

    Args:
        run_folder: Where the checkpoints go.
    """

    rank, size = 0, 1

    def __init__(self, run_folder: Place) -> None:
        import torch.distributed

        self._run_folder = run_folder
        os.environ["LOCAL_RANK"] = "0"  # DeepSpeed asks for it
        if not torch.distributed.is_initialized():
            store = vars(torch.distributed)["HashStore"]()  # in no `__all__`
            torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)

    def latest(self) -> Place | None:
        """The newest checkpoint that is there, or None."""
        names = sorted(checkpoint_names(self._run_folder))
        return self._run_folder / names[-1] if names else None

    def report(self, metrics: Mapping[str, float], folder: Path | None = None, name: str = "") -> None:  # noqa: ARG002
        """Keep a checkpoint, and the one before; nobody asks for the metrics."""
        if folder is None:
            return
        publish(folder, self._run_folder / name)
        for old in sorted(checkpoint_names(self._run_folder))[:-KEPT]:
            remove(self._run_folder / old)
