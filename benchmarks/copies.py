"""CPU seconds of the actors' own work beside another checkout, in alternation and without Ray, with equal tables.

    git worktree add ../before 0b53abe
    nice -n 19 python benchmarks/copies.py --before ../before CLIP... --repeat 5

benchmark: copies of a window with VMAF, the seven teachers and the student's features, one of each type.
equal: the same with no more work than 0b53abe has: one label, and the blocks of features that it knows.
distort: copies without VMAF and teachers as a round makes them: stills of the spatial types, clips of the others, and level 0.
window: undistorted windows in the common form, with the student's features, as `score` takes them.

A line gives the median CPU seconds of a row on each side, child processes included, the ratio of every pair of neighbouring runs
(median, least and largest), and how much the tables differ: VMAF in points, scores as a share of their range, features. The older
checkout may have other names for the same actors, and no second VMAF model.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
KINDS = ("benchmark", "equal", "distort", "window")
TEACHERS = ("artefact", "brisque", "exposure", "niqe", "piqe", "sharpness", "temporal")
OF_BENCHMARK = ("resize", "gaussian_noise", "brighten", "stutter", "h264", "h265", "av1", "mjpeg")
STILLS = ("resize", "gaussian_blur", "gaussian_noise", "darken", "brighten")
CLIPS = ("jitter", "stutter", "h264", "h265")

# Runs with the code of either checkout: argument 1 names a JSON file of rows, 2 the kind.
_PROGRAM = """
import json, os, resource, sys, tempfile
import numpy as np
import torch
torch.set_num_threads(1)
try:
    from actors.sample import Sampler as First
    from actors.media.views import SampleSpec
    from actors.media.window import EncodeOptions
except ImportError:
    from actors.views import SampleSpec
    from actors.window import EncodeOptions
    from actors.sample import Decode, Synthesise
    class First:
        def __init__(self, spec, options, measured):
            self.make, self.decode = Synthesise(options, tempfile.mkdtemp(), measured), Decode(spec)
        def __call__(self, row):
            return self.decode(self.make(row))
        def close(self):
            self.decode.decoder.close()
from actors.score import StudentEncoder, TeacherScorer
TICK = os.sysconf("SC_CLK_TCK")
def cpu():
    total = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    for task in os.listdir("/proc/self/task"):
        for child in open(f"/proc/self/task/{task}/children").read().split():  # the decoder lives on
            total += sum(map(int, open(f"/proc/{child}/stat").read().rpartition(")")[2].split()[11:15])) / TICK
    return total
rows, kind = json.load(open(sys.argv[1])), sys.argv[2]
spec = SampleSpec(key_frames=2, motion_frames=48)
options = EncodeOptions(x265_preset="veryfast", max_short_side=540, max_fps=30.0)
measured = kind in ("benchmark", "equal")
teachers = sys.argv[3].split(",") if measured else []
first = First(spec, options, measured)
encoder = {}
if kind == "equal" and hasattr(getattr(first, "synthesise", None), "second_label"):
    first.synthesise.second_label = False
    encoder = {"blocks": ["native", "half", "quarter", "freeze"]}
later = ([TeacherScorer(teachers)] if teachers else []) + [StudentEncoder("lite", encoder)]
def work(row):
    for actor in (first, *later): row = actor(row)
    if row["status"] != "ok": raise SystemExit(row["error"])
    scores = [row["score_" + name] for name in teachers]
    return [row["vmaf"], scores, np.frombuffer(row["features"], np.float32).tolist()]
work({**rows[-1], "video_id": "warm"})
for number, _ in enumerate(sys.stdin):
    before, found = cpu(), []
    for row in rows:  # another second of another window each time: intermediate files are made anew
        found.append(work({**row, "start_s": row["start_s"] + 0.01 * number}))
    print(json.dumps({"cpu": cpu() - before, "rows": found}), flush=True)
first.close()
"""


def rows_of(kind: str, clips: list[str]) -> list[dict[str, Any]]:
    """The rows of a kind, neighbours of one window one after the other."""
    measured = [(name, 2, False) for name in OF_BENCHMARK]
    steps = {
        "benchmark": measured,
        "equal": measured,
        "distort": [(name, level, True) for name in STILLS for level in (0, 2, 4)]
        + [(name, level, False) for name in CLIPS for level in (0, 2)],
        "window": [("pristine", 0, False)],
    }[kind]
    return [
        {"video_id": f"{number}-{name}-{level}", "uri": str(Path(clip).resolve()), "start_s": 0.4, "duration_s": 1.6,
         "recipe": json.dumps([[name, level, 7]], separators=(",", ":")), "still": still}
        for number, clip in enumerate(clips) for name, level, still in steps
    ]  # fmt: skip


class Side:
    """A process that runs the actors of a checkout again and again."""

    def __init__(self, code: Path, rows: Path, kind: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
        line = [sys.executable, "-c", _PROGRAM, str(rows), kind, ",".join(TEACHERS)]
        self._process = subprocess.Popen(
            line, env=environment, cwd=code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measured(self) -> dict[str, Any]:
        """One run of all rows."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit("the other process has ended; its message stands above")
        facts: dict[str, Any] = json.loads(answer)
        return facts

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """How much two tables differ."""
    sys.path.insert(0, str(PROJECT))
    from actors.teachers import teacher_class

    ranges = [high - low for low, high in (teacher_class(name).range for name in TEACHERS)]
    pairs = list(zip(one["rows"], other["rows"], strict=True))
    vmaf = max(abs(a[0] - b[0]) for a, b in pairs) if pairs[0][0][1] else 0.0
    shares = [
        abs(x - y) / width for a, b in pairs for x, y, width in zip(a[1], b[1], ranges if a[1] else [], strict=True)
    ]
    said = f"VMAF {vmaf:.0e}, scores {max(shares, default=0.0):.0e}"
    if any(len(a[2]) != len(b[2]) for a, b in pairs):
        return f"{said}, features of other blocks"
    features = max(float(np.abs(np.subtract(a[2], b[2])).max()) for a, b in pairs)
    return f"{said}, features {features:.0e}"


def main() -> None:
    """Measure, and print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--before", type=Path, required=True, help="the other checkout")
    parser.add_argument("--after", type=Path, default=PROJECT, help="default: this one")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    codes = [options.before.resolve(), options.after.resolve()]
    with tempfile.TemporaryDirectory() as place:
        for kind in options.kinds.split(","):
            rows = rows_of(kind, options.clips)
            file = Path(place) / f"{kind}.json"
            file.write_text(json.dumps(rows))
            sides: list[list[dict[str, Any]]] = [[], []]
            processes = [Side(code, file, kind) for code in codes]
            for _ in range(options.repeat):
                for side, process in zip(sides, processes, strict=True):
                    side.append(process.measured())
                old, new = ([facts["cpu"] / len(rows) for facts in side] for side in sides)
                ratios = [b / a for a, b in zip(old, new, strict=True)]
                spread = f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
                middle = f"{statistics.median(old):.3f} -> {statistics.median(new):.3f} CPU s a row"
                print(f"{kind:10} {len(rows)} rows, {len(ratios)} pairs: {middle}, {spread}", flush=True)
            for process in processes:
                process.close()
            print(f"{kind:10} {difference(sides[0][-1], sides[1][-1])}", flush=True)


if __name__ == "__main__":
    main()
