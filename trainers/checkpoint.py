"""Step checkpoints: one shard per worker with its digests, so that a torn one is noticed and the one before is used."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainers.job import TrainingError
from trainers.places import Place, on_disk, remove, write_whole

logger = logging.getLogger(__name__)

TAG = "state"
REGISTER = "checkpoint_manager_snapshot.json"  # written by Ray Train: the checkpoints that count


@dataclass(frozen=True)
class Position:
    """Where a training stands: the next step, and the records of the loss so far."""

    step: int
    workers: int
    fingerprint: str
    records: list[dict[str, float]]


def checkpoint_names(run_folder: Place) -> frozenset[str]:
    """Names of the checkpoint folders that are there, whatever they hold."""
    return frozenset(folder.name for folder in run_folder.glob("step-*"))


def checkpoint_name(step: int, taken: Container[str] = ()) -> str:
    """Folder name of the checkpoint taken before `step`; sorts by step.

    A training that passed over a torn checkpoint comes to its step again. Ray Train (2.58) would lay the new files over the
    torn ones, list the folder twice, delete it while it is in use, and end the run: a name that is `taken` gets a number.
    """
    name = f"step-{step:09d}"
    return next(new for new in (name, *(f"{name}-{k:02d}" for k in range(1, 100))) if new not in taken)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()


def save_shard(engine: Any, folder: Path, rank: int, position: Position) -> None:
    """Write this worker's shard of the engine's state, its position and the digests of its files into `folder`."""
    (folder / TAG).mkdir(parents=True, exist_ok=True)
    # what is frozen comes back with the student's own weights: of 8 billion parameters it is all but 0.4
    engine.save_checkpoint(str(folder), tag=TAG, save_latest=False, exclude_frozen_parameters=_has_frozen(engine))
    files = {str(file.relative_to(folder)): _digest(file) for file in sorted(folder.rglob("*")) if file.is_file()}
    shard = {"position": asdict(position), "files": files}
    (folder / f"shard-{rank}.json").write_text(json.dumps(shard), encoding="utf-8")


def _has_frozen(engine: Any) -> bool:
    return any(not parameter.requires_grad for parameter in engine.module.parameters())


def find_fault(folder: Path, workers: int) -> str | None:
    """What is wrong with a checkpoint folder, or None if every shard is there with the right content."""
    for rank in range(workers):
        index = folder / f"shard-{rank}.json"
        if not index.is_file():
            return f"{index.name} is missing"
        try:
            files: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["files"]
        except (ValueError, KeyError) as error:
            return f"{index.name} cannot be read ({error})"
        for name, digest in files.items():
            if not (folder / name).is_file():
                return f"{name} is missing"
            if _digest(folder / name) != digest:
                return f"{name} is damaged"
    return None


@contextmanager
def newest_intact(latest: Place, workers: int) -> Iterator[Path | None]:
    """`latest` or, if it is torn, the newest intact checkpoint before it in the same folder; None if there is none.

    During the block it is on the disk of this node.
    """
    older = sorted((name for name in checkpoint_names(latest.parent) if name < latest.name), reverse=True)
    for candidate in [latest, *(latest.parent / name for name in older)]:
        with on_disk(candidate) as folder:
            fault = find_fault(folder, workers)
            if fault is None:
                yield folder
                return
        logger.warning("checkpoint %s is not usable (%s); trying the one before", candidate.name, fault)
    yield None


def load_shard(engine: Any, folder: Path, rank: int) -> Position:
    """Restore this worker's part of the engine and return the position of the training."""
    whole = not _has_frozen(engine)
    loaded, _ = engine.load_checkpoint(str(folder), tag=TAG, load_lr_scheduler_states=False, load_module_strict=whole)
    if loaded is None:
        raise TrainingError(f"DeepSpeed found nothing to load in {folder}")
    shard = json.loads((folder / f"shard-{rank}.json").read_text(encoding="utf-8"))
    return Position(**shard["position"])


def sweep_orphans(run_folder: Place) -> list[str]:
    """Delete checkpoint folders that Ray Train never registered (a worker died while they were written)."""
    register = run_folder / REGISTER
    registered = register.read_text(encoding="utf-8") if register.is_file() else ""
    removed = []
    folders: list[Place] = list(run_folder.glob("step-*"))
    for folder in sorted(folders, key=str):
        if f'"{folder.name}"' not in registered:
            remove(folder)
            removed.append(folder.name)
    return removed


def write_json(path: Place, content: Any) -> None:
    """Write JSON so that a reader sees the old or the new content, never a part."""
    write_whole(path, json.dumps(content).encode())
