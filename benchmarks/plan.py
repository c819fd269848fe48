"""The plan of a small run against the run itself, step by step: CPU seconds of all its processes.

    python benchmarks/plan.py VIDEOS [--preset local] [--stages 2] [--sample 4] [--set a.b=c]... [--in-process]

Measures rates on a sample of VIDEOS (`plan --measure`), plans with them, runs the same configuration in a process of its own, and
reads the CPU time of that process with all its descendants when each step's manifest appears. Prints the table of
docs/performance.md. CPU seconds are compared because other work on the machine stretches wall-clock time. With --in-process the run
is one process without Ray (tests/support/one_process.py), and the plan leaves out what Ray itself costs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipeline.costs.cpu import TreeClock
from pipeline.settings.config import load

POLL_S = 0.2
OF_RAY = ("session", "actor", "worker", "row")  # rates of what Ray costs beside the work


def command(options: argparse.Namespace, name: str, *more: str) -> list[str]:
    """A command of `run.py` with the configuration of this comparison."""
    settings = [word for one in options.set for word in ("--set", one)]
    shared = ["--videos", options.videos, "--preset", options.preset, "--stages", str(options.stages), *settings]
    return [sys.executable, str(ROOT / "run.py"), name, *shared, *more]


def _committed(folder: Path) -> list[str]:
    """The steps that are finished, the first one first: of two between two looks, it took the time."""
    manifests = sorted((folder / "manifests").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [path.stem for path in manifests]


def watched(options: argparse.Namespace, folder: Path) -> dict[str, tuple[float, float]]:
    """CPU seconds and wall-clock seconds of each step of a run."""
    words = command(options, "run", "--address", "local", "--out", str(folder))
    if options.in_process:
        settings = folder.with_name("config.yaml")
        settings.write_text(
            load(options.preset, overrides=options.set, stages=options.stages, videos=options.videos).to_yaml()
        )
        words = [sys.executable, str(ROOT / "tests" / "support" / "one_process.py"), str(settings), str(folder)]
    run = subprocess.Popen(words)
    clock, started = TreeClock(run.pid), time.monotonic()
    last_cpu, last_wall = 0.0, 0.0
    steps: dict[str, tuple[float, float]] = {}
    while run.poll() is None:
        cpu, wall = clock.seconds(), time.monotonic() - started
        for name in _committed(folder):
            if name in steps:
                continue
            steps[name] = (cpu - last_cpu, wall - last_wall)
            last_cpu, last_wall = cpu, wall
        time.sleep(POLL_S)
    for path in (folder / "manifests").glob("*.json"):
        steps.setdefault(path.stem, (0.0, time.monotonic() - started - last_wall))
    if run.returncode not in (0, 1):
        raise SystemExit(f"the run ended with {run.returncode}")
    return steps


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos")
    parser.add_argument("--preset", default="local")
    parser.add_argument("--stages", type=int, default=2)
    parser.add_argument("--sample", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c")
    parser.add_argument("--in-process", action="store_true")
    parser.add_argument("--rates", help="measured earlier; default: measure now")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="w2s-plan-") as name:
        folder = Path(name)
        rates = options.rates or str(folder / "rates.yaml")
        if options.rates is None:
            subprocess.run(command(options, "plan", "--measure", rates, "--sample", str(options.sample)), check=True)
        if options.in_process:
            tree = yaml.safe_load(Path(rates).read_text())
            tree["cpu"] |= dict.fromkeys(OF_RAY, 0.0)
            rates = str(folder / "without-ray.yaml")
            Path(rates).write_text(yaml.safe_dump(tree))
        planned = command(options, "plan", "--rates", rates, "--json", "--out", str(folder / "run"))
        plan = json.loads(subprocess.run(planned, check=True, capture_output=True, text=True).stdout)
        steps = watched(options, folder / "run")
    print("| step | rows planned | CPU s planned | CPU s measured | planned / measured | wall s measured |")
    print("|---|---|---|---|---|---|")
    both = [0.0, 0.0]
    for one in plan["steps"]:
        cpu, wall = steps.get(one["step"], (0.0, 0.0))
        ratio = f"{one['cpu_seconds'] / cpu:.2f}" if cpu else "-"
        both = [both[0] + one["cpu_seconds"], both[1] + cpu]
        print(f"| {one['step']} | {one['rows'] or ''} | {one['cpu_seconds']:.1f} | {cpu:.1f} | {ratio} | {wall:.1f} |")
    print(f"| all | | {both[0]:.1f} | {both[1]:.1f} | {both[0] / both[1]:.2f} | |")


if __name__ == "__main__":
    main()
