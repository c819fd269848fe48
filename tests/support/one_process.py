"""``python one_process.py CONFIG DIR``: every step of a run in this process, without Ray.

The steps are the program's own. Only what spreads them over workers is replaced, before anything imports it: rows pass
through the pools one by one, actors are plain objects, and the training has one rank.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cluster.fanout
import cluster.stream
import trainers.launch
from trainers.job import TrainJob


def stream(table: Any, pools: Sequence[Any], progress: Callable[[int], object], **_sizes: Any) -> Iterator[list[Any]]:
    """`cluster.stream.stream`: every row through all pools before the next."""
    works = [pool.work(**pool.options) for pool in pools]
    for row in table.to_pylist():
        yield [functools.reduce(lambda value, work: work(value), works, row)]
        progress(1)


class Actor:
    """An object of this process under the interface of a Ray actor."""

    def __init__(self, work: object) -> None:
        self.work = work

    def __getattr__(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(remote=getattr(self.work, name))


@contextmanager
def actors(kind: type, arguments: tuple[Any, ...], _count: int, **_resources: float) -> Iterator[Actor]:
    """`cluster.fanout.actors`: one."""
    yield Actor(kind(*arguments))


def ordered(actor: Actor, call: Callable[[Any, Any], Any], work: Sequence[Any]) -> list[Any]:
    """`cluster.fanout.ordered`."""
    return [call(actor, item) for item in work]


def train(job: TrainJob, *_callbacks: object) -> dict[str, Any]:
    """`trainers.launch.train`: the only rank, here."""
    import ray.train
    import torch.distributed

    from trainers.loop import train_worker

    context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1)
    vars(ray.train).update(get_context=lambda: context, get_checkpoint=lambda: None, report=lambda *_a, **_k: None)
    run_folder, scratch = Path(job.storage) / job.name, Path(job.storage) / "scratch"
    for folder in (run_folder, scratch):
        folder.mkdir(parents=True)
    os.environ["LOCAL_RANK"] = "0"  # DeepSpeed asks for it
    store = torch.distributed.FileStore(str(scratch / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    result = train_worker(job, run_folder, scratch)
    torch.distributed.destroy_process_group()
    shutil.rmtree(scratch)
    assert "error" not in result, result
    return result


def main(settings: str, folder: str) -> None:
    """Run all stages of the configuration."""
    vars(cluster.stream)["stream"] = stream
    vars(cluster.fanout).update(actors=actors, ordered=ordered, cluster_cpus=lambda: 1, cluster_gpus=lambda: 0.0)
    vars(trainers.launch)["train"] = train

    from pipeline.console import Console
    from pipeline.loop import run_rounds
    from pipeline.run_folder.layout import RunLayout
    from pipeline.settings.config import load

    config = load(None, settings)
    layout = RunLayout.at(folder)
    layout.root.mkdir(parents=True)
    run_rounds(config, layout, Console()).close()


if __name__ == "__main__":
    main(*sys.argv[1:])
