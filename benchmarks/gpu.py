"""Every figure that needs a GPU, by one command of at most ten minutes.

    python benchmarks/gpu.py [--peak 989e12] [--out FOLDER]
    python benchmarks/gpu.py --small                      the same way on this CPU, to see that it works

1. The published teachers' networks alone: videos per second by videos a call, the call that saturates the GPU, the share of time
   that the GPU computes, and memory (`teachers.py --network-only`).
2. A training step of the 7B shape with eight pairs of 8 s: tokens per second, share of the peak (MFU), and memory, beside the
   memory that `plan` says for one worker (`student.py --shape 7b`).

Each part has its own limit, and what a part has printed until then is kept. Needs torch, transformers, NumPy and Pillow; the memory
that is planned needs the project's own requirements too, and is left out with a line where they are missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

BATCH, SECONDS = 8, 8
H200 = 989e12  # FLOP/s in bfloat16 without sparsity, as the data sheet says
LIMITS_S = {"teachers": 240.0, "student": 300.0}


def part(name: str, words: Sequence[str], out: Path | None) -> str:
    """Run a benchmark, print what it prints, and return it; a part that fails or takes too long says so and ends alone."""
    start, text = time.monotonic(), ""
    command = [sys.executable, "-u", *words]
    print(f"== {name}: {' '.join(words)}", flush=True)
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        text, _ = process.communicate(timeout=LIMITS_S[name])
    except subprocess.TimeoutExpired:
        process.kill()
        text, _ = process.communicate()
        text += f"\n{name}: not finished after {LIMITS_S[name]:.0f} s; what stands above was measured\n"
    if process.returncode > 0:
        text += f"\n{name}: ended with {process.returncode}\n"
    print(f"{text}== {name}: {time.monotonic() - start:.0f} s", flush=True)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.txt").write_text(text, encoding="utf-8")
    return text


def planned_gib() -> float | None:
    """GPU memory of one training worker by the plan, GiB; None where the project's requirements are missing."""
    try:
        from pipeline.costs.large_student import training_gib
        from pipeline.settings.config import load
    except ImportError:
        return None
    keys = ["training.workers=1", "training.zero_stage=0", f"training.batch_size={BATCH}", f"corpus.window_s={SECONDS}"]
    return training_gib(load("paper", videos="VIDEOS", overrides=keys))


def summary(text: str) -> str:
    """A line about training: MFU, and memory beside the plan."""
    try:
        start = text.index("{\n")  # libraries may warn before
        figures = json.JSONDecoder().raw_decode(text, start)[0]["training"]
    except (ValueError, KeyError):
        return "training: not measured"
    said = f"training: {figures['tokens_per_second']:.0f} tokens/s"
    if "share_of_peak" in figures:
        said += f", {figures['share_of_peak']:.1%} of the peak"
    if "peak_memory_bytes" in figures:
        used, plan = figures["peak_memory_bytes"] / 2**30, planned_gib()
        said += f", {used:.1f} GiB"
        said += (
            "; the plan is not known here" if plan is None else f" where {plan:.1f} are planned: {used / plan - 1:+.0%}"
        )
    return said


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peak", type=float, default=H200, help="peak FLOP/s of the device (default an H200's)")
    parser.add_argument("--out", type=Path, help="folder that gets what each part prints")
    parser.add_argument("--small", action="store_true", help="shrunk student, one video a call, on the CPU")
    options = parser.parse_args()
    teachers = ["--batches", "1", "--least", "0.1", "--device", "cpu"] if options.small else ["--device", "cuda"]
    student = ["--shape", "7b", "--device", "cuda", "--batch", str(BATCH), "--seconds", str(SECONDS)]
    student = ["--seconds", "4"] if options.small else [*student, "--peak", str(options.peak)]
    part("teachers", ["benchmarks/teachers.py", "--network-only", *teachers], options.out)
    print(summary(part("student", ["benchmarks/student.py", *student], options.out)))


if __name__ == "__main__":
    main()
