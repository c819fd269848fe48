"""``python one_process.py CONFIG DIR``: every step of a run in this process, without Ray. The training has one rank."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

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
        from trainers.group import Alone
        from trainers.loop import train_worker

        storage = place(job.storage)
        run_folder, scratch = storage / job.name, node_folder(storage) / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
        for folder in (run_folder, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        result = train_worker(job, run_folder, scratch, Alone(run_folder))
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
