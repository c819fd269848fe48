"""The training of a round by one process of Ray beside the same one by a worker of Ray Train, in alternation.

    python benchmarks/trainings.py RUN [--round 1] [--repeat 5]

RUN is a run of the small student whose round has its pairs. Every measurement is a command of its own that starts a Ray: wall
seconds are those of the training, CPU seconds those of the whole command. Both students must have the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from speed import PROJECT, adopt_orphans, watched

from pipeline.run_folder.layout import RunLayout
from pipeline.settings.config import load
from pipeline.steps.train import job_of

KINDS = ("ray-train", "one-process")


def trained(run: Path, number: int, kind: str, facts: Path) -> None:
    """Train once, in a Ray of this process."""
    import ray
    import ray.train

    from trainers.launch import train

    with tempfile.TemporaryDirectory() as folder:
        job = job_of(load(file=run / "config.yaml"), RunLayout(run), number, "measured")
        job = replace(job, storage=f"{folder}/trainings", output=f"{folder}/student")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        result = train(job, callbacks=[ray.train.UserCallback()] if kind == "ray-train" else ())
        ray.shutdown()
        student = hashlib.sha256(Path(job.output, "model.safetensors").read_bytes()).hexdigest()
    facts.write_text(json.dumps({"wall_s": result["seconds"], "student": student}))


def main() -> None:
    """Measure, and print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--round", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--kind", choices=KINDS, help="train once (this script calls itself so)")
    parser.add_argument("--facts", type=Path, help="with --kind: what is written")
    options = parser.parse_args()
    run = options.run.resolve()
    if options.kind is not None:
        trained(run, options.round, options.kind, options.facts)
        return
    adopt_orphans()
    wall: dict[str, list[float]] = {kind: [] for kind in KINDS}
    cpu: dict[str, list[float]] = {kind: [] for kind in KINDS}
    students = set()
    with tempfile.TemporaryDirectory() as folder:
        facts = Path(folder) / "facts.json"
        for _ in range(options.repeat):
            for kind in KINDS:
                words = [str(run), "--round", str(options.round), "--kind", kind, "--facts", str(facts)]
                used = watched(PROJECT, ["benchmarks/trainings.py", *words])
                told = json.loads(facts.read_text())
                wall[kind].append(told["wall_s"])
                cpu[kind].append(used.cpu_s)
                students.add(told["student"])
    for kind in KINDS:
        print(f"{kind:12} {statistics.median(wall[kind]):.1f} s, {statistics.median(cpu[kind]):.1f} CPU s with Ray's")
    for name, both in (("wall", wall), ("CPU", cpu)):
        ratios = sorted(one / other for other, one in zip(*(both[kind] for kind in KINDS), strict=True))
        print(
            f"{name}: ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), {len(ratios)} pairs"
        )
    print("the same student" if len(students) == 1 else f"{len(students)} different students")


if __name__ == "__main__":
    main()
