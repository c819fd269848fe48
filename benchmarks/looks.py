"""CPU seconds of making, measuring and decoding copies (steps `distort-1` and `benchmark`), beside another checkout.

    python benchmarks/looks.py                            # rendered clips
    python benchmarks/looks.py --code OTHER --code .      # the same rows with the code of another checkout and with this one's

Each step runs in a process of its own, without Ray: one actor after the other, so the figures are those of the work itself.
CPU seconds count all its child processes. Equal digests are equal tables.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
STEPS = ("distort-1", "benchmark")


def settings(clips: int) -> list[str]:
    """Overrides of the demo preset: few clips, and every type of distortion."""
    return [f"corpus.made_clips={clips}", "corpus.degraded_copies=0", "corpus.made_seconds=1", "corpus.window_s=1"]


def run_step(root: Path, name: str, clips: int) -> dict[str, Any]:
    """Run one step in this process with the code that Python finds first."""
    from actors import sample
    from cluster.in_process import InProcess
    from pipeline.console import Console
    from pipeline.loop import steps_of
    from pipeline.run_folder.layout import RunLayout
    from pipeline.run_folder.run import Run
    from pipeline.settings.config import load

    if not hasattr(sample.Decode, "close"):  # its child process is counted only when it has ended
        sample.Decode.close = lambda part: part.decoder.close()  # type: ignore[attr-defined]
    run = Run(load("demo", overrides=settings(clips)), RunLayout(root), Console(), InProcess())
    step = next(step for step in steps_of(run) if step.name == name)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.parquet")}
    start = cpu()
    rows = step.work()["rows"]
    seconds = cpu() - start
    new = sorted(path for path in root.rglob("*.parquet") if before.get(path) != path.stat().st_mtime_ns)
    return {"rows": rows, "seconds": seconds, "digest": digest(new, root)}


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def digest(paths: list[Path], root: Path) -> str:
    """Digest of the rows of tables."""
    import pyarrow.parquet as pq

    rows = [[str(path.relative_to(root)), repr(pq.read_table(path).to_pylist())] for path in paths]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def child(code: Path, *arguments: str) -> dict[str, Any]:
    """Run this script with the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, str(Path(__file__).resolve()), "--step", *arguments]
    ended = subprocess.run(line, env=environment, cwd=code, stdout=subprocess.PIPE, text=True, check=True)
    facts: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return facts


def main() -> None:
    """Measure, and print one line for each step and checkout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--code", type=Path, action="append", help="checkouts to measure, default: this one")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        root, name, clips = options.step
        print(json.dumps(run_step(Path(root), name, int(clips))))
        return
    codes = [code.resolve() for code in options.code or [PROJECT]]
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place) / "run"
        child(codes[0], str(corpus), "ingest", str(options.clips))
        for _ in range(options.repeat):
            for name in STEPS:
                for code in codes:
                    root = Path(place) / "again"
                    shutil.copytree(corpus, root)
                    facts = child(code, str(root), name, str(options.clips))
                    shutil.rmtree(root)
                    print(
                        f"{name:10} {code}: {facts['rows']} rows, CPU {facts['seconds']:.1f} s, tables {facts['digest']}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
