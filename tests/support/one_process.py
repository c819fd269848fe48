"""``python one_process.py CONFIG DIR``: every step of a run in this process, without Ray. The training has one rank."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cluster.in_process import InProcess
from pipeline.console import Console
from pipeline.loop import run_all
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.run import Run
from pipeline.settings.config import load
from trainers.places import node_folder, place


class OneProcess(InProcess):
    """The engine of this process, which also trains."""

    def train(self, job, *_callbacks):
        """`trainers.launch.train`: the only rank, here."""
        import ray.train
        import torch.distributed

        from trainers.loop import train_worker

        context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1)
        vars(ray.train).update(get_context=lambda: context, get_checkpoint=lambda: None, report=lambda *_a, **_k: None)
        storage = place(job.storage)
        run_folder, scratch = storage / job.name, node_folder(storage) / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
        for folder in (run_folder, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        os.environ["LOCAL_RANK"] = "0"  # DeepSpeed asks for it
        if not torch.distributed.is_initialized():  # DeepSpeed keeps the group of the first training
            store = torch.distributed.HashStore()
            torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        result = train_worker(job, run_folder, scratch)
        shutil.rmtree(scratch)
        assert "error" not in result, result
        return result


def main(settings, folder):
    """Run all stages of the configuration."""
    layout = RunLayout.at(folder)
    layout.root.mkdir(parents=True)
    run_all(Run(load(None, settings), layout, Console(), OneProcess())).close()


if __name__ == "__main__":
    main(*sys.argv[1:])
